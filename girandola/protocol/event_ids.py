"""Where a one-way client stands in its streams, as the text of an event id (server-sent events).

Beyond Centrifugo: every event that brings a client further carries an id that names all the
positions it has reached, so that a plain ``EventSource`` recovers by itself. ``id`` is a list,
separated by commas, of ``epoch:offset:channel`` with epoch and channel percent-encoded, the most
recently changed channel last. Anybody can make one: it grants nothing, it only says from where
to go on.
"""

from functools import lru_cache
from urllib.parse import quote, unquote

from girandola.model import Publication, StreamPosition
from girandola.protocol import commands
from girandola.protocol.v2_one_way import V2JsonOneWay

MAX_ID = 4096
"""Characters of an id; channels that do not fit, those that changed longest ago, stay out."""
_MAX_DIGITS = 20

Places = dict[str, StreamPosition]
"""By channel, where the client stands; the order is that of their last change."""


class Placed(bytes):
    """A message and what changes, once it is read, in where its reader stands.

    ``place`` is ``None`` where it stands nowhere any more. Unless it ``enters``, a message only
    concerns those who stand in the channel already.
    """

    changes: dict[str, StreamPosition | None]
    enters: bool


def _placed(
    message: bytes, changes: dict[str, StreamPosition | None], *, enters: bool = False
) -> bytes:
    if not changes:
        return message
    placed = Placed(message)
    placed.changes = changes
    placed.enters = enters
    return placed


class V2JsonEvents(V2JsonOneWay):
    """Today's one-way JSON, whose messages are ``Placed`` where they change a place."""

    name = "v2-json-events"

    def reply(self, reply: commands.Reply) -> bytes:
        """Encode as for any one-way client; the subscriptions of a connect enter."""
        message = super().reply(reply)
        outcome = reply.outcome
        if not isinstance(outcome, commands.Connected):
            return message
        # Recovered publications are in the message itself.
        changes: dict[str, StreamPosition | None] = {
            channel: sub.top for channel, sub in outcome.subs.items() if sub.recoverable
        }
        return _placed(message, changes, enters=True)

    def push(self, channel: str, push: commands.Push) -> bytes:
        """Encode as for any one-way client."""
        message = super().push(channel, push)
        match push:
            case Publication() if push.offset and push.epoch:
                return _placed(message, {channel: StreamPosition(push.offset, push.epoch)})
            case commands.SubscribedByServer() if push.recoverable:
                return _placed(message, {channel: push.position}, enters=True)
            case commands.Unsubscribed():
                return _placed(message, {channel: None})
        return message


V2_JSON_EVENTS = V2JsonEvents()


def moved(places: Places, message: Placed) -> Places:
    """Return where a reader of ``message`` stands then; the very same where nothing changes."""
    changed = {
        channel: place
        for channel, place in message.changes.items()
        if message.enters or channel in places
    }
    if not changed:
        return places
    after = {channel: place for channel, place in places.items() if channel not in changed}
    after.update((channel, place) for channel, place in changed.items() if place is not None)
    return after


def encode_id(places: Places) -> str:
    """Return the id of an event after which its reader stands in these places."""
    newest_first: list[str] = []
    room = MAX_ID
    for channel, place in reversed(places.items()):
        entry = f"{_quoted(place.epoch)}:{place.offset}:{_quoted(channel)}"
        room -= len(entry) + 1
        if room < 0:
            break
        newest_first.append(entry)
    return ",".join(reversed(newest_first))


def decode_id(text: str) -> Places:
    """Return the places that an id names; none for an empty one.

    Raises:
        ValueError: it is not one of ours; the text says why, for the log.
    """
    if len(text) > MAX_ID:
        raise ValueError(f"expected at most {MAX_ID} characters, got {len(text)}")
    places: Places = {}
    for entry in text.split(",") if text else ():
        epoch, _, rest = entry.partition(":")
        digits, _, channel = rest.partition(":")
        if not (epoch and channel) or ":" in channel:
            raise ValueError(f"expected epoch:offset:channel, got {entry!r:.100}")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
            raise ValueError(f"expected an offset in digits, got {digits!r:.100}")
        if int(digits) >= 2**64:
            raise ValueError(f"expected an offset below 2**64, got {digits}")
        places[unquote(channel)] = StreamPosition(int(digits), unquote(epoch))
    return places


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")
