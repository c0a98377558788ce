"""TLS on listeners: contexts made of options, and a context that can be exchanged while serving.

Knows PEM, ``ssl`` and ``TlsOptions``; not which listener uses them. Key material goes into OpenSSL
and nowhere else: not into logs, not into errors, not onto the disk.
"""

import base64
import binascii
import logging
import os
import ssl
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from msgspec import Struct

from girandola.options import TlsOptions

logger = logging.getLogger(__name__)

MAX_PEM_SIZE = 1024 * 1024
"""Bytes of the largest file that is read as PEM."""

_BEGIN = "-----BEGIN "


# ── PEM ──────────────────────────────────────────────────────────────────────────────────────


def read_pem(value: str, option: str) -> bytes:
    """Return the PEM that an option gives: as text, in base64, or as a path, tried in this order.

    Raises ``ValueError`` that names the option and never shows its value, which may be a key.
    """
    if _BEGIN in value:
        return value.encode()
    try:
        decoded = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if _BEGIN.encode() in decoded:
        return decoded
    try:
        with open(value, "rb") as file:
            content = file.read(MAX_PEM_SIZE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ValueError(
            f"{option}: expected PEM, PEM in base64, or the path of a file; as a path: {reason}"
        ) from None
    if len(content) > MAX_PEM_SIZE or _BEGIN.encode() not in content:
        raise ValueError(f"{option}: the file it names holds no PEM")
    return content


class Identity(Struct, frozen=True):
    """A private key and the certificate for it, followed by the chain."""

    key: PrivateKeyTypes
    chain: list[x509.Certificate]

    @property
    def hosts(self) -> list[str]:
        """The names the certificate is for."""
        try:
            found = self.chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (x509.ExtensionNotFound, ValueError):
            return []
        return found.value.get_values_for_type(x509.DNSName)

    @property
    def begins(self) -> float:
        """Unix seconds from which the certificate is valid."""
        return self.chain[0].not_valid_before_utc.timestamp()

    @property
    def ends(self) -> float:
        """Unix seconds until which the certificate is valid."""
        return self.chain[0].not_valid_after_utc.timestamp()


def parse_identity(chain: bytes, key: bytes, chain_option: str, key_option: str) -> Identity:
    """Return what two PEM texts hold, which may be the same.

    Raises ``ValueError`` that names the option: unreadable, or a key that is not the certificate's.
    """
    certificates = parse_certificates(chain, chain_option)
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        raise ValueError(
            f"{key_option}: is encrypted, expected a key without a passphrase"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        # What the library says might show a part of the key.
        raise ValueError(f"{key_option}: holds no private key that can be read") from None
    if _public(private.public_key()) != _public(certificates[0].public_key()):
        raise ValueError(f"{key_option}: is not the key of the certificate in {chain_option}")
    return Identity(private, certificates)


def parse_certificates(pem: bytes, option: str) -> list[x509.Certificate]:
    """Return at least one certificate. Raises ``ValueError`` that names the option."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ValueError(f"{option}: holds no certificate that can be read") from None


def _public(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]  # the union has keys without
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


# ── contexts ─────────────────────────────────────────────────────────────────────────────────


def server_context(options: TlsOptions, section: str) -> ssl.SSLContext:
    """Return the context of a listener; ``section`` is where its options stand.

    Reads the files now: call again for what they hold later. Raises ``ValueError`` that begins
    with the name of the option.
    """
    names = (f"{section}.cert_pem", f"{section}.key_pem")
    values = (options.cert_pem, options.key_pem)
    chain, key = (read_pem(value, name) for value, name in zip(values, names, strict=True))
    identity = parse_identity(chain, key, *names)
    context = context_of(identity, names[0])
    if options.client_ca_pem:
        option = f"{section}.client_ca_pem"
        authorities = parse_certificates(read_pem(options.client_ca_pem, option), option)
        context.load_verify_locations(
            cadata=b"".join(c.public_bytes(Encoding.DER) for c in authorities)
        )
        context.verify_mode = ssl.CERT_REQUIRED
    say_validity(identity, section)
    return context


def context_of(identity: Identity, option: str) -> ssl.SSLContext:
    """Return a context that shows this certificate. Raises ``ValueError`` that names the option."""
    context = bare_context()
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in identity.chain)
    pem += identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # The ssl module takes a certificate from a file only. This one exists in memory alone.
    with open(os.memfd_create("certificate"), "wb") as file:
        file.write(pem)
        file.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        except ssl.SSLError as error:
            raise ValueError(f"{option}: OpenSSL refuses it: {_reason(error)}") from None
    return context


def bare_context() -> ssl.SSLContext:
    """Return a server's context without a certificate: TLS 1.2 or newer, HTTP/1.1."""
    context = _Context(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = _Connection
    return context


class _Context(ssl.SSLContext):
    """A context whose connections know where their own bytes go."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """See ``ssl.SSLContext.wrap_bio``."""
        connection = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        if isinstance(connection, _Connection):
            connection.outgoing = outgoing
        return connection


class CurrentContext(ssl.SSLContext):
    """What a listener holds: each new connection is made with ``now``, which may be exchanged."""

    now: ssl.SSLContext

    def __new__(cls, now: ssl.SSLContext) -> "CurrentContext":
        """Begin with ``now``."""
        context = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        context.now = now
        return context

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """See ``ssl.SSLContext.wrap_bio``; the loop calls it for every connection."""
        return self.now.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def say_validity(identity: Identity, name: str) -> None:
    """Log what the certificate is for and until when, as a warning if that is not now."""
    hosts = ", ".join(identity.hosts) or "no host"
    begins, ends = (datetime.fromtimestamp(at, UTC) for at in (identity.begins, identity.ends))
    if begins <= datetime.now(UTC) < ends:
        logger.info(
            "%s: certificate for %s, valid until %s", name, hosts, f"{ends:%Y-%m-%d %H:%M}Z"
        )
    else:
        span = f"{begins:%Y-%m-%d %H:%M}Z to {ends:%Y-%m-%d %H:%M}Z"
        logger.warning("%s: certificate for %s is valid from %s, not now", name, hosts, span)


class _Connection(ssl.SSLObject):
    """One TLS connection, which tells log and peer why it did not come to be.

    The loops drop such a connection without a word to either.
    """

    _failure: ssl.SSLError | None = None
    outgoing: ssl.MemoryBIO | None = None
    """What the loop sends to the peer as it is."""

    def do_handshake(self) -> None:
        """See ``ssl.SSLObject.do_handshake``."""
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError):
            raise  # not a failure; or nothing was said at all, as by a check of the open port
        except ssl.SSLError as error:
            if error.reason != NO_CERTIFICATE:
                logger.info("TLS handshake failed: %s", _reason(error))
            if error.reason == "HTTP_REQUEST" and self.outgoing is not None:
                self.outgoing.write(_NO_TLS)  # who does not speak TLS understands no alert
            # The loops send what there is to say, mostly OpenSSL's alert, where it wants an answer.
            # The peer then closes the connection, or the timeout of the handshake does.
            self._failure = error
            raise ssl.SSLWantReadError from None


_NO_TLS_REASON = b"This port speaks TLS: expected https:// or wss://\n"
_NO_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_NO_TLS_REASON), _NO_TLS_REASON)
)
"""What a peer is told that speaks plain HTTP."""

NO_CERTIFICATE = "CALLBACK_FAILED"
"""OpenSSL's reason where a server name callback refused, which has logged why."""


def _reason(error: ssl.SSLError) -> str:
    reason = (error.reason or str(error)).replace("_", " ").lower()
    detail = getattr(error, "verify_message", "")
    return f"{reason}: {detail}" if detail else reason
