"""Counters of one node, as plain integers.

The core adds; whoever shows them reads. No labels, no locks, no library: an increment is an
attribute and an addition.
"""

from msgspec import Struct


class Stats(Struct):
    """What happened on this node since it started."""

    connections_opened: int = 0
    connections_closed: int = 0
    connects: int = 0
    subscribes: int = 0
    unsubscribes: int = 0
    commands: int = 0
    bytes_in: int = 0
    client_publishes: int = 0
    publications_published: int = 0
    publications_received: int = 0
    joins_published: int = 0
    joins_received: int = 0
    leaves_published: int = 0
    leaves_received: int = 0
    messages_queued: int = 0
    flushes: int = 0
    bytes_out: int = 0
    broadcasts_encoded: int = 0
    errors: int = 0
    disconnects: int = 0
    presence_reads: int = 0
    presence_adds: int = 0
    presence_removes: int = 0
    history_reads: int = 0
