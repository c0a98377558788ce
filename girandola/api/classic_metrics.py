"""What nodes tell of themselves in the API of 2018: names and numbers of classic.md section 9."""

import resource
from itertools import product
from typing import Any

from girandola.core.node import Node
from girandola.core.stats import Stats
from girandola.model import NodeInfo


def node_info(node: Node, info: NodeInfo) -> dict[str, Any]:
    """Return what is told of the node that ``info`` is of; ``node`` is this one."""
    # Other nodes' counters do not travel; what is known of them is in `info`.
    stats = node.stats if info.uid == node.uid else Stats()
    metrics = dict.fromkeys(METRICS, 0) | _counters(stats) | _gauges(info)
    if info.uid == node.uid:
        metrics |= _process()
    return {
        "uid": info.uid,
        "version": info.version,
        "name": info.name,
        "started_at": info.started_at,
        "metrics": metrics,
    }


def _counters(stats: Stats) -> dict[str, int]:
    return {
        "client_api_num_requests": stats.commands,
        "client_bytes_in": stats.bytes_in,
        "client_bytes_out": stats.bytes_out,
        "client_num_connect": stats.connects,
        "client_num_msg_published": stats.client_publishes,
        "client_num_msg_queued": stats.messages_queued,
        "client_num_msg_sent": stats.messages_queued,
        "client_num_subscribe": stats.subscribes,
        "node_num_add_client_conn": stats.connections_opened,
        "node_num_add_client_sub": stats.subscribes,
        "node_num_add_presence": stats.presence_adds,
        "node_num_client_msg_published": stats.publications_published,
        "node_num_client_msg_received": stats.publications_received,
        "node_num_history": stats.history_reads,
        "node_num_join_msg_published": stats.joins_published,
        "node_num_join_msg_received": stats.joins_received,
        "node_num_leave_msg_published": stats.leaves_published,
        "node_num_leave_msg_received": stats.leaves_received,
        "node_num_presence": stats.presence_reads,
        "node_num_remove_client_conn": stats.connections_closed,
        "node_num_remove_client_sub": stats.unsubscribes,
        "node_num_remove_presence": stats.presence_removes,
    }


def _gauges(info: NodeInfo) -> dict[str, int]:
    return {
        "node_num_clients": info.num_clients,
        "node_num_unique_clients": info.num_users,
        "node_num_channels": info.num_channels,
        "node_uptime_seconds": info.uptime,
    }


def _process() -> dict[str, int]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "node_memory_sys": usage.ru_maxrss * 1024,
        "node_rusage_utime": int(usage.ru_utime * 1e9),
        "node_rusage_stime": int(usage.ru_stime * 1e9),
    }


def _metric_names() -> list[str]:
    times = ("min", "max", "mean", "50%ile", "90%ile", "99%ile", "99.99%ile")
    kinds = ("count", *(f"microseconds_{time}" for time in times))
    return [
        *map("_".join, product(("http_api", "client_api"), ("1", "15"), kinds)),
        *_counters(Stats()),
        *(f"node_num_{kind}_msg_{way}" for kind in ("admin", "control") for way in _WAYS),
        "http_api_num_requests",
        "http_raw_ws_num_requests",
        "http_sockjs_num_requests",
        "node_num_last_message_id",
        *_gauges(NodeInfo(uid="", name="", version="")),
        *_process(),
        "node_memory_heap_sys",
        "node_memory_heap_alloc",
        "node_memory_stack_inuse",
        "node_cpu_usage",
        "node_num_goroutine",
    ]


_WAYS = ("published", "received")

METRICS = tuple(sorted(_metric_names()))
"""All 74 names of classic.md section 9; what girandola does not count is 0."""
