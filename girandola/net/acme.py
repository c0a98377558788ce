"""A certificate for a host from an ACME server (RFC 8555), by the library ``acme``.

The library waits where it stands, so each certificate is obtained in a thread of its own. Knows the
protocol; not when a certificate is needed, nor where it is kept. Importing this needs the extra
``girandola[acme]``.
"""

import asyncio
import threading
from collections.abc import MutableMapping
from datetime import datetime, timedelta

import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from girandola import __version__

NETWORK_TIMEOUT = 20
"""Seconds for one request to the ACME server."""

ORDER_TIMEOUT = 120
"""Seconds for the ACME server to look at our answers and to sign."""

_MAX_REASON = 500


class AcmeClient:
    """An account at an ACME server, by its key. Agrees to the server's terms.

    While a certificate is being obtained, ``answers`` has what the server must find at a path of
    the host, by HTTP at port 80. It is changed from another thread.
    """

    def __init__(
        self,
        directory_url: str,
        email: str,
        account_key: EllipticCurvePrivateKey,
        answers: MutableMapping[str, str],
    ) -> None:
        self._directory_url = directory_url
        self._email = email
        self._key = JWKEC(key=account_key)
        self._answers = answers

    async def obtain(self, host: str, key: EllipticCurvePrivateKey | RSAPrivateKey) -> bytes:
        """Return the certificate for ``host`` and ``key`` with its chain, in PEM.

        Raises ``OSError`` that says in one line what went wrong, there or on the way.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bytes] = loop.create_future()

        def finish(chain: bytes | None, reason: str) -> None:
            if done.cancelled():
                return
            if chain is None:
                done.set_exception(OSError(reason))
            else:
                done.set_result(chain)

        def work() -> None:
            chain, reason = None, ""
            try:
                chain = self._obtain(host, key)
            except Exception as error:  # whatever a stranger's answer leads the library to
                reason = _said(error)
            try:
                loop.call_soon_threadsafe(finish, chain, reason)
            except RuntimeError:  # the server has stopped meanwhile
                pass

        # A thread of the loop's own pool would hold up the end of the process.
        threading.Thread(target=work, name="acme", daemon=True).start()
        return await done

    def _obtain(self, host: str, key: EllipticCurvePrivateKey | RSAPrivateKey) -> bytes:
        network = client.ClientNetwork(
            self._key,
            alg=ES256,
            user_agent=f"girandola/{__version__}",
            timeout=NETWORK_TIMEOUT,
        )
        acme = client.ClientV2(client.ClientV2.get_directory(self._directory_url, network), network)
        self._log_in(acme)
        order = acme.new_order(_request(host, key))
        paths: list[str] = []
        try:
            for authorization in order.authorizations:
                if authorization.body.status != messages.STATUS_VALID:
                    self._answer(acme, authorization, paths)
            deadline = datetime.now() + timedelta(seconds=ORDER_TIMEOUT)
            return str(acme.poll_and_finalize(order, deadline).fullchain_pem).encode()
        finally:
            for path in paths:
                self._answers.pop(path, None)
            network.session.close()

    def _log_in(self, acme: client.ClientV2) -> None:
        registration = messages.NewRegistration.from_data(
            email=self._email or None, terms_of_service_agreed=True
        )
        try:
            acme.new_account(registration)
        except errors.ConflictError as known:
            acme.net.account = messages.RegistrationResource(
                uri=known.location, body=messages.Registration()
            )

    def _answer(
        self,
        acme: client.ClientV2,
        authorization: messages.AuthorizationResource,
        paths: list[str],
    ) -> None:
        """Put the answer to the challenge where it will be looked for, and its path on the list."""
        for challenge in authorization.body.challenges:
            if isinstance(challenge.chall, challenges.HTTP01):
                response, text = challenge.response_and_validation(self._key)
                paths.append(str(challenge.chall.path))
                self._answers[paths[-1]] = text
                acme.answer_challenge(challenge, response)
                return
        raise errors.ClientError("the ACME server offers no HTTP-01 challenge")


def _request(host: str, key: EllipticCurvePrivateKey | RSAPrivateKey) -> bytes:
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM)


def _said(error: Exception) -> str:
    """Return what went wrong, for the log."""
    if isinstance(error, errors.ValidationError):
        problems = [
            challenge.error
            for authorization in error.failed_authzrs
            for challenge in authorization.body.challenges
            if challenge.error is not None
        ]
        text = "; ".join(str(problem.detail) for problem in problems)
    elif isinstance(error, messages.Error):
        text = f"{error.typ}: {error.detail}"
    elif isinstance(error, errors.TimeoutError):
        text = f"the ACME server did not finish within {ORDER_TIMEOUT} seconds"
    elif isinstance(error, requests.RequestException | errors.Error | OSError):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:_MAX_REASON]
