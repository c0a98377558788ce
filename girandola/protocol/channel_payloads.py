"""Publications, joins and leaves as nodes find them in a channel's PUB/SUB and its history.

The bytes are those of Centrifugo (internode.md section 4): a Protobuf message, behind a prefix that
says where it stands in the stream. Knows neither keys nor who carries the bytes.
"""

from google.protobuf.message import DecodeError
from msgspec import Struct

from girandola.model import ClientInfo, Publication, StreamPosition
from girandola.protocol.internode import Unreadable
from girandola.protocol.pb import control_pb2 as pb
from girandola.protocol.protobuf_values import text, texts

_POSITIONED = b"__p1:"
_DELTA = b"__d1:"
_JOIN = b"__j__"
_LEAVE = b"__l__"
_MAX_DIGITS = 20


class JoinPayload(Struct, frozen=True):
    """That somebody subscribed."""

    info: ClientInfo


class LeavePayload(Struct, frozen=True):
    """That somebody's subscription ended."""

    info: ClientInfo


class PublicationPayload(Struct, frozen=True):
    """A publication, and the data of the one before it where a delta may be made of both."""

    publication: Publication
    base: bytes = b""


# ── writing ──────────────────────────────────────────────────────────────────────────────────


def write_publication(publication: Publication, *, delta: bool = False) -> bytes:
    """Return a publication as it is handed to the script that gives it its place.

    ``delta``: say so in the message itself, as is done where no history is kept.
    """
    info = publication.info
    client = publication.client if info is None or publication.client != info.client else ""
    return pb.Publication(
        data=publication.data,
        info=None if info is None else _info(info),
        tags=texts(publication.tags),
        time=publication.time,
        delta=delta,
        uid=text(publication.uid),
        client=text(client),
    ).SerializeToString()


def write_info(info: ClientInfo) -> bytes:
    """Return who somebody is, as presence keeps it."""
    return _info(info).SerializeToString()


def write_join(info: ClientInfo) -> bytes:
    """Return that somebody subscribed."""
    return _JOIN + write_info(info)


def write_leave(info: ClientInfo) -> bytes:
    """Return that somebody's subscription ended."""
    return _LEAVE + write_info(info)


def _info(info: ClientInfo) -> pb.ClientInfo:
    return pb.ClientInfo(
        user=text(info.user),
        client=text(info.client),
        conn_info=info.conn_info,
        chan_info=info.chan_info,
    )


# ── reading ──────────────────────────────────────────────────────────────────────────────────


def read_payload(payload: bytes) -> PublicationPayload | JoinPayload | LeavePayload:
    """Return what a message of a channel says.

    Raises:
        Unreadable: it says nothing that is known.
    """
    if not payload.startswith(b"__"):
        return PublicationPayload(_read_publication(payload, StreamPosition()))
    if payload.startswith(_POSITIONED):
        return PublicationPayload(read_positioned(payload))
    if payload.startswith(_DELTA):
        return _read_delta(payload)
    if payload.startswith(_JOIN):
        return JoinPayload(read_info(payload[len(_JOIN) :]))
    if payload.startswith(_LEAVE):
        return LeavePayload(read_info(payload[len(_LEAVE) :]))
    raise Unreadable(f"a message that begins with {payload[:8]!r}")


def read_positioned(payload: bytes) -> Publication:
    """Return a publication with its place before it, which is also an item of a history list.

    Raises:
        Unreadable: it is none.
    """
    head, end, message = payload[len(_POSITIONED) :].partition(b"__")
    offset, colon, epoch = head.partition(b":")
    if not payload.startswith(_POSITIONED) or not end or not colon:
        raise Unreadable("expected __p1:<offset>:<epoch>__ and a publication")
    return _read_publication(message, StreamPosition(_number(offset), _epoch(epoch)))


def read_kept(message: bytes, position: StreamPosition) -> Publication:
    """Return a publication of a history stream, whose place stands beside it.

    Raises:
        Unreadable: it is none.
    """
    return _read_publication(message, position)


def read_info(message: bytes) -> ClientInfo:
    """Return who somebody is. Raises ``Unreadable``."""
    try:
        info = pb.ClientInfo.FromString(message)
    except DecodeError as error:
        raise Unreadable(str(error)) from None
    return ClientInfo(info.user, info.client, info.conn_info, info.chan_info)


def _read_delta(payload: bytes) -> PublicationPayload:
    """Read ``__d1:<offset>:<epoch>:<n1>:<previous>:<n2>:<publication>``."""
    fields = payload.split(b":", 4)
    if len(fields) < 5:
        raise Unreadable("expected __d1:<offset>:<epoch>:<length>:…")
    position = StreamPosition(_number(fields[1]), _epoch(fields[2]))
    before, rest = _cut(fields[4], _number(fields[3]))
    length, colon, message = rest.removeprefix(b":").partition(b":")
    if not colon or len(message) != _number(length):
        raise Unreadable("expected a publication behind its length")
    return PublicationPayload(_read_publication(message, position), _data_of(before))


def _data_of(before: bytes) -> bytes:
    """Return the data of the publication before, ``b""`` where it cannot be read.

    Where histories are lists it is a whole item, with its prefix.
    """
    if not before:
        return b""
    try:
        if before.startswith(_POSITIONED):
            return read_positioned(before).data
        return _read_publication(before, StreamPosition()).data
    except Unreadable:
        return b""


def _read_publication(message: bytes, position: StreamPosition) -> Publication:
    try:
        found = pb.Publication.FromString(message)
    except DecodeError as error:
        raise Unreadable(str(error)) from None
    info = None
    if found.HasField("info"):
        who = found.info
        info = ClientInfo(who.user, who.client, who.conn_info, who.chan_info)
    own = found.offset > 0 and found.epoch
    return Publication(
        found.data,
        info=info,
        offset=found.offset if own else position.offset,
        epoch=found.epoch if own else position.epoch,
        tags=dict(found.tags) or None,
        time=found.time,
        uid=found.uid,
        client=found.client or (info.client if info is not None else ""),
    )


def _number(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > _MAX_DIGITS:
        raise Unreadable(f"expected a number, got {digits[:30]!r}")
    return int(digits)


def _epoch(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise Unreadable("expected the epoch in UTF-8") from None


def _cut(data: bytes, length: int) -> tuple[bytes, bytes]:
    if length > len(data):
        raise Unreadable(f"expected {length} bytes, got {len(data)}")
    return data[:length], data[length:]
