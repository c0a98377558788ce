"""The attacked server as a fixture."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.security.victim import CONFIG, Victim

Attack = Callable[..., None]


@pytest.fixture
def attack(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Attack:
    """Play a scenario with twenty seconds for all of it; options go over those of ``CONFIG``.

    The neighbours are fine at the end, nothing is left of the attackers, and nothing on the way
    was a surprise to the server.
    """

    def play(
        scenario: Callable[[Victim], Awaitable[None]],
        *,
        loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
        **changes: dict[str, Any],
    ) -> None:
        async def with_server() -> None:
            sections = {**CONFIG, **changes}
            config = {name: CONFIG.get(name, {}) | changes.get(name, {}) for name in sections}
            victim = Victim(tmp_path, config)
            try:
                await victim.start()
                async with asyncio.timeout(20):
                    await scenario(victim)
                    await victim.finish()
            finally:
                await victim.cut_off()

        caplog.set_level(logging.DEBUG, "girandola")
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(with_server())
        surprises = [each for each in caplog.records if each.levelno >= logging.ERROR]
        assert surprises == [], caplog.text

    return play
