"""Configuration into objects: the only place where all of them meet. Reads top to bottom.

It decides nothing about messages. What may change while running is changed by ``reconfigure``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import structs

from girandola import __version__
from girandola.api.door import ApiDoor
from girandola.api.methods import Methods
from girandola.app.routes import PINNED, sockjs_prefixes, stream_routes
from girandola.auth.jwks import KeySets
from girandola.auth.jwt import Verifier
from girandola.channels import Channels
from girandola.config.schema import Config
from girandola.core.node import Node
from girandola.core.ports import Clock
from girandola.engines.memory.broker import MemoryBroker
from girandola.engines.memory.presence import MemoryPresence
from girandola.errors import Reject
from girandola.net.deflate import inflater
from girandola.net.http import Request, Response
from girandola.net.middleware import ConnectionLimit, OriginCheck
from girandola.net.router import Route, Router, WebSocketRoute
from girandola.options import TokenOptions, UniGrpcOptions
from girandola.policy.policy import ConfiguredPolicy
from girandola.policy.rules import Rules
from girandola.protocol.negotiation import SUBPROTOCOLS
from girandola.transports.base import Entrance
from girandola.transports.sockjs.routes import SockJsDoor
from girandola.transports.websocket import WebSocketDoor

if TYPE_CHECKING:
    from girandola.transports.uni_grpc import UniGrpcDoor

VERSION = f"{__version__} girandola"
"""What today's clients are told (modern.md section 4.2)."""


class Application:
    """All objects of one server. Make it inside the running loop.

    Raises:
        ValueError: an option that only its user can check (a key, a key set's URL, a pattern of
            origins) is wrong, or asks for what is not installed; the text begins with its name.
    """

    def __init__(self, config: Config, clock: Clock, *, separate_internal: bool = False) -> None:
        """Build. ``separate_internal``: applications come in elsewhere than clients."""
        self._separate_internal = separate_internal
        self._started = config
        self._clock = clock
        self._key_sets = KeySets(now=clock.now)
        self._policy = ConfiguredPolicy(self._rules(config))
        self.node = Node(
            clock=clock,
            broker=MemoryBroker(clock, config.engine.memory.max_streams),
            presence=MemoryPresence(),
            policy=self._policy,
            options=config.client,
            name=config.node.name,
            version=VERSION,
        )
        self._entrance = Entrance(
            self.node,
            _origins(config),
            ConnectionLimit(
                config.client.connection_limit, config.client.connection_rate_limit, clock.now
            ),
            _kept_headers(config),
            config.client.user_id_http_header.lower(),
        )
        self._door = WebSocketDoor(self._entrance, config.websocket)
        # Its sessions outlive requests, so it stays when the routes are made anew.
        self._sockjs = {
            prefix: SockJsDoor(self._entrance, config.sockjs, config.websocket, prefix=prefix)
            for prefix in sockjs_prefixes(config)
        }
        self._uni_grpc = _uni_grpc(self.node, self._entrance.limit, config.uni_grpc)
        methods = Methods(self.node, lambda: self._policy.rules.channels)
        self._api = ApiDoor(methods, config.http_api, config.classic)
        self.router = _CurrentRoutes(self._route(config))
        self.internal_router = _CurrentRoutes(self._route_internal(config))

    def reconfigure(self, config: Config) -> None:
        """Go by another configuration from now on, as far as a running server can.

        Existing subscriptions stay as they are. Raises ``ValueError`` like the constructor, and
        then goes on by the old configuration.
        """
        config = _as_started(config, self._started)
        rules, origins, routes = self._rules(config), _origins(config), self._route(config)
        renew = self._uni_grpc.reload() if self._uni_grpc is not None else None
        # Nothing below fails: half a configuration would be worse than the old one.
        self._policy.rules = rules
        self.node.options = config.client
        self._entrance.origins = origins
        self._entrance.limit.change(
            config.client.connection_limit, config.client.connection_rate_limit
        )
        self._entrance.kept_headers = _kept_headers(config)
        self._entrance.identity_header = config.client.user_id_http_header.lower()
        self._door.configure(config.websocket)
        self._api.configure(config.http_api, config.classic)
        for door in self._sockjs.values():
            door.configure(config.websocket)
        self.router.now = routes
        self.internal_router.now = self._route_internal(config)
        if renew is not None:
            renew()

    async def start(self) -> None:
        """Have the engines, and open the ports beside HTTP's.

        Raises ``OSError`` or ``Unavailable``, which name what cannot be had.
        """
        await self.node.start()
        if self._uni_grpc is not None:
            await self._uni_grpc.start()

    async def close(self) -> None:
        """Tell every client that the server stops, and let go of what is open elsewhere."""
        self._api.close()
        self._door.cut_off_strangers()
        for door in self._sockjs.values():
            door.cut_off_strangers()
        await self.node.shutdown()
        if self._uni_grpc is not None:
            await self._uni_grpc.stop()
        await self._key_sets.close()
        await self.node.close()

    def _rules(self, config: Config) -> Rules:
        return rules_of(config, self._clock.time, self._key_sets)

    def _route(self, config: Config) -> Router:
        """Lead paths to doors."""
        router = Router()
        for prefix, sockjs in self._sockjs.items():
            router.add_door(prefix, sockjs.find)
        websocket = config.websocket
        inflated = websocket.inflated_size_limit
        if not websocket.disabled:
            router.add(
                websocket.handler_prefix,
                WebSocketRoute(
                    self._door.accept,
                    max_message_size=websocket.message_size_limit,
                    write_timeout=websocket.write_timeout,
                    subprotocols=SUBPROTOCOLS,
                    inflate=inflater(inflated) if inflated else None,
                ),
            )
        for path, door in stream_routes(config, self._entrance, self._knows):
            router.add(path, door)
        if not self._separate_internal or config.http_api.external:
            self._route_api(router, config)
        return router

    def _route_internal(self, config: Config) -> Router:
        """Lead paths to what is for applications; used where they come in elsewhere."""
        router = Router()
        self._route_api(router, config)
        return router

    def _route_api(self, router: Router, config: Config) -> None:
        if config.http_api.disabled:
            return
        router.add_door(config.http_api.handler_prefix, self._api.find)

    def _knows(self, channel: str) -> bool:
        """Tell whether a channel is configured."""
        try:
            self._policy.rules.channels.options(channel)
        except Reject:
            return False
        return True


