"""What is written out reads back as the same configuration, in every format and as variables."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from girandola.config.dump import environment, rendered, tree
from girandola.config.load import load
from girandola.config.schema import NAMESPACE_OPTIONS, OPTIONS, Config, Option
from girandola.config.validate import findings
from girandola.options import (
    CodeToDisconnect,
    CodeToHttpResponse,
    DisconnectOptions,
    HttpResponseOptions,
    Namespace,
)

NAMESPACES = st.lists(
    st.builds(
        Namespace,
        name=st.sampled_from(["chat", "a.b", "x-1"]),
        presence=st.booleans(),
        history_size=st.just(3),
        history_ttl=st.integers(1, 10**6).map(float),
        channel_regex=st.sampled_from(["", "^[a-z]+$", "é|ü"]),
    ),
    unique_by=lambda namespace: namespace.name,
    max_size=2,
).map(tuple)

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")))

OBJECTS = {
    "client.connect_code_to_unidirectional_disconnect.transforms": st.builds(
        CodeToDisconnect,
        code=st.integers(0, 2**32 - 1),
        to=st.builds(
            DisconnectOptions, code=st.integers(3000, 4999), reason=st.sampled_from(["", "ü"])
        ),
    ),
    **dict.fromkeys(
        (
            "uni_sse.connect_code_to_http_response.transforms",
            "uni_http_stream.connect_code_to_http_response.transforms",
        ),
        st.builds(
            CodeToHttpResponse,
            code=st.integers(0, 2**32 - 1),
            to=st.builds(
                HttpResponseOptions,
                status_code=st.integers(200, 599),
                body=st.sampled_from(["", "ü"]),
            ),
        ),
    ),
}


def values(option: Option) -> st.SearchStrategy[Any]:
    """Values that fit the option by itself."""
    least = int(option.ge if option.ge is not None else 1)
    match option.kind:
        case "bool":
            return st.booleans()
        case "int":
            return st.integers(least, int(option.le or 2**62))
        case "duration":
            return st.integers(least * 1000, 10**9).map(lambda ms: ms / 1000)
        case "strings":
            texts = option.choices or ("*", "https://a.example", "ü")
            return st.lists(st.sampled_from(texts)).map(tuple)
        case "namespaces":
            return NAMESPACES
        case "objects":
            return st.lists(OBJECTS[option.path], max_size=2).map(tuple)
        case "port":
            return st.sampled_from(["", "0", "9000"])
    if option.choices:
        return st.sampled_from(option.choices)
    if option.pattern:
        texts = ("", "user_id", "0600", "[::1]:80", option.default)
        return st.sampled_from([text for text in texts if re.search(option.pattern, text)])
    return st.sampled_from(["", "user_id"]) if option.regex else TEXT


def changed(struct: Any, path: list[str], value: Any) -> Any:
    name, *rest = path
    below = changed(getattr(struct, name), rest, value) if rest else value
    return structs.replace(struct, **{name: below})


@st.composite
def configs(draw: st.DrawFn) -> Config:
    config = Config()
    for path in draw(st.lists(st.sampled_from(sorted(OPTIONS)), max_size=8)):
        config = changed(config, path.split("."), draw(values(OPTIONS[path])))
    assume(not list(findings(config)))
    return config


@pytest.mark.parametrize("format_", ["json", "toml", "yaml"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(config=configs())
def test_a_file_reads_back_as_the_same(tmp_path: Path, format_: str, config: Config) -> None:
    path = tmp_path / f"config.{format_}"
    path.write_text(rendered(tree(config), format_), "utf-8")
    loaded = load(str(path))
    assert loaded.config == config
    assert loaded.unknown == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(config=configs())
def test_variables_read_back_as_the_same(tmp_path: Path, config: Config) -> None:
    config = structs.replace(config, pid_file="p")  # a list of spaces only would be empty
    environ = {}
    for line in environment(config):
        (assignment,) = shlex.split(line)
        name, _, value = assignment.partition("=")
        environ[name] = value
    # An empty variable is no variable: such values cannot be said in the environment.
    assume(all(text or default_is_empty(name) for name, text in environ.items()))
    assert load(str(tmp_path / "none.json"), environ).config == config


def default_is_empty(variable: str) -> bool:
    path = next(p for p in OPTIONS if f"GIRANDOLA_{p.upper().replace('.', '_')}" == variable)
    return OPTIONS[path].default in ("", ())


def test_every_option_is_written_with_its_default() -> None:
    options = tree(Config())
    assert options["client"]["ping_interval"] == "25s"
    assert options["channel"]["history_meta_ttl"] == "720h"
    assert options["channel"]["namespaces"] == []
    assert options["client"]["allowed_origins"] == []
    assert sum(1 for _ in leaves(options)) == len(OPTIONS)


def leaves(options: dict[str, Any]) -> Any:
    for value in options.values():
        if isinstance(value, dict):
            yield from leaves(value)
        else:
            yield value


def test_every_field_of_every_struct_is_an_option() -> None:
    """The table is made from the types; nothing may be lost on the way."""

    def fields(struct: Struct) -> int:
        below = [getattr(struct, name) for name in struct.__struct_fields__]
        return sum(fields(value) if isinstance(value, Struct) else 1 for value in below)

    assert fields(Config()) == len(OPTIONS)
    assert set(NAMESPACE_OPTIONS) == set(Namespace.__struct_fields__)


def test_variables_of_a_base_are_what_it_says() -> None:
    config = Config()
    assert environment(config, {"http_server.port", "client.insecure"}) == [
        "GIRANDOLA_HTTP_SERVER_PORT=8000"
    ]
    assert "GIRANDOLA_CLIENT_PING_INTERVAL=25s" in environment(config)
