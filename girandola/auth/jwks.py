"""JSON Web Key sets fetched over HTTP: cached, rotated, and never fetched at a stranger's pace.

Whoever sends a token chooses its ``kid``, and with a templated URL a part of the URL; so fetches
are shared, rare and bounded here. Nothing here knows what a token claims. Behaviour:
server.md section 5 and section 19, items 2 and 12.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from girandola.auth.keys import SetKey, from_jwk_set
from girandola.regex import Regex

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

LIFETIME = 3600.0
"""Seconds for which a fetched set is believed, however often it is used."""
PAUSE = 5.0
"""Least seconds between the end of a fetch and the next one of the same URL."""
TIMEOUT = 1.0
"""Seconds an attempt may take, from look-up to last byte."""
ATTEMPTS = 3
MAX_DOCUMENT = 512 * 1024
MAX_SETS = 256
MAX_FETCHES = 16
"""Most fetches at a time, of all URLs together."""


def http_client() -> Any:
    """Return the module aiohttp, which only a server with a key set loads.

    It would cost every start a quarter of its time, and 10 MB.
    """
    return import_module("aiohttp")


class KeysUnavailable(Exception):
    """The keys cannot be had now; another time they may. The text is for the log."""


class _Known(Struct):
    """What is known of one URL. Times are those of the monotonic clock."""

    keys: dict[str, list[SetKey]]
    believed_until: float
    next_fetch: float


class KeySets:
    """All key sets of a process. Use it inside one running loop; ``close`` it in the end.

    ``now`` is a clock that never goes back, ``timeout`` what one attempt may take, in seconds.
    """

    def __init__(self, *, now: Callable[[], float], timeout: float = TIMEOUT) -> None:
        self._now = now
        self._timeout = timeout
        self._known: dict[str, _Known] = {}
        self._fetching: dict[str, asyncio.Task[str]] = {}
        self._session: aiohttp.ClientSession | None = None

    async def keys(self, url: str, kid: str) -> list[SetKey]:
        """Return the keys with this id, an empty list when the set surely has none.

        Raises:
            KeysUnavailable: the endpoint fails, or was asked too short a while ago to ask again.
        """
        known = self._known.get(url)
        if known is not None and self._now() < known.believed_until and kid in known.keys:
            return known.keys[kid]
        failure = await self._fetch(url, known)
        if failure:
            raise KeysUnavailable(failure)
        return self._known[url].keys.get(kid, []) if url in self._known else []

    async def close(self) -> None:
        """Give up what is under way and close all connections."""
        for task in self._fetching.values():
            task.cancel()
        if self._fetching:
            await asyncio.gather(*self._fetching.values(), return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _fetch(self, url: str, known: _Known | None) -> str:
        """Have the set fetched, once for all who wait; return what went wrong, or nothing."""
        task = self._fetching.get(url)
        if task is None:
            if known is not None and self._now() < known.next_fetch:
                return f"{_shown(url)} was asked less than {PAUSE:g} s ago"
            if len(self._fetching) >= MAX_FETCHES:
                return f"{MAX_FETCHES} key sets are being fetched already"
            # A task of its own: aiohttp's timeouts need one, and the caller may not be in any.
            task = asyncio.get_running_loop().create_task(self._refresh(url))
            self._fetching[url] = task
            task.add_done_callback(lambda _: self._fetching.pop(url))
        return await asyncio.shield(task)

    async def _refresh(self, url: str) -> str:
        client_error: type[Exception] = http_client().ClientError
        failure = ""
        for _ in range(ATTEMPTS):
            try:
                keys = from_jwk_set(await self._download(url))
            except (client_error, TimeoutError, OSError, ValueError) as error:
                failure = f"key set {_shown(url)}: {str(error) or type(error).__name__}"
                continue
            self._remember(url, _Known(keys, self._now() + LIFETIME, self._now() + PAUSE))
            return ""
        logger.warning("%s; tokens cannot be verified by it", failure)
        known = self._known.get(url) or _Known({}, 0.0, 0.0)
        known.next_fetch = self._now() + PAUSE
        self._remember(url, known)
        return failure

    def _remember(self, url: str, known: _Known) -> None:
        self._known.pop(url, None)
        self._known[url] = known
        if len(self._known) > MAX_SETS:
            del self._known[next(iter(self._known))]

    async def _download(self, url: str) -> bytes:
        if self._session is None:
            aiohttp = http_client()
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        # A redirect could lead from a trusted host to any other, so none is followed.
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"expected status 200, got {response.status}")
            document = bytearray()
            async for chunk in response.content.iter_any():
                document += chunk
                if len(document) > MAX_DOCUMENT:
                    raise ValueError(f"expected at most {MAX_DOCUMENT} bytes")
            return bytes(document)


# ── URLs with parts taken from the token ─────────────────────────────────────────────────────

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")
_LITERAL = r"(?:[A-Za-z0-9_~/:@ -]|\\[^A-Za-z0-9])+"
_ALTERNATION = re.compile(rf"{_LITERAL}(?:\|{_LITERAL})*\)")


class EndpointTemplate:
    """The URL of a key set; ``{{name}}`` stands for a named group of the given regexes.

    Unless ``insecure`` is set, such a group must list its values (``(?P<tenant>a|b)``), for
    else a token could say where the keys that verify it are fetched from.

    Raises:
        ValueError: when the URL or a group is not as it must be.
    """

    def __init__(self, url: str, regexes: list[str], *, insecure: bool = False) -> None:
        self._url = url
        self._insecure = insecure
        self.names = set(_PLACEHOLDER.findall(url))
        http_client()  # at the start, not while connections wait for the first token's keys
        _check_url(_PLACEHOLDER.sub("x", url))
        for name in sorted(self.names):
            holders = [regex for regex in regexes if name in Regex(regex).names]
            if not holders:
                raise ValueError(f"{{{{{name}}}}} names no group of issuer_regex or audience_regex")
            if not insecure and not all(_lists_its_values(name, regex) for regex in holders):
                raise ValueError(
                    f"group {name} must list its values, as in (?P<{name}>one|two), "
                    "because it becomes a part of the URL"
                )

    def url(self, groups: Mapping[str, str]) -> str:
        """Return the URL for the values that the regexes found.

        Raises:
            ValueError: when a value is missing or would change more than its place in the URL.
        """

        def value(match: re.Match[str]) -> str:
            found = groups.get(match[1])
            if not found:
                raise ValueError(f"nothing found for {{{{{match[1]}}}}} of the key set's URL")
            if self._insecure and (
                found in (".", "..") or not re.fullmatch(r"[A-Za-z0-9_.~:-]+", found)
            ):
                raise ValueError(f"the value for {{{{{match[1]}}}}} does not fit into a URL")
            return found

        return _PLACEHOLDER.sub(value, self._url) if self.names else self._url


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an http or https URL")


def _lists_its_values(name: str, regex: str) -> bool:
    """Tell whether every group of this name, in either spelling, is a list of plain texts."""
    starts = re.split(rf"\(\?P?<{name}>", regex)[1:]
    return bool(starts) and all(_ALTERNATION.match(rest) is not None for rest in starts)


def _shown(url: str) -> str:
    """Return the URL without the parts that may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"
