"""Values that are not of the type of their option: what is cast, what is refused, what is told."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from girandola.config.load import ConfigError, Loaded, load, value_at
from girandola.config.names import NEUTRAL
from girandola.config.schema import NAMESPACE_OPTIONS, OPTIONS, SECTIONS


def tree_with(path: str, value: Any) -> dict[str, Any]:
    *sections, name = path.split(".")
    tree: dict[str, Any] = {name: value}
    for section in reversed(sections):
        tree = {section: tree}
    return tree


def loaded(folder: Path, tree: Any) -> Loaded:
    (folder / "config.json").write_text(json.dumps(tree))
    return load(str(folder / "config.json"))


def refusal(folder: Path, tree: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, tree)
    return str(caught.value).replace(f"{folder}/", "")


# ── casts ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "value", "meaning", "told"),
    [
        ("http_server.port", "8001", 8001, 'got "8001", taken as 8001'),
        ("http_server.port", "0x10", 16, 'got "0x10", taken as 16'),
        ("client.channel_limit", 7.0, 7, "got 7.0, taken as 7"),
        ("client.insecure", "true", True, 'got "true", taken as true'),
        ("client.insecure", 0, False, "got 0, taken as false"),
        ("sse.enabled", 1, True, "got 1, taken as true"),
        ("client.allowed_origins", "*", ("*",), 'got "*", taken as a list of texts'),
        ("client.allowed_origins", "", (), 'got "", taken as a list of texts'),
        ("client.allowed_origins", [1, "a"], ("1", "a"), "got a list, taken as a list of texts"),
        ("http_api.key", 123456, "123456", "got *** (hidden), taken as text"),
        ("node.name", 1.5, "1.5", "got 1.5, taken as text"),
        ("node.name", 1e6, "1000000", "got 1000000.0, taken as text"),
    ],
)
def test_what_can_mean_only_one_thing_is_cast_with_a_note(
    tmp_path: Path, path: str, value: Any, meaning: Any, told: str
) -> None:
    found = loaded(tmp_path, tree_with(path, value))
    assert value_at(found.config, path) == meaning
    assert type(value_at(found.config, path)) is type(meaning)
    assert found.casts == (f"{tmp_path}/config.json: {path}: {told}",)
    assert [line for line in found.warnings if "SECURITY" not in line] == []


def test_the_options_of_namespaces_are_cast_too(tmp_path: Path) -> None:
    namespace = {"name": 123, "presence": "true", "history_size": "5", "history_ttl": "1m"}
    found = loaded(tmp_path, {"channel": {"namespaces": [namespace]}})
    (made,) = found.config.channel.namespaces
    assert (made.name, made.presence, made.history_size) == ("123", True, 5)
    assert [line.partition("config.json: ")[2] for line in found.casts] == [
        "channel.namespaces[0].name: got 123, taken as text",
        'channel.namespaces[0].presence: got "true", taken as true',
        'channel.namespaces[0].history_size: got "5", taken as 5',
    ]


def test_names_that_yaml_once_took_for_something_else_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("channel:\n  namespaces: [{name: no}, {name: 123}, {name: 0123}]\n")
    found = load(str(path))
    assert [n.name for n in found.config.channel.namespaces] == ["no", "123", "0123"]
    assert [line.rpartition(": ")[2] for line in found.casts] == [
        'got "no", taken as text',
        "got 123, taken as text",
    ]


def test_yes_and_no_are_no_booleans_today_and_were_in_2018(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("client:\n  insecure: yes\n")
    with pytest.raises(ConfigError, match=r'client\.insecure: got "yes", expected true or false'):
        load(str(path))
    path.write_text("secret: s\nanonymous: yes\nnamespaces: [{name: news, presence: on}]\n")
    config = load(str(path)).config
    assert config.channel.without_namespace.allow_subscribe_for_anonymous
    assert config.channel.namespaces[0].presence


def test_zero_needs_no_unit(tmp_path: Path) -> None:
    found = loaded(tmp_path, {"client": {"ping_interval": 0, "pong_timeout": 0.0}})
    assert (found.config.client.ping_interval, found.config.client.pong_timeout) == (0, 0)
    assert found.casts == ()


# ── what stays refused ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("client.insecure", "yes", 'got "yes", expected true or false'),
        ("client.insecure", "on", 'got "on", expected true or false'),
        ("client.insecure", "true ", 'got "true ", expected true or false'),
        ("client.insecure", "", 'got "", expected true or false'),
        ("http_api.insecure", 2, "got 2, expected true or false"),
        ("http_api.insecure", [True], "got a list, expected true or false"),
        ("client.channel_limit", "010", 'got "010", expected a whole number of at least 0'),
        ("client.channel_limit", 1.5, "got 1.5, expected a whole number of at least 0"),
        ("client.channel_limit", True, "got true, expected a whole number of at least 0"),
        ("client.channel_limit", "٧", 'got "٧", expected a whole number of at least 0'),
        ("http_server.port", "70000", 'got "70000", expected a whole number from 0 to 65535'),
        ("http_api.key", True, "got *** (hidden), expected text"),
        (
            "client.token.user_id_claim",
            "uid\n",
            'got "uid\\n", expected text that matches ^[a-zA-Z_]*$',
        ),
        ("node.name", 2**60, "got 1152921504606846976, expected text"),
        (
            "client.ping_interval",
            300,
            'got 300, expected a duration such as "25s" of at least -1s, for seconds write "300s"',
        ),
        (
            "channel.without_namespace.history_ttl",
            "300",
            'got "300", expected a duration such as "25s" of at least 0s, for seconds write "300s"',
        ),
    ],
)
def test_what_could_mean_something_else_is_refused(
    tmp_path: Path, path: str, value: Any, told: str
) -> None:
    assert refusal(tmp_path, tree_with(path, value)) == f"config.json: {path}: {told}"


@pytest.mark.parametrize("origins", ["https://a.example,https://b.example", "https://a https://b"])
def test_a_text_is_one_origin_and_none_holds_a_comma_or_a_space(
    tmp_path: Path, origins: str
) -> None:
    told = refusal(tmp_path, {"client": {"allowed_origins": origins}})
    assert "client.allowed_origins: got" in told
    assert "write each as an item of its own, in the environment with spaces between" in told


def test_a_comma_in_the_environment_separates_nothing_and_is_refused(tmp_path: Path) -> None:
    name = "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS"
    with pytest.raises(ConfigError, match=f"{name}: got .*with spaces between"):
        load(str(tmp_path / "none.json"), {name: "https://a.example,https://b.example"})
    found = load(str(tmp_path / "none.json"), {name: "https://{a,b}.example https://[c,d].example"})
    assert found.config.client.allowed_origins == (
        "https://{a,b}.example",
        "https://[c,d].example",
    )


# ── the level of the log ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "level"),
    [("INFO", "info"), ("Debug", "debug"), ("fatal", "fatal"), ("WARNING", "warning")],
)
def test_a_log_level_is_taken_in_any_case(tmp_path: Path, text: str, level: str) -> None:
    found = loaded(tmp_path, {"log": {"level": text}})
    assert (found.config.log.level, found.warnings) == (level, ())
    found = load(str(tmp_path / "config.json"), {"CENTRIFUGO_LOG_LEVEL": text.lower()})
    assert found.config.log.level == level
    found = load(str(tmp_path / "config.json"), {}, {"log.level": text.upper()})
    assert found.config.log.level == level


@pytest.mark.parametrize("value", ["loud", 5])
def test_an_unknown_log_level_means_info_with_a_warning(tmp_path: Path, value: Any) -> None:
    found = loaded(tmp_path, {"log": {"level": value}})
    assert found.config.log.level == "info"
    assert [line.partition("config.json: ")[2] for line in found.warnings] == [
        f'log.level: {json.dumps(value)} is not known, taken as "info"'
    ]


# ── sections ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("sse", "sse.enabled"),
        ("uni_sse", "uni_sse.enabled"),
        ("init", "init.enabled"),
        ("health", "health.enabled"),
        ("client.subscription_token", "client.subscription_token.enabled"),
        ("http_server.tls", "http_server.tls.enabled"),
        ("grpc_api.tls", "grpc_api.tls.enabled"),
        ("engine.redis.tls", "engine.redis.tls.enabled"),
    ],
)
def test_true_for_a_section_names_its_switch(tmp_path: Path, section: str, told: str) -> None:
    assert refusal(tmp_path, {"generation": "v6", **tree_with(section, True)}) == (
        f"config.json: {section}: got true, expected an object of options; {told} switches it on "
        "and off"
    )


def test_what_stands_for_a_section_is_hidden_only_where_it_may_be_a_secret(tmp_path: Path) -> None:
    for section in sorted(SECTIONS - set(NEUTRAL)):
        told = refusal(tmp_path, {"generation": "v6", **tree_with(section, "hush")})
        holds_secrets = any(o.secret for p, o in OPTIONS.items() if p.startswith(f"{section}."))
        assert ("hush" not in told) is holds_secrets, section


# ── anything ─────────────────────────────────────────────────────────────────────────────────

_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.sampled_from(["yes", "25s", "300", "0x1", "*", "a,b", "(", "${CENTRIFUGO_VAR_X}"]),
    ),
    lambda below: st.one_of(
        st.lists(below, max_size=3), st.dictionaries(st.text(), below, max_size=3)
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(sorted({*OPTIONS} - {"channel.namespaces"})), _VALUES)
def test_any_value_of_any_option_loads_or_is_refused_by_its_name(
    tmp_path: Path, path: str, value: Any
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(tree_with(path, value)))
    try:
        load(str(file))
    except ConfigError as error:
        lines = str(error).split("\n")
        assert all(path in line or "cannot be parsed" in line for line in lines), lines
        assert all(line.isprintable() for line in lines)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(sorted(NAMESPACE_OPTIONS)), _VALUES)
def test_any_value_of_any_option_of_a_namespace_loads_or_is_refused_by_its_name(
    tmp_path: Path, name: str, value: Any
) -> None:
    file = tmp_path / "config.yaml"
    namespace = {"name": "chat", name: value}
    file.write_text(yaml.safe_dump({"channel": {"namespaces": [namespace]}}))
    try:
        load(str(file))
    except ConfigError as error:
        lines = str(error).split("\n")
        at = f"channel.namespaces[0].{name}"
        assert all(at in line or "cannot be parsed" in line for line in lines), lines
        assert all(line.isprintable() for line in lines)


_SECRET = "hush-hush-hush"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(sorted(path for path, option in OPTIONS.items() if option.secret)),
    st.sampled_from(
        [_SECRET, [_SECRET], {"a": _SECRET}, _SECRET + "\ud800", "${CENTRIFUGO_VAR_X}" + _SECRET]
    ),
)
def test_loading_tells_no_secret(tmp_path: Path, path: str, value: Any) -> None:
    try:
        found = loaded(tmp_path, tree_with(path, value))
        said = [*found.warnings, *found.unknown, *found.casts]
    except ConfigError as error:
        said = [str(error)]
    assert not [line for line in said if _SECRET in line]
