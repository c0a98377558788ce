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
from tests.sdk.js_peers import NODE
from tests.sdk.peer import Journal
from tests.sdk.server import HOST

PAGE = Path(__file__).parent / "page"
MODULES = NODE / "node_modules"
SCRIPTS = {
    "centrifuge-1.5.js": MODULES / "centrifuge-1.5/centrifuge.js",
    "centrifuge-2.8.js": MODULES / "centrifuge-2.8/dist/centrifuge.js",
    "centrifuge-2.8.protobuf.js": MODULES / "centrifuge-2.8/dist/centrifuge.protobuf.js",
    "centrifuge-5.8.js": MODULES / "centrifuge-5.8/dist/centrifuge.js",
    "centrifuge-5.8.protobuf.js": MODULES / "centrifuge-5.8/dist/centrifuge.protobuf.js",
    "sockjs-1.1.js": MODULES / "sockjs-client-1.1/dist/sockjs.js",
}
"""The libraries' browser builds."""
CUT = re.compile(
    r"net::ERR_(CONNECTION_(RESET|CLOSED)|SOCKET_NOT_CONNECTED|EMPTY_RESPONSE"
    r"|INCOMPLETE_CHUNKED_ENCODING)$"
)
"""How Chromium names a connection that broke, or that was refused by a reset, in its console."""
PRESCRIBED = "document.domain mutation is ignored"
"""What Chromium says of a line that the SockJS protocol prescribes for the pages in its iframes."""


class Way(NamedTuple):
    """How a page connects: the function that does it, and what it needs.

    ``transport`` is the library's name of it, where it has to be told; ``switch`` is the option
    that offers it in the server.
    """

    function: str
    path: str
    scripts: tuple[str, ...] = ()
    transport: str = ""
    switch: str = ""
    one_way: bool = False

    def credentials(self) -> dict[str, str]:
        """Return what the application's backend writes into the page."""
        if self.function == "openClassic":
            return classic_credentials("42")
        return {"token": jwt({"sub": "42"})}


@contextlib.asynccontextmanager
async def page_server(port: int) -> AsyncIterator[None]:
    """Serve the page and the libraries."""
    app = web.Application()
    app.router.add_static("/", PAGE)

    @web.middleware
    async def scripts(request: web.Request, handler: Any) -> web.StreamResponse:
        file = SCRIPTS.get(request.path.removeprefix("/"))
        return web.FileResponse(file) if file is not None else await handler(request)

    app.middlewares.append(scripts)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        yield
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

    async def connect(self, way: Way, port: int, channel: str, *, host: str = HOST) -> None:
        """Load the page from ``host``; connect it to the server at ``port``, in a channel."""
        query = "&".join(f"script={script}" for script in way.scripts)
        await self._page.open(f"{self.origin(host)}/index.html?{query}")
        options = {"channel": channel, "transport": way.transport, **way.credentials()}
        await self._page.run(way.function, f"{HOST}:{port}", way.path, options)

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
        """Return what the console complains of, but for what SockJS prescribes.

        After a cut, without the network errors by which the browser tells of connections that
        broke; errors of scripts, refusals by CORS and statuses of HTTP stay.
        """
        return [
            complaint
            for complaint in self._page.complaints
            if not (cut and complaint.source == "network" and CUT.search(complaint.text))
            and not complaint.text.startswith(PRESCRIBED)
        ]

    async def close(self) -> None:
        async with asyncio.timeout(TIMEOUT):
            await self._page.close()
