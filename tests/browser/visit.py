"""A visit of a browser to an application's page that talks to girandola.

The page is served from an origin of its own, as an application's is; what it says of its client
is written into a journal.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from tests.browser.chromium import TIMEOUT, Complaint, DevTools, Page
from tests.sdk.backend import classic_credentials, jwt
from tests.sdk.peers import NODE, Journal

PAGE = Path(__file__).parent / "page"
LIBRARIES = {
    "centrifuge-1.5.js": NODE / "node_modules/centrifuge-1.5/centrifuge.js",
    "centrifuge-5.8.js": NODE / "node_modules/centrifuge-5.8/dist/centrifuge.js",
}
CUT = re.compile(
    r"net::ERR_(CONNECTION_(RESET|CLOSED)|SOCKET_NOT_CONNECTED|EMPTY_RESPONSE"
    r"|INCOMPLETE_CHUNKED_ENCODING)$"
)
"""How Chromium names a connection that broke, or that was refused by a reset, in its console."""


class Way(NamedTuple):
    """How a page connects: the function that does it, and what of the server it needs.

    ``transport`` is the library's name of it; ``option`` switches it on in the server.
    """

    function: str
    path: str
    library: str = ""
    transport: str = ""
    option: str = ""
    one_way: bool = False

    def credentials(self) -> dict[str, str]:
        """Return what the application's backend writes into the page."""
        if self.function == "openClassic":
            return classic_credentials("42")
        return {"token": jwt({"sub": "42"})}


@contextlib.asynccontextmanager
async def page_server() -> AsyncIterator[int]:
    """Serve the page and the libraries' browser builds; give the port."""
    app = web.Application()
    app.router.add_static("/", PAGE)

    @web.middleware
    async def libraries(request: web.Request, handler: Any) -> web.StreamResponse:
        file = LIBRARIES.get(request.path.removeprefix("/"))
        return web.FileResponse(file) if file is not None else await handler(request)

    app.middlewares.append(libraries)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        yield port
    finally:
        await runner.cleanup()


class Visit:
    """One page, from when it was opened until it is closed."""

    def __init__(self, tools: DevTools, pages_port: int) -> None:
        self.journal = Journal()
        self._page = Page(tools, lambda text: self.journal.write(json.loads(text)))
        self._pages_port = pages_port

    def origin(self, host: str) -> str:
        """Return the origin of the page when it is loaded from ``host``."""
        return f"http://{host}:{self._pages_port}"

    async def connect(self, way: Way, port: int, channel: str, *, host: str = "127.0.0.1") -> None:
        """Load the page from ``host``; connect it to the server at ``port``, in a channel."""
        await self._page.open(f"{self.origin(host)}/index.html?library={way.library}")
        scheme = "ws" if "websocket" in way.path else "http"
        endpoint: Any = f"{scheme}://127.0.0.1:{port}{way.path}"
        options = {"channel": channel, **way.credentials()}
        if way.transport:
            endpoint = [{"transport": way.transport, "endpoint": endpoint}]
            options["emulationEndpoint"] = f"http://127.0.0.1:{port}/emulation"
        await self._page.run(way.function, endpoint, options)

    async def publish(self, data: Any) -> None:
        """Publish from the page into its channel."""
        await self._page.run("publish", data)

    async def wait(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Return all events of a kind, when there are that many."""
        return await self.journal.wait(event, "page", count=count)

    async def received(self, count: int) -> list[Any]:
        """Return the data of all publications received, when there are that many."""
        return [entry["data"] for entry in await self.wait("publication", count)]

    def complaints(self, *, cut: bool = False) -> list[Complaint]:
        """Return what the console complains of.

        After a cut, without the network errors by which the browser tells of connections that
        broke; errors of scripts, refusals by CORS and statuses of HTTP stay.
        """
        return [
            complaint
            for complaint in self._page.complaints
            if not (cut and complaint.source == "network" and CUT.search(complaint.text))
        ]

    async def close(self) -> None:
        async with asyncio.timeout(TIMEOUT):
            await self._page.close()
