"""``${CENTRIFUGO_VAR_X}`` in values."""

import json
from pathlib import Path
from typing import Any

import pytest

from girandola.config.load import ConfigError, load

HELD = "what-x-holds"
ENVIRON = {"CENTRIFUGO_VAR_X": HELD, "GIRANDOLA_VAR_Y": "y", "CENTRIFUGO_VAR_EMPTY": ""}


def write(folder: Path, tree: Any) -> str:
    (folder / "config.json").write_text(json.dumps(tree))
    return str(folder / "config.json")


def test_they_are_replaced_in_every_text(tmp_path: Path) -> None:
    transforms = [{"code": 1, "to": {"status_code": 400, "body": "${GIRANDOLA_VAR_Y}"}}]
    tree = {
        "http_api": {"key": "${CENTRIFUGO_VAR_X}"},
        "node": {"name": "a-${CENTRIFUGO_VAR_X}-${GIRANDOLA_VAR_Y}${CENTRIFUGO_VAR_EMPTY}"},
        "client": {"allowed_origins": ["https://${GIRANDOLA_VAR_Y}.example", "*"]},
        "channel": {"namespaces": [{"name": "${CENTRIFUGO_VAR_X}"}]},
        "uni_sse": {"connect_code_to_http_response": {"transforms": transforms}},
    }
    loaded = load(write(tmp_path, tree), ENVIRON)
    config = loaded.config
    assert config.http_api.key == HELD
    assert config.node.name == f"a-{HELD}-y"
    assert config.client.allowed_origins == ("https://y.example", "*")
    assert config.channel.namespaces[0].name == HELD
    assert config.uni_sse.connect_code_to_http_response.transforms[0].to.body == "y"
    assert loaded.warnings == ()


def test_they_are_replaced_in_the_environment_and_in_options_of_2018(tmp_path: Path) -> None:
    environ = {**ENVIRON, "GIRANDOLA_NODE_NAME": "${CENTRIFUGO_VAR_X}"}
    assert load(str(tmp_path / "none.json"), environ).config.node.name == HELD
    path = write(tmp_path, {"secret": "${CENTRIFUGO_VAR_X}"})
    assert load(path, ENVIRON).config.classic.secret == HELD


def test_without_an_environment_they_stay(tmp_path: Path) -> None:
    """A complete configuration made from another keeps them."""
    path = write(tmp_path, {"http_api": {"key": "${CENTRIFUGO_VAR_X}"}})
    assert load(path).config.http_api.key == "${CENTRIFUGO_VAR_X}"


@pytest.mark.parametrize("text", ["${CENTRIFUGO_X}", "$CENTRIFUGO_VAR_X", "${centrifugo_var_x}"])
def test_nothing_else_is_replaced(tmp_path: Path, text: str) -> None:
    environ = {**ENVIRON, "CENTRIFUGO_X": "no"}
    assert load(write(tmp_path, {"node": {"name": text}}), environ).config.node.name == text


def test_what_is_replaced_is_not_replaced_again(tmp_path: Path) -> None:
    environ = {**ENVIRON, "GIRANDOLA_VAR_Y": "${CENTRIFUGO_VAR_X}"}
    path = write(tmp_path, {"node": {"name": "${GIRANDOLA_VAR_Y}"}})
    assert load(path, environ).config.node.name == "${CENTRIFUGO_VAR_X}"


def test_one_that_is_not_set_stops_the_start(tmp_path: Path) -> None:
    tree = {"node": {"name": "${CENTRIFUGO_VAR_X}"}, "http_api": {"key": "s${CENTRIFUGO_VAR_X}"}}
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, tree), {})
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines() == [
        'config.json: node.name: got "${CENTRIFUGO_VAR_X}", expected the variable '
        "CENTRIFUGO_VAR_X to be set in the environment",
        "config.json: http_api.key: got *** (hidden), expected the variable CENTRIFUGO_VAR_X to be "
        "set in the environment",
    ]


def test_what_they_hold_is_not_in_the_cure_either(tmp_path: Path) -> None:
    path = write(tmp_path, {"client": {"ping_interval": "${CENTRIFUGO_VAR_X}"}})
    with pytest.raises(ConfigError) as caught:
        load(path, {"CENTRIFUGO_VAR_X": "8675309"})
    assert "8675309" not in str(caught.value)


@pytest.mark.parametrize(
    "tree",
    [
        {"client": {"ping_interval": "${CENTRIFUGO_VAR_X}"}},
        {"client": {"insecure": "${CENTRIFUGO_VAR_X}"}},
        {"http_server": {"port": "${CENTRIFUGO_VAR_X}"}},
        {"http_server": {"http_prefix": "${CENTRIFUGO_VAR_X}"}},
        {"log": {"level": "${CENTRIFUGO_VAR_X}"}},
        {"client": {"allowed_origins": ["${CENTRIFUGO_VAR_X},b"]}},
        {"channel": {"namespaces": [{"name": "a"}, {"name": "!${CENTRIFUGO_VAR_X}"}]}},
        {"channel": {"namespaces": [{"name": "${CENTRIFUGO_VAR_X}"}] * 2}},
        {"channel": {"without_namespace": {"channel_regex": "(${CENTRIFUGO_VAR_X}"}}},
        {"uni_sse": {"connect_code_to_http_response": {"transforms": ["${CENTRIFUGO_VAR_X}"]}}},
    ],
)
def test_what_they_hold_is_never_told(tmp_path: Path, tree: Any) -> None:
    try:
        loaded = load(write(tmp_path, tree), ENVIRON)
        said = [*loaded.warnings, *loaded.casts]
    except ConfigError as error:
        said = str(error).splitlines()
    assert said
    assert not [line for line in said if HELD in line]


@pytest.mark.parametrize(
    "tree",
    [
        {"secret": "${CENTRIFUGO_VAR_EMPTY}", "watch": True},
        {"client": {"token": {"hmac_secret_key": "${CENTRIFUGO_VAR_EMPTY}"}}},
    ],
)
def test_a_secret_that_comes_out_empty_is_refused(tmp_path: Path, tree: Any) -> None:
    """With an empty one of 2018 everybody could make tokens."""
    with pytest.raises(ConfigError, match="a secret; the variable that it names is empty"):
        load(write(tmp_path, tree), {"CENTRIFUGO_VAR_EMPTY": ""})
