"""What people without a key get of a running server: a quick answer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.test_run import HOST, Process, configuration


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(tmp_path)
    await process.serve(configuration())
    yield process
    await process.end()


async def post(process: Process, path: str, *headers: str, length: int) -> bytes:
    """Send the head of a request and nothing of its body; return the whole answer."""
    reader, writer = await asyncio.open_connection(HOST, process.port)
    head = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {length}", *headers, "", ""]
    writer.write("\r\n".join(head).encode())
    answer = await reader.read()
    writer.close()
    return answer


async def test_who_has_no_key_is_answered_before_the_body_comes(process: Process) -> None:
    for path in ("/api/publish", "/api", "/api/batch"):
        answer = await post(process, path, "X-API-Key: wrong", length=60_000_000)
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"\r\nConnection: close\r\n" in answer


async def test_a_body_too_long_to_check_its_sign_is_refused_with_the_name_of_the_option(
    process: Process,
) -> None:
    form = "Content-Type: application/x-www-form-urlencoded"
    answer = await post(process, "/api/", form, length=66_000_000)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(
        b"body of 66000000 bytes, at most 1048576 are taken (classic.max_signed_body_size)\n"
    )
