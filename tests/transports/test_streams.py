"""SSE and HTTP streaming keep what every transport promises, in each of their encodings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.transport import Run, Scenario, TransportContract
from tests.transports.streams import (
    HttpStreamBinaryLine,
    HttpStreamLine,
    SseLine,
    SsePostLine,
    StreamLine,
    TodayBinary,
    play_streams,
)
from tests.transports.test_websocket import ALL_LOOPS, Today

WAYS: dict[str, tuple[type[StreamLine], Callable[[], Any]]] = {
    "SSE": (SseLine, Today),
    "SSE by POST": (SsePostLine, Today),
    "HTTP streaming, JSON": (HttpStreamLine, Today),
    "HTTP streaming, Protobuf": (HttpStreamBinaryLine, TodayBinary),
}


class TestEveryTransport(TransportContract):
    """The suite that every transport runs."""

    @pytest.fixture(params=ALL_LOOPS)
    def loop(self, request: pytest.FixtureRequest) -> Any:
        return ALL_LOOPS[request.param]

    @pytest.fixture(params=WAYS)
    def run(self, request: pytest.FixtureRequest, loop: Any, tmp_path: Path) -> Run:
        def run(scenario: Scenario) -> None:
            line, dialect = WAYS[request.param]
            play_streams(tmp_path, scenario, line=line, dialect=dialect(), loop=loop)

        return run
