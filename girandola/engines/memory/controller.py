"""Frames between the nodes of one process: none, where there is one node.

Several nodes in a process are for tests, which make clusters of them.
"""

from girandola.core.ports import ControlEvents


class MemoryController:
    """``core.ports.Controller`` for a node that is alone, or beside those that share ``wire``."""

    def __init__(self, wire: "dict[str, ControlEvents] | None" = None) -> None:
        """Prepare; ``wire`` is the nodes by uid, filled in by ``start``."""
        self._wire: dict[str, ControlEvents] = {} if wire is None else wire
        self._node = ""
        self.far = wire is not None

    async def start(self, events: ControlEvents, node: str) -> None:
        """See ``Controller.start``."""
        self._node = node
        self._wire[node] = events

    async def check(self) -> None:
        """See ``Engine.check``."""

    async def close(self) -> None:
        """See ``Engine.close``."""
        self._wire.pop(self._node, None)

    async def send(self, frame: bytes, node: str = "") -> None:
        """See ``Controller.send``."""
        for uid, events in list(self._wire.items()):
            if node in ("", uid):
                events.on_control(frame)
