"""Options that are lists of objects: ``…transforms``."""

import json
from pathlib import Path
from typing import Any

import pytest

from girandola.config.dump import environment, rendered, tree
from girandola.config.load import ConfigError, load
from girandola.options import CodeToDisconnect, DisconnectOptions

NAME = "client.connect_code_to_unidirectional_disconnect.transforms"
VARIABLE = "GIRANDOLA_CLIENT_CONNECT_CODE_TO_UNIDIRECTIONAL_DISCONNECT_TRANSFORMS"
GOOD = [{"code": 101, "to": {"code": 4501, "reason": "log in"}}]
MEANING = (CodeToDisconnect(code=101, to=DisconnectOptions(code=4501, reason="log in")),)


def write(folder: Path, transforms: Any) -> str:
    path = folder / "config.json"
    section = {"connect_code_to_unidirectional_disconnect": {"transforms": transforms}}
    path.write_text(json.dumps({"client": section}))
    return str(path)


def test_a_list_of_objects_is_read_from_a_file_and_from_json_in_the_environment(
    tmp_path: Path,
) -> None:
    for loaded in (
        load(write(tmp_path, GOOD)),
        load(str(tmp_path / "none.json"), environ={VARIABLE: json.dumps(GOOD)}),
        load(str(tmp_path / "none.json"), environ={VARIABLE: json.dumps(GOOD).replace("co", "CO")}),
    ):
        options = loaded.config.client.connect_code_to_unidirectional_disconnect
        assert options.transforms == MEANING


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ("text", "Expected `array`, got `str`"),
        ([{"to": {"code": 4501}}], "missing required field `code` - at `$[0]`"),
        ([{"code": 1, "to": {"code": 200}}], "Expected `int` >= 3000 - at `$[0].to.code`"),
        ([{"code": 1, "to": {"code": 4501, "raeson": ""}}], "unknown field `raeson`"),
    ],
)
def test_what_is_wrong_in_a_list_is_named_with_its_place(
    value: Any, detail: str, tmp_path: Path
) -> None:
    path = write(tmp_path, value)
    for how in ({}, {"environ": {VARIABLE: json.dumps(value)}}):
        with pytest.raises(ConfigError) as caught:
            load(path, **how)
        assert NAME in str(caught.value) or VARIABLE in str(caught.value)
        assert "expected a list of objects" in str(caught.value)
        assert detail in str(caught.value)


def test_what_is_no_json_in_the_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path / "none.json"), environ={VARIABLE: "[{"})
    assert f'{VARIABLE}: got "[{{", expected a list of objects in JSON' in str(caught.value)


@pytest.mark.parametrize("format_", ["json", "toml", "yaml"])
def test_a_list_of_objects_is_written_as_it_is_read(format_: str, tmp_path: Path) -> None:
    config, written = load(write(tmp_path, GOOD)).config, tmp_path / f"again.{format_}"
    written.write_text(rendered(tree(config), format_))
    assert load(str(written)).config == config


def test_a_list_of_objects_is_json_among_the_variables(tmp_path: Path) -> None:
    lines = environment(load(write(tmp_path, GOOD)).config)
    (line,) = [line for line in lines if line.startswith(VARIABLE)]
    assert json.loads(line.partition("=")[2].strip("'")) == GOOD
