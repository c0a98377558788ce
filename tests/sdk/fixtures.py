"""Ways to a test's ``server``, whichever it is, for the conftest.py here and in tests/browser."""

from collections.abc import AsyncIterator

import pytest

from tests.sdk.server import Api, Link, Server


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
