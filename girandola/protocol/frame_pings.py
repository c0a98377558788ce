"""Today's protocol for peers that ask for WebSocket pings in place of the protocol's own.

``?cf_ws_frame_ping_pong=true`` (modern.md section 3.2) is for plain WebSocket tools, which answer
ping frames by themselves but know nothing of the protocol's pings.
"""

from girandola.protocol.codec import Codec, Traits
from girandola.protocol.v2_json import V2_JSON, V2Json
from girandola.protocol.v2_protobuf import V2_PROTOBUF, V2_PROTOBUF_FRAME_PINGED


class V2JsonFramePinged(V2Json):
    """``V2Json`` without pings of its own."""

    name = "v2-json-frame-pings"
    traits = Traits(pings_from="client")
    ping = b""


WITH_FRAME_PINGS: dict[Codec, Codec] = {
    V2_JSON: V2JsonFramePinged(),
    V2_PROTOBUF: V2_PROTOBUF_FRAME_PINGED,
}
"""What to speak instead of a codec; the others have no such variant."""
