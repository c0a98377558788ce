"""Today's protocol for one-way transports, in JSON and in Protobuf (modern.md sections 1.1, 3.7).

The client says one thing, a connect request without a command around it; the server answers with
pushes without a reply around them. What has no such form becomes ``b""``: above all errors, for
which the transport knows disconnect codes.
"""

import msgspec
from google.protobuf.message import DecodeError
from msgspec.structs import replace

from girandola.errors import BAD_REQUEST_CLOSE
from girandola.protocol import commands, raw_json
from girandola.protocol.frames import with_length
from girandola.protocol.pb import client_pb2 as pb
from girandola.protocol.protobuf_values import text, uint32
from girandola.protocol.v2_json import V2Json
from girandola.protocol.v2_protobuf import V2Protobuf, connect_of, push_of, subs_of

_VALUE = msgspec.json.Decoder(msgspec.Raw)


def _malformed(detail: str) -> list[commands.Command]:
    return [commands.Malformed(disconnect=BAD_REQUEST_CLOSE, detail=detail)]


def _connected(reply: commands.Reply) -> commands.Connected | None:
    """Return the result of a connect without what one-way clients are not told, or ``None``."""
    outcome = reply.outcome
    if isinstance(outcome, commands.Connected):
        return replace(outcome, pong=False, node="")
    return None


class V2JsonOneWay(V2Json):
    """Today's protocol in JSON over a one-way transport."""

    name = "v2-json-one-way"
    deltas = None

    def decode(self, frame: bytes) -> list[commands.Command]:
        """Return the connect command that a request means; nothing and ``null`` are requests, too.

        Unlike commands, the request may stand on several lines.
        """
        request = frame.strip(b" \t\r\n")
        if request in (b"", b"null"):
            return [commands.Connect(id=1)]
        try:
            one_value = bytes(raw_json.read(_VALUE, request))
        except raw_json.Unreadable as error:
            return _malformed(f"connect request: {error}")
        return super().decode(b'{"id":1,"connect":%b}' % raw_json.embed(one_value))

    def reply(self, reply: commands.Reply) -> bytes:
        """Encode the push that tells of the connection; ``b""`` for anything else."""
        connected = _connected(reply)
        if connected is None:
            return b""
        # A reply without an id looks like the push.
        return super().reply(commands.Reply(commands.Connect(), connected))

    def push(self, channel: str, push: commands.Push) -> bytes:
        """Encode a push; ``channel`` is empty where it concerns the whole connection."""
        return super().push(channel, push)[len(b'{"push":') : -len(b"}")]


class V2ProtobufOneWay(V2Protobuf):
    """Today's protocol in Protobuf over a one-way transport.

    Pushes stand behind their lengths, as everywhere in Protobuf. gRPC has lengths of its own:
    ``frames.without_lengths`` takes ours away, and makes an empty message of a ping.
    """

    name = "v2-protobuf-one-way"

    def __init__(self) -> None:
        super().__init__()
        self.deltas = None

    def decode(self, frame: bytes) -> list[commands.Command]:
        """Return the connect command that a request means, which stands without its length."""
        try:
            return [connect_of(1, pb.ConnectRequest.FromString(frame))]
        except DecodeError as error:
            return _malformed(str(error))

    def reply(self, reply: commands.Reply) -> bytes:
        """Encode the push that tells of the connection; ``b""`` for anything else."""
        connected = _connected(reply)
        if connected is None:
            return b""
        push = pb.Connect(
            client=text(connected.client),
            version=text(connected.version),
            data=connected.data,
            subs=subs_of(connected),
            expires=connected.expires,
            ttl=uint32(connected.ttl),
            ping=uint32(connected.ping),
            session=text(connected.session),
            time=connected.time,
        )
        return with_length(pb.Push(connect=push).SerializeToString())

    def push(self, channel: str, push: commands.Push) -> bytes:
        """Encode a push; ``channel`` is empty where it concerns the whole connection."""
        return with_length(push_of(channel, push).SerializeToString())


V2_JSON_ONE_WAY = V2JsonOneWay()
V2_PROTOBUF_ONE_WAY = V2ProtobufOneWay()
