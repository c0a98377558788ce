"""Certificates that obtain and renew themselves: where they are kept, when they are due, who sees
which.

Knows hosts, time and PEM; not the protocol by which a certificate is obtained (``acme.py``). Key
material goes into the cache folder, which only we may read, and nowhere else.
"""

import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from girandola.core.ports import Clock, Timer
from girandola.net.messages import Request, Response, Route, plain_response
from girandola.net.router import Router
from girandola.net.tls import (
    Identity,
    bare_context,
    context_of,
    parse_identity,
    say_validity,
)

logger = logging.getLogger(__name__)

CHECK_INTERVAL = 3600.0
"""Seconds between two looks at how long certificates are still valid."""

RETRY_DELAY = 300.0
"""Seconds until a failure is tried again; doubled each time, at most ``CHECK_INTERVAL``. Let's
Encrypt takes five failures of a host in an hour."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

Obtain = Callable[[str, PrivateKey], Awaitable[bytes]]
"""Returns the chain in PEM for a host and a key. Raises ``OSError`` that says why not."""


# ── where they are kept ──────────────────────────────────────────────────────────────────────


class CertificateCache:
    """A folder of keys and certificates, with the file names of Go's autocert.

    So whoever comes from Centrifugo keeps what is there. Without a path it keeps nothing.
    """

    def __init__(self, path: str) -> None:
        """Make the folder, for ourselves only, if there is none. Raises ``OSError``."""
        self._folder = Path(path) if path else None
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(13, "it is not ours to read and write")

    def load(self, name: str) -> bytes | None:
        """Return what was stored by this name, ``None`` for nothing. Raises ``OSError``."""
        if self._folder is None:
            return None
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def store(self, name: str, content: bytes) -> None:
        """Keep ``content``, whole or not at all, for ourselves only. Raises ``OSError``."""
        if self._folder is None:
            return
        draft = self._folder / f".{name}.{os.getpid()}"
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                os.fsync(file.fileno())
            draft.replace(self._folder / name)
        finally:
            draft.unlink(missing_ok=True)


def account_key(cache: CertificateCache) -> ec.EllipticCurvePrivateKey:
    """Return the key of our account at the ACME server, made at the first start.

    Raises ``OSError``, and ``ValueError`` where the file holds no such key.
    """
    name = "acme_account+key"
    stored = cache.load(name)
    if stored is None:
        key = ec.generate_private_key(ec.SECP256R1())
        cache.store(name, _key_pem(key))
        return key
    try:
        found = load_pem_private_key(stored, None)
    except (ValueError, TypeError):
        found = None
    if not isinstance(found, ec.EllipticCurvePrivateKey) or found.curve.name != "secp256r1":
        raise ValueError(f"{name} in the cache holds no P-256 key; remove it to get a new account")
    return found


def _key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


# ── when they are due, and who sees which ────────────────────────────────────────────────────


class Autocert:
    """One certificate for each host, renewed in the last third of its life.

    ``context`` is for the listeners: it shows every client the certificate of the host it names,
    or of ``default_host`` if it names none, and turns away who asks for other hosts.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        cache: CertificateCache,
        obtain: Obtain,
        clock: Clock,
        *,
        default_host: str = "",
        use_rsa: bool = False,
    ) -> None:
        self._hosts = tuple(dict.fromkeys(_normal(host) for host in hosts))
        self._default_host = _normal(default_host)
        self._cache = cache
        self._obtain = obtain
        self._clock = clock
        self._use_rsa = use_rsa
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._identities: dict[str, Identity] = {}
        self._failures = 0
        self._stopped = False
        self._timer: Timer | None = None
        self.context = bare_context()
        self.context.sni_callback = self._choose

    def start(self) -> None:
        """Take what the cache has, and obtain what is missing or due from now on."""
        for host in self._hosts:
            self._take_from_cache(host)
        self._check()

    def stop(self) -> None:
        """Obtain nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        self._clock.spawn(self._renew_what_is_due())

    async def _renew_what_is_due(self) -> None:
        failed = False
        for host in self._hosts:
            if self._is_due(host) and not self._stopped:
                failed |= not await self._renew(host)
        if self._stopped:
            return
        self._failures = self._failures + 1 if failed else 0
        retry = RETRY_DELAY * 2 ** min(self._failures - 1, 10)
        delay = min(retry, CHECK_INTERVAL) if failed else CHECK_INTERVAL
        self._timer = self._clock.call_later(delay, self._check)

    def _is_due(self, host: str) -> bool:
        identity = self._identities.get(host)
        if identity is None:
            return True
        return self._clock.time() > identity.ends - (identity.ends - identity.begins) / 3

    async def _renew(self, host: str) -> bool:
        """Obtain a certificate, or say why not and keep what there is."""
        key: PrivateKey = (
            rsa.generate_private_key(65537, 2048)
            if self._use_rsa
            else ec.generate_private_key(ec.SECP256R1())
        )
        logger.info("obtaining a certificate for %s", host)
        try:
            pem = _key_pem(key) + await self._obtain(host, key)
            self._take(host, pem)
        except (OSError, ValueError) as error:
            logger.error("no certificate for %s: %s", host, error)
            return False
        try:
            self._cache.store(self._name(host), pem)
        except OSError as error:
            logger.error("the certificate for %s could not be kept: %s", host, error.strerror)
        return True

    def _take_from_cache(self, host: str) -> None:
        try:
            pem = self._cache.load(self._name(host))
            if pem is not None:
                self._take(host, pem)
        except (OSError, ValueError) as error:
            logger.warning("the cached certificate for %s is of no use: %s", host, error)

    def _take(self, host: str, pem: bytes) -> None:
        """Show this certificate from now on. Raises ``ValueError`` where it is not the host's."""
        identity = parse_identity(pem, pem, "certificate", "key")
        if host not in identity.hosts:
            raise ValueError(f"the certificate is for {', '.join(identity.hosts) or 'nobody'}")
        self._contexts[host] = context_of(identity, "certificate")
        self._identities[host] = identity
        say_validity(identity, "http_server.tls_autocert")

    def _name(self, host: str) -> str:
        return f"{host}+rsa" if self._use_rsa else host

    def _choose(
        self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext
    ) -> int | None:
        host = _normal(name or "") or self._default_host
        context = self._contexts.get(host)
        if context is not None:
            connection.context = context
            return None
        if host in self._hosts:
            logger.warning("TLS: there is no certificate for %s yet", host)
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        logger.info("TLS: a client asked for %s", f"the host {host!a}" if host else "no host")
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


def _normal(host: str) -> str:
    return host.lower().removesuffix(".")


# ── challenges ───────────────────────────────────────────────────────────────────────────────


def challenge_router(answers: Mapping[str, str], hosts: Iterable[str]) -> Router:
    """Return what is at port 80: answers to HTTP-01 challenges by path, and the way to HTTPS."""
    known = frozenset(_normal(host) for host in hosts)

    def answer(request: Request) -> Response:
        text = answers.get(request.path)
        return plain_response(404) if text is None else Response(200, text.encode())

    def redirect(request: Request) -> Response:
        host = _normal(request.headers.get("host", "").partition(":")[0])
        if host not in known:
            return plain_response(404)
        query = f"?{request.query}" if request.query else ""
        location = f"https://{host}{request.raw_path}{query}"
        return plain_response(302, (("Location", location),))

    router = Router()
    router.add_prefix("/.well-known/acme-challenge/", Route(answer, methods=("GET",)))
    router.add_prefix("/", Route(redirect, methods=("GET",)))
    return router
