"""The attacked server as a fixture."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.security.victim import CONFIG, Sign, Victim, sign

Attack = Callable[..., None]


@pytest.fixture
def attack(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Attack:
    """Play a scenario with twenty seconds for all of it; options go over those of ``CONFIG``.

    ``signed`` makes the tokens of the honest, ``beside`` is entered before the server starts, and
    ``level`` is that of the log. In the end the neighbours are fine, nothing is left of the
    attackers, and nothing on the way was a surprise to the server.
    """

    def play(
        scenario: Callable[[Victim], Awaitable[None]],
        *,
        loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
        signed: Sign = sign,
        beside: AbstractAsyncContextManager[Any] | None = None,
        level: int = logging.DEBUG,
        **changes: dict[str, Any],
    ) -> None:
        async def with_server() -> None:
            sections = {**CONFIG, **changes}
            config = {name: CONFIG.get(name, {}) | changes.get(name, {}) for name in sections}
            victim = Victim(tmp_path, config, signed)
            async with beside or nullcontext(), asyncio.timeout(20):
                try:
                    await victim.start()
                    await scenario(victim)
                    await victim.finish()
                finally:
                    await victim.cut_off()

        caplog.set_level(level, "girandola")
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(with_server())
        surprises = [each for each in caplog.records if each.levelno >= logging.ERROR]
        assert surprises == [], caplog.text

    return play
