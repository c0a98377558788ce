"""centrifuge-go and gocent, in the programs of ``go/``, which scripts/test builds where Go is."""

import os
from pathlib import Path

from tests.sdk.child_peer import ModernChildPeer

PROGRAMS = Path(__file__).parents[2] / ".tools" / "sdk-go"


def missing_program(name: str) -> str:
    """Return why a program is not there, or nothing if it is. In CI it has to be."""
    if (PROGRAMS / name).is_file() or "CI" in os.environ:
        return ""
    return f"there is no {name} of tests/sdk/go; scripts/test builds it where there is Go"


class Go(ModernChildPeer):
    """centrifuge-go 0.12."""

    protocol = "json"
    deltas = True

    @classmethod
    def missing(cls) -> str:
        return missing_program("client")

    def command(self) -> list[str]:
        return [str(PROGRAMS / "client"), self.protocol]


class GoProtobuf(Go):
    """The same in Protobuf."""

    protocol = "protobuf"