def rules_of(config: Config, time: Callable[[], float], key_sets: KeySets | None = None) -> Rules:
    """Return what the policy decides by; ``time`` returns Unix seconds.

    Without ``key_sets`` the configuration may name none. Raises ``ValueError`` like
    ``Application``.
    """
    client = config.client
    separate = client.subscription_token.enabled

    def verifier(options: TokenOptions, section: str) -> Verifier:
        try:
            return Verifier(
                options,
                time=time,
                jwks=key_sets,
                skip_signature=client.insecure_skip_token_signature_verify,
            )
        except ValueError as error:
            raise ValueError(f"{section}.{error}") from None

    return Rules(
        channels=Channels(config.channel),
        client=client,
        classic=config.classic,
        rpc_ping=config.rpc.ping,
        connection_tokens=verifier(client.token, "client.token"),
        subscription_tokens=verifier(client.subscription_token, "client.subscription_token")
        if separate
        else verifier(client.token, "client.token"),
        time=time,
        legacy=config.legacy,
    )


class _CurrentRoutes(Router):
    """The routes of the configuration that holds now."""

    def __init__(self, now: Router) -> None:
        super().__init__()
        self.now = now

    @property
    def paths(self) -> list[str]:
        """See ``Router.paths``."""
        return self.now.paths

    def find(self, request: Request) -> Route | WebSocketRoute | Response:
        """See ``Router.find``."""
        return self.now.find(request)


def _as_started(config: Config, started: Config) -> Config:
    """Return ``config`` with the doors and their paths as they were at the start."""
    sections = {}
    for name in ("websocket", "http_api", *PINNED):
        old, new = getattr(started, name), getattr(config, name)
        fixed = {"enabled", "disabled", "external", "handler_prefix"}.intersection(
            new.__struct_fields__
        )
        sections[name] = structs.replace(new, **{field: getattr(old, field) for field in fixed})
    return structs.replace(config, **sections)


def _uni_grpc(node: Node, limit: ConnectionLimit, options: UniGrpcOptions) -> "UniGrpcDoor | None":
    if not options.enabled:
        return None
    try:
        from girandola.transports.uni_grpc import UniGrpcDoor
    except ModuleNotFoundError as error:
        if error.name != "grpc":
            raise
        raise ValueError(
            "uni_grpc.enabled: needs grpcio, which is not installed: pip install girandola[grpc]"
        ) from None
    return UniGrpcDoor(node, limit, options)


def _origins(config: Config) -> OriginCheck:
    try:
        return OriginCheck(config.client.allowed_origins)
    except ValueError as error:
        raise ValueError(f"client.allowed_origins: {error}") from None


def _kept_headers(config: Config) -> frozenset[str]:
    """Return the names of the request headers that the policy reads."""
    header = config.client.user_id_http_header.lower()
    return frozenset([header]) if header else frozenset()
