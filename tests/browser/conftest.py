"""A browser, a server, and pages of an origin that the server allows."""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.browser.chromium import Browser, devtools
from tests.browser.visit import Visit, Way, page_server
from tests.sdk.conftest import CONFIG, running
from tests.sdk.fixtures import api as api
from tests.sdk.fixtures import link as link
from tests.sdk.server import HOST, Server, free_port

MODERN = ("centrifuge-5.8.js",)
PROTOBUF = ("centrifuge-5.8.protobuf.js",)
SOCKJS = "sockjs-1.1.js"


def modern(name: str, path: str, switch: str, **how: Any) -> Way:
    """A transport of today's library."""
    return Way(
        "openModern", path, **{"scripts": MODERN, "transport": name, "switch": switch, **how}
    )


def sockjs_of_2018(transport: str) -> Way:
    """A transport of SockJS, under the library of 2018."""
    return Way(
        "openClassic",
        "/connection",
        scripts=(SOCKJS, "centrifuge-1.5.js"),
        transport=transport,
        switch="sockjs.enabled",
    )


WAYS = {
    "websocket": Way("openModern", "/connection/websocket", MODERN),
    "websocket-protobuf": Way("openModern", "/connection/websocket", PROTOBUF),
    "http-streaming": modern("http_stream", "/connection/http_stream", "http_stream.enabled"),
    "http-streaming-protobuf": modern(
        "http_stream", "/connection/http_stream", "http_stream.enabled", scripts=PROTOBUF
    ),
    "sse": modern("sse", "/connection/sse", "sse.enabled"),
    "sockjs": modern("sockjs", "/connection/sockjs", "sockjs.enabled", scripts=(SOCKJS, *MODERN)),
    "websocket-v1": Way("openV1", "/connection/websocket", ("centrifuge-2.8.js",)),
    "websocket-protobuf-v1": Way(
        "openV1", "/connection/websocket", ("centrifuge-2.8.protobuf.js",)
    ),
    "sockjs-v1": Way(
        "openV1",
        "/connection/sockjs",
        scripts=(SOCKJS, "centrifuge-2.8.js"),
        transport="xhr-streaming",
        switch="sockjs.enabled",
    ),
    "websocket-2018": Way("openClassic", "/connection/websocket", ("centrifuge-1.5.js",)),
    "sockjs-websocket-2018": sockjs_of_2018("websocket"),
    "sockjs-xhr-streaming-2018": sockjs_of_2018("xhr-streaming"),
    "sockjs-eventsource-2018": sockjs_of_2018("iframe-eventsource"),
    "sockjs-htmlfile-2018": sockjs_of_2018("iframe-htmlfile"),
    "sockjs-xhr-polling-2018": sockjs_of_2018("xhr-polling"),
    "sockjs-jsonp-polling-2018": sockjs_of_2018("jsonp-polling"),
    "one-way-sse": Way(
        "openEventSource", "/connection/uni_sse", switch="uni_sse.enabled", one_way=True
    ),
    "one-way-http-streaming": Way(
        "openFetch",
        "/connection/uni_http_stream",
        switch="uni_http_stream.enabled",
        one_way=True,
    ),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """Each way in which a page can connect."""
    assert isinstance(request.param, Way)
    return request.param


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's executable. Only CI insists on it."""
    executable = shutil.which("chromium")
    if executable is None:
        assert "CI" not in os.environ, "there is no Chromium; scripts/test installs it"
        pytest.skip("there is no Chromium; scripts/test installs it where it can")
    return executable


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    browser = Browser(chromium)
    try:
        yield browser
    finally:
        browser.stop()
    assert browser.processes() == [], "Chromium has left something behind"


@pytest.fixture(scope="session")
def pages_port() -> int:
    """Where the application's pages are."""
    return free_port()


@pytest.fixture(scope="session")
def server(pages_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose pages come from its own host, by this name of it."""
    # From any port: the iframes of SockJS are pages of the server itself, or of a link to it.
    origins = [f"http://{HOST}:*"]
    sockjs_url = f"http://{HOST}:{pages_port}/{SOCKJS}"
    config: dict[str, Any] = {
        **CONFIG,
        "client": {**CONFIG["client"], "allowed_origins": origins},
        "sockjs": {"url": sockjs_url},
    }
    for way in WAYS.values():
        if way.switch:
            section, option = way.switch.split(".")
            config.setdefault(section, {})[option] = True
    with running(config, tmp_path_factory.mktemp("browser")) as server:
        yield server


@pytest.fixture
async def visit(browser: Browser, pages_port: int) -> AsyncIterator[Visit]:
    async with page_server(pages_port), devtools(browser) as tools:
        visit = Visit(tools, pages_port)
        yield visit
        await visit.close()


@pytest.fixture
def channel() -> str:
    """A channel that no other test uses."""
    return f"room:{uuid.uuid4().hex}"
