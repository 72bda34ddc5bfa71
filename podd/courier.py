"""Posts messages for strangers to where they say, without becoming their way into the operator's network.

The name is resolved once, by us, and only addresses that may be called are handed on to the connection: a
second look-up could give another answer. Redirects are not followed, answers are not read.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from podd import __version__
from podd.domain.webhook import Network, may_reach
from podd.ports import Undeliverable


class HttpCourier:
    """Lives on one event loop. `allowed` are private networks that may be called all the same."""

    def __init__(self, allowed: Sequence[Network], timeout: float) -> None:
        self._allowed = tuple(allowed)
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes) -> int:
        """The status code of the answer. Raises Undeliverable when there is none."""
        try:
            self._check_literal(urlsplit(url).hostname or "")
            async with self._open().post(url, data=body, allow_redirects=False) as answer:
                return answer.status
        except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
            raise Undeliverable(_reason(error)) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    # Private

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection of its own for each: the next message may be to somebody else behind this name.
            connector = aiohttp.TCPConnector(
                resolver=_Guard(self._allowed), use_dns_cache=False, force_close=True, limit=0
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Content-Type": "application/json", "User-Agent": f"podd/{__version__}"},
            )
        return self._session

    def _check_literal(self, host: str) -> None:
        """An address in place of a name is never looked up, so the guard does not see it."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return
        if not may_reach(address, self._allowed):
            raise Undeliverable(_forbidden(host))


class _Guard(AbstractResolver):
    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self._resolver = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)  # type: ignore[arg-type]
        fine = [one for one in found if may_reach(_address(one["host"]), self._allowed)]
        if not fine:
            raise Undeliverable(_forbidden(host))
        return fine

    async def close(self) -> None:
        await self._resolver.close()


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(text.partition("%")[0])


def _forbidden(host: str) -> str:
    return f"{host} is a private address, which the operator does not allow (webhooks.allow)"


def _reason(error: Exception) -> str:
    """Without the URL: its path and query may hold a secret."""
    match error:
        case asyncio.TimeoutError():
            return "no answer in time"
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return "its certificate is not valid"
        case aiohttp.ClientConnectorError():
            return f"no connection: {error.os_error.strerror or type(error.os_error).__name__}"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer"
        case aiohttp.InvalidURL():
            return "its URL is not one"
    return type(error).__name__
