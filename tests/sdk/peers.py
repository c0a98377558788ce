"""The client libraries that there are, by name: one scenario runs with each that can do it."""

from collections.abc import Iterable

import pytest

from tests.sdk.go_peers import Go, GoProtobuf
from tests.sdk.js_peers import (
    ClassicJs,
    Js3,
    Js3Protobuf,
    ModernJs,
    ModernJsHttpStream,
    ModernJsHttpStreamProtobuf,
    ModernJsProtobuf,
    ModernJsSse,
    V1Js,
    V1JsBySeq,
    V1JsBySeqProtobuf,
    V1JsProtobuf,
    V1JsProtobufByOption,
)
from tests.sdk.peer import Peer
from tests.sdk.python_peers import PythonPeer, PythonProtobufPeer

PEERS: dict[str, type[Peer]] = {
    "centrifuge-js-1.5": ClassicJs,
    "centrifuge-js-3.1": Js3,
    "centrifuge-js-3.1-protobuf": Js3Protobuf,
    "centrifuge-js-5.8": ModernJs,
    "centrifuge-js-5.8-protobuf": ModernJsProtobuf,
    "centrifuge-js-5.8-http-stream": ModernJsHttpStream,
    "centrifuge-js-5.8-http-stream-protobuf": ModernJsHttpStreamProtobuf,
    "centrifuge-js-5.8-sse": ModernJsSse,
    "centrifuge-python-0.7": PythonPeer,
    "centrifuge-python-0.7-protobuf": PythonProtobufPeer,
    "centrifuge-go-0.12": Go,
    "centrifuge-go-0.12-protobuf": GoProtobuf,
}

V1_PEERS: dict[str, type[Peer]] = {
    "centrifuge-js-2.8": V1Js,
    "centrifuge-js-2.8-protobuf": V1JsProtobuf,
    "centrifuge-js-2.8-protobuf-by-option": V1JsProtobufByOption,
}
"""Of the v2 and v3 servers, whose words for errors are others: see ``test_v1.py``."""

SEQ_PEERS: dict[str, type[Peer]] = {
    "centrifuge-js-2.4": V1JsBySeq,
    "centrifuge-js-2.4-protobuf": V1JsBySeqProtobuf,
}
"""Of the v2 servers before they had offsets: see ``test_seq.py``."""

ALL_PEERS = PEERS | V1_PEERS | SEQ_PEERS


def each(names: Iterable[str]) -> list[object]:
    """Return parameters for a fixture; those whose library is not on this machine are skipped."""
    return [
        pytest.param(name, marks=pytest.mark.skipif(bool(reason), reason=reason))
        if (reason := ALL_PEERS[name].missing())
        else name
        for name in names
    ]
