"""Paths to doors: which doors there are, and with what limits.

Knows options and doors; not what the doors do.
"""

from collections.abc import Callable, Iterator

from girandola.config.schema import Config
from girandola.net.deflate import inflater
from girandola.net.router import Route, WebSocketRoute
from girandola.transports.base import Entrance
from girandola.transports.emulation import EmulationDoor
from girandola.transports.http_stream import HttpStreamDoor, UniHttpStreamDoor
from girandola.transports.sse import SseDoor, UniSseDoor
from girandola.transports.streaming import StreamDoor
from girandola.transports.uni_websocket import UniWebSocketDoor

PINNED = ("sse", "http_stream", "emulation", "uni_websocket", "uni_sse", "uni_http_stream")
"""The sections here; whether a door is there, and where, changes with the next start only."""


def sockjs_prefixes(config: Config) -> list[str]:
    """Return where SockJS is offered: for libraries of every generation where they look for it.

    What is below another one comes first.
    """
    if not config.sockjs.enabled:
        return []
    prefixes = {config.sockjs.handler_prefix.rstrip("/")}
    if config.classic.sockjs_handler_prefix:
        prefixes.add(config.classic.sockjs_handler_prefix.rstrip("/"))
    return sorted(prefixes, reverse=True)


def stream_routes(
    config: Config, entrance: Entrance, knows: Callable[[str], bool]
) -> Iterator[tuple[str, Route | WebSocketRoute]]:
    """Yield path and route of every door that is offered.

    ``knows`` tells whether a channel is configured.
    """
    emulated = config.sse.enabled or config.http_stream.enabled
    if config.sse.enabled:
        sse = SseDoor(entrance, config.sse)
        yield config.sse.handler_prefix, _route(sse, config.sse.max_request_body_size)
    if config.http_stream.enabled:
        stream = HttpStreamDoor(entrance, config.http_stream)
        limit = config.http_stream.max_request_body_size
        yield config.http_stream.handler_prefix, _route(stream, limit)
    if emulated:
        emulation = config.emulation
        yield (
            emulation.handler_prefix,
            Route(
                EmulationDoor(entrance).handle,
                ("POST", "OPTIONS"),
                emulation.max_request_body_size,
            ),
        )
    if config.uni_sse.enabled:
        uni_sse = UniSseDoor(entrance, config.uni_sse, knows)
        yield config.uni_sse.handler_prefix, _route(uni_sse, config.uni_sse.max_request_body_size)
    if config.uni_http_stream.enabled:
        uni_stream = UniHttpStreamDoor(entrance, config.uni_http_stream)
        limit = config.uni_http_stream.max_request_body_size
        yield config.uni_http_stream.handler_prefix, _route(uni_stream, limit)
    if config.uni_websocket.enabled:
        options = config.uni_websocket
        inflated = options.inflated_size_limit
        yield (
            options.handler_prefix,
            WebSocketRoute(
                UniWebSocketDoor(entrance, options).accept,
                max_message_size=options.message_size_limit,
                write_timeout=options.write_timeout,
                inflate=inflater(inflated) if inflated else None,
            ),
        )


def _route(door: StreamDoor, max_body: int) -> Route:
    return Route(door.handle, door.methods, max_body)
