"""Which streaming doors there are, and what a reload can change of them."""

from pathlib import Path
from typing import Any

import pytest

from girandola.app.build import Application
from girandola.app.routes import PINNED
from girandola.config.load import load, reload_differences
from girandola.net.http import Request, Response, Streaming
from girandola.net.router import Route, WebSocketRoute
from tests.app.test_build import Built

EMULATED = ("sse", "http_stream")
PATHS = {
    "sse": "/connection/sse",
    "http_stream": "/connection/http_stream",
    "emulation": "/emulation",
    "uni_websocket": "/connection/uni_websocket",
    "uni_sse": "/connection/uni_sse",
    "uni_http_stream": "/connection/uni_http_stream",
}


def found(app: Application, path: str) -> Route | WebSocketRoute | None:
    target = app.router.find(Request("POST", path))
    if isinstance(target, Response):
        assert target.status == 404
        return None
    return target


@pytest.mark.parametrize("section", PATHS)
def test_a_door_is_there_if_it_is_enabled_and_emulation_with_those_that_need_it(
    section: str, tmp_path: Path
) -> None:
    if section == "emulation":
        assert found(Built(tmp_path).app, PATHS[section]) is None
        return
    built = Built(tmp_path, **{section: {"enabled": True}})
    there = {name for name, path in PATHS.items() if found(built.app, path)}
    assert there == ({section, "emulation"} if section in EMULATED else {section})


def test_paths_can_be_chosen(tmp_path: Path) -> None:
    sections: dict[str, Any] = {
        name: {"handler_prefix": f"/my/{name}"} | ({} if name == "emulation" else {"enabled": True})
        for name in PATHS
    }
    built = Built(tmp_path, **sections)
    assert all(found(built.app, f"/my/{name}") for name in PATHS)
    assert not any(found(built.app, path) for path in PATHS.values())


def test_limits_are_those_of_each_section(tmp_path: Path) -> None:
    limited: dict[str, Any] = {}
    for number, name in enumerate(PATHS):
        limit = "message_size_limit" if name == "uni_websocket" else "max_request_body_size"
        limited[name] = {limit: 1000 + number}
        if name != "emulation":
            limited[name]["enabled"] = True
    built = Built(tmp_path, **limited)
    for number, (name, path) in enumerate(PATHS.items()):
        route = found(built.app, path)
        if isinstance(route, WebSocketRoute):
            assert (name, route.max_message_size) == ("uni_websocket", 1000 + number)
        else:
            assert isinstance(route, Route)
            assert route.max_body == 1000 + number


def test_a_reload_changes_limits_and_times_but_no_door_and_no_path(tmp_path: Path) -> None:
    client = {"allow_anonymous_connect_without_token": True}
    section = {"enabled": True, "write_timeout": "1s"}
    built = Built(tmp_path, client=client, uni_sse=section)
    changed = {"enabled": False, "handler_prefix": "/other", "write_timeout": "5s"}
    built.reload(client=client, uni_sse=changed, sse={"enabled": True})
    assert found(built.app, "/other") is None
    assert found(built.app, PATHS["sse"]) is None
    route = found(built.app, PATHS["uni_sse"])
    assert isinstance(route, Route)
    answer = route.handler(Request("GET", PATHS["uni_sse"]))
    assert isinstance(answer, Streaming)
    assert answer.write_timeout == 5.0


def test_what_a_reload_cannot_change_is_named(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    options = ",".join(f'"{name}":{{"handler_prefix":"/my/{name}"}}' for name in PINNED)
    (tmp_path / "new.json").write_text(f"{{{options}}}")
    old, new = (load(str(tmp_path / name)).config for name in ("old.json", "new.json"))
    assert reload_differences(old, new) == [f"{name}.handler_prefix" for name in PINNED]
