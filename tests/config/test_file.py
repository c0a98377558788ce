"""Configuration files as such: repeated keys, upper and lower case, the types of YAML."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from girandola.config.dump import rendered
from girandola.config.file import ConfigError, read_file
from girandola.config.yaml_file import parse
from girandola.config.yes_no import as_older_servers


def refusal(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_file(str(folder / name))
    (problem,) = caught.value.problems
    return str(problem).removeprefix(f"{folder}/")


# ── keys that stand twice ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("client:\n  a: 1\nlog: {}\nclient:\n  b: 1\n", '"client" stands twice, in lines 1 and 4'),
        ("channel:\n  namespaces:\n  - name: a\n    name: b\n", '"name" stands twice, in lines 3'),
        ("log: {level: a, level: a}\n", '"level" stands twice, in lines 1 and 1'),
        ('log: {}\n"log": {}\n', '"log" stands twice, in lines 1 and 2'),
    ],
)
def test_a_key_that_stands_twice_in_yaml_is_refused_with_both_lines(
    tmp_path: Path, text: str, told: str
) -> None:
    assert told in refusal(tmp_path, "config.yaml", text)


def test_what_an_anchor_brings_may_be_said_again(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("a: &a {x: 1, y: 1}\nb: &b\n  <<: *a\n  x: 2\nc: {<<: *b}\n")
    tree = read_file(str(tmp_path / "c.yml")).tree
    assert tree == {"a": {"x": 1, "y": 1}, "b": {"x": 2, "y": 1}, "c": {"x": 2, "y": 1}}


def test_the_last_of_two_equal_keys_in_json_counts_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(
        '{"log": {"file": "a"}, "b": [{"c": {"d": 1, "d": "hush"}}], "log": {"level": "info"}}'
    )
    file = read_file(str(tmp_path / "c.json"))
    assert file.tree == {"log": {"level": "info"}, "b": [{"c": {"d": "hush"}}]}
    assert file.warnings == (
        '"log" stands twice, the last one counts',
        '"b[0].c.d" stands twice, the last one counts',
    )


def test_a_key_that_stands_twice_in_toml_is_refused(tmp_path: Path) -> None:
    assert "cannot be parsed" in refusal(tmp_path, "c.toml", "a = 1\na = 2\n")


# ── upper and lower case ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"Client": {"TOKEN": {"Hmac_Secret_Key": "S"}}, "List": [{"Name": "A"}]}'),
        ("c.yaml", "Client: {TOKEN: {Hmac_Secret_Key: S}}\nList: [{Name: A}]\n"),
        ("c.toml", 'Client.TOKEN.Hmac_Secret_Key = "S"\nList = [{Name = "A"}]\n'),
    ],
)
def test_keys_mean_the_same_in_upper_and_lower_case(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_file(str(tmp_path / name)).tree == {
        "client": {"token": {"hmac_secret_key": "S"}},
        "list": [{"name": "A"}],
    }


def test_keys_that_are_data_keep_their_letters(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"Http": {"Static_Headers": {"X-Api-Key": "K"}}}')
    tree = read_file(str(tmp_path / "c.json")).tree
    assert tree == {"http": {"static_headers": {"X-Api-Key": "K"}}}


@pytest.mark.parametrize("name", ["c.json", "c.yaml"])
def test_keys_that_differ_in_case_only_and_disagree_are_refused(tmp_path: Path, name: str) -> None:
    text = '{"a": {"Secret": "hush", "b": 1, "secret": "hush-hush"}}'
    assert refusal(tmp_path, name, text) == (
        f'{name}: cannot be parsed: "Secret" and "secret" say different things about a.secret, '
        "expected only one of them: upper and lower case mean the same"
    )
    (tmp_path / name).write_text('{"A": 1, "a": 1}')
    assert read_file(str(tmp_path / name)).tree == {"a": 1}


# ── the types of YAML ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, word) for word in ("yes", "No", "ON", "off", "y", "n")),
        *(("true", True), ("False", False), ("~", None), ("", None), ("null", None)),
        *(("0", 0), ("-12", -12), ("1_000", 1000), ("0x1F", 31), ("0o17", 15), ("0b11", 3)),
        *(("0660", "0660"), ("12:30:00", "12:30:00"), ("2026-01-01", "2026-01-01")),
        *(("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("1.2.3", "1.2.3"), ("=", "=")),
        *(('"yes"', "yes"), ("'12'", "12")),
    ],
)
def test_yaml_has_the_types_of_yaml_1_2(text: str, value: Any) -> None:
    found = parse(f"key: {text}")["key"]
    assert found == value
    assert isinstance(found, type(value))


def test_older_servers_read_yes_and_no_as_booleans() -> None:
    tree = parse('a: yes\nb: [Off, "yes", {c: ON}]\nd: no\n')
    assert as_older_servers(tree) == {"a": True, "b": [False, "yes", {"c": True}], "d": False}


@given(st.dictionaries(st.sampled_from("abc"), st.text(st.characters(exclude_categories=["C"]))))
def test_any_text_written_as_yaml_is_read_as_the_same(tree: dict[str, str]) -> None:
    assert parse(rendered(tree, "yaml")) == tree


@pytest.mark.parametrize("text", ["1e3", "0o17", "yes", "0660", "1_0", "12:30", "~", "", "<<"])
def test_what_one_version_of_yaml_takes_for_another_type_is_written_in_quotes(text: str) -> None:
    written = rendered({"a": text}, "yaml")
    assert parse(written) == yaml.safe_load(written) == {"a": text}


@given(st.from_regex(r"\A[-+.0-9_xobeEinfyYsSnNoOtrua~:]{1,8}\Z"))
def test_what_looks_like_another_type_is_written_in_quotes(text: str) -> None:
    found = parse(rendered({"a": text}, "yaml"))["a"]
    assert (found, type(found)) == (text, str)
