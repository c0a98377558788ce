"""A browser, a server, and pages of an origin that the server allows."""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from girandola.config.schema import OPTIONS
from tests.browser.chromium import Browser, devtools
from tests.browser.visit import Visit, Way, page_server
from tests.sdk.conftest import CONFIG, running
from tests.sdk.server import Api, Link, Server

WAYS = {
    "websocket": Way("openModern", "/connection/websocket", library="centrifuge-5.8.js"),
    "http-streaming": Way(
        "openModern",
        "/connection/http_stream",
        library="centrifuge-5.8.js",
        transport="http_stream",
        option="http_stream.enabled",
    ),
    "sse": Way(
        "openModern",
        "/connection/sse",
        library="centrifuge-5.8.js",
        transport="sse",
        option="sse.enabled",
    ),
    "websocket-2018": Way("openClassic", "/connection/websocket", library="centrifuge-1.5.js"),
    "one-way-sse": Way(
        "openEventSource", "/connection/uni_sse", option="uni_sse.enabled", one_way=True
    ),
    "one-way-http-streaming": Way(
        "openFetch",
        "/connection/uni_http_stream",
        option="uni_http_stream.enabled",
        one_way=True,
    ),
}


def built(way: Way) -> bool:
    return not way.option or way.option in OPTIONS


@pytest.fixture(
    params=[
        pytest.param(way, id=name, marks=pytest.mark.skipif(not built(way), reason="not built yet"))
        for name, way in WAYS.items()
    ]
)
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
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose pages come from 127.0.0.1, and from nowhere else."""
    config: dict[str, Any] = {
        **CONFIG,
        "client": {**CONFIG["client"], "allowed_origins": ["http://127.0.0.1:*"]},
    }
    for way in WAYS.values():
        if way.option and built(way):
            section, option = way.option.split(".")
            config[section] = {option: True}
    with running(config, tmp_path_factory.mktemp("browser")) as server:
        yield server


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    api = Api(server.address)
    yield api
    await api.close()


@pytest.fixture
async def link(server: Server) -> AsyncIterator[Link]:
    """A way to ``server`` that can be cut."""
    link = Link(server.port)
    await link.open()
    yield link
    await link.close()


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    async with page_server() as port, devtools(browser) as tools:
        visit = Visit(tools, port)
        yield visit
        await visit.close()


@pytest.fixture
def channel() -> str:
    """A channel that no other test uses."""
    return f"room:{uuid.uuid4().hex}"
