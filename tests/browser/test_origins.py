"""Pages of an origin that the server does not allow (modern.md section 3.1)."""

import re

from tests.browser.conftest import WAYS
from tests.browser.visit import Visit, Way
from tests.sdk.server import Server

WHY = "response code: 403|blocked by CORS policy"


async def test_a_foreign_page_gets_nothing_and_its_console_says_why(
    way: Way, visit: Visit, server: Server, channel: str
) -> None:
    """The server refuses the WebSocket; of all else the browser keeps the answers to itself."""
    await visit.connect(way, server.port, channel, host="localhost")
    await visit.wait("broken")
    assert visit.journal.all("connected", "page") == []
    assert any(re.search(WHY, text) for _, text, _ in visit.complaints()), visit.complaints()


async def test_the_log_says_why_a_page_was_refused(
    visit: Visit, server: Server, channel: str
) -> None:
    await visit.connect(WAYS["websocket"], server.port, channel, host="localhost")
    await visit.wait("broken")
    lines = [line for line in server.log.splitlines() if visit.origin("localhost") in line]
    assert lines
    for line in lines:
        assert "INFO girandola.transports" in line
        assert "client.allowed_origins" in line
