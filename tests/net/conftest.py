"""Both event loops, with a running server."""

import asyncio

import pytest
import uvloop

from tests.net.running import Run, Running, Scenario


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a scenario under one of the loops, with ten seconds for all of it."""

    async def with_server(scenario: Scenario) -> None:
        running = Running()
        ((_, running.port),) = await running.server.start("127.0.0.1", 0)
        try:
            async with asyncio.timeout(10):
                await scenario(running)
        finally:
            await running.server.stop_accepting()
            running.server.close_idle()
            await running.server.drain(0)

    def run(scenario: Scenario) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(with_server(scenario))

    return run
