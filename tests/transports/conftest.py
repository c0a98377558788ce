"""Fixtures that the tests of several transports share."""

import pytest

from girandola.net import deflate


@pytest.fixture
def compressions(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Remember what was compressed."""
    compressed: list[bytes] = []
    really = deflate.deflate

    def remembering(payload: bytes, **how: int) -> bytes:
        compressed.append(payload)
        return really(payload, **how)

    monkeypatch.setattr(deflate, "deflate", remembering)
    return compressed
