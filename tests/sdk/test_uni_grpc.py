"""One-way gRPC of a real server process, with a client made from the public schema."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import grpc
import pytest

from girandola.protocol.pb import unistream_pb2 as pb
from tests.sdk.backend import jwt
from tests.sdk.conftest import CONFIG, running
from tests.sdk.server import HOST, Api, Server, free_port

METHOD = "/centrifugal.centrifugo.unistream.CentrifugoUniStream/Consume"


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def server(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    uni_grpc = {"enabled": True, "address": HOST, "port": port}
    with running({**CONFIG, "uni_grpc": uni_grpc}, tmp_path_factory.mktemp("grpc")) as server:
        yield server


@pytest.fixture
async def consume(port: int) -> AsyncIterator[Any]:
    """The method, as a generated client has it; calls end by themselves after 20 seconds."""
    async with grpc.aio.insecure_channel(f"{HOST}:{port}") as channel:
        method = channel.unary_stream(
            METHOD,
            request_serializer=pb.ConnectRequest.SerializeToString,
            response_deserializer=pb.Push.FromString,
        )
        yield partial(method, timeout=20)


def request(user: str, channel: str, **recovery: Any) -> pb.ConnectRequest:
    subs = {channel: pb.SubscribeRequest(**recovery)}
    return pb.ConnectRequest(token=jwt({"sub": user}), subs=subs)


async def last_of(stream: Any) -> pb.Push:
    """Return the last push of a stream that ends."""
    last = pb.Push()
    while (push := await stream.read()) is not grpc.aio.EOF:
        last = push
    return last


async def test_a_stream_lives_recovers_and_ends_by_the_server_api(
    server: Server, api: Api, consume: Any, user: str, channel: str
) -> None:
    stream = consume(request(user, channel))
    place = (await stream.read()).connect.subs[channel]
    await api.publish_all(channel, [1, 2])
    pushes = [await stream.read() for _ in range(3)]
    assert pushes[0].HasField("join"), "its own"
    assert [push.pub.data for push in pushes[1:]] == [b"1", b"2"]
    await api("disconnect", user=user)
    push = await stream.read()
    assert (push.disconnect.code, push.disconnect.reason) == (3503, "force disconnect")
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK

    await api.publish_all(channel, [3])
    offset = pushes[1].pub.offset
    back = consume(request(user, channel, recover=True, offset=offset, epoch=place.epoch))
    again = (await back.read()).connect.subs[channel]
    assert again.recovered
    assert [publication.data for publication in again.publications] == [b"2", b"3"]
    back.cancel()


async def test_a_stream_that_is_expired_by_the_server_api_ends(
    server: Server, api: Api, consume: Any, user: str, channel: str
) -> None:
    stream = consume(request(user, channel))
    await stream.read()
    await api("refresh", user=user, expired=True)
    last = await last_of(stream)
    assert (last.disconnect.code, last.disconnect.reason) == (3005, "connection expired")


async def test_a_server_that_stops_ends_its_streams_and_itself(
    server: Server, consume: Any, user: str, channel: str
) -> None:
    """In order, and at once."""
    streams = [consume(request(user, channel)) for _ in range(10)]
    for stream in streams:
        await stream.read()
    stopping = asyncio.to_thread(server.stop)
    status, *pushes = await asyncio.gather(stopping, *map(last_of, streams))
    assert status == 0
    for last in pushes:
        assert (last.disconnect.code, last.disconnect.reason) == (3001, "shutdown")
