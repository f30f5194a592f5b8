# SPDX-License-Identifier: Apache-2.0
"""GET and POST of what somebody has named on the web (RFC 9110 §9.3): bounded in size, time and place.

The address is looked up once and checked before the connection, so no name leads into networks that the
settings do not allow, neither at first nor after a redirect.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlencode, urljoin, urlsplit

import httptools

from armgs_server.config import LimitSettings
from armgs_server.errors import Denied, Invalid, Temporary, TooLarge
from armgs_server.net.deadlines import Deadlines
from armgs_server.net.dial import dial
from armgs_server.net.hosts import is_within

ANYWHERE = ("0.0.0.0/0", "::/0")  # for what the administrator has chosen
REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}
_MOVED = (301, 302, 303, 307, 308)
_HEAD = 64 * 1024  # of the answer's header fields


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much, how long, and from where."""

    size: int
    timeout: float
    networks: tuple[str, ...]  # allowed beside all public addresses
    ca: str = ""  # file with the certificates that are believed, instead of the system's
    redirects: int = REDIRECTS


def is_allowed(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an address is a public one, or lies in one of the networks."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return is_allowed(str(found.ipv4_mapped), networks)
    is_public = found.is_global and not found.is_multicast
    return is_public or is_within(address, networks)


def check_url(url: str) -> str:
    """The URL, fit to be fetched; Invalid."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Invalid("not a URL") from error
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or not is_plain:
        raise Invalid("not an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise Invalid("a URL must not hold a password")
    return url


class _Answer:
    """Gathers one answer; httptools calls its methods."""

    def __init__(self, size: int, *, is_head_enough: bool) -> None:
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.is_complete = False
        self._has_head = False
        self._is_head_enough = is_head_enough
        self._size = size

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing when the connection ends here (RFC 9112 §8)."""
        is_open = "content-length" not in self.headers and "transfer-encoding" not in self.headers
        return self.is_complete or (self._has_head and is_open)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        self._has_head = True
        self.is_complete = self._is_head_enough

    def on_body(self, data: bytes) -> None:
        if self._is_head_enough:
            return
        self.body += data
        if len(self.body) > self._size:
            raise TooLarge(f"larger than {self._size} bytes")

    def on_message_complete(self) -> None:
        self.is_complete = True


async def fetch(
    url: str, limits: LimitSettings, bounds: Bounds, headers: Mapping[str, str] | None = None
) -> Fetched:
    """200 or 304, after few redirects. Invalid, Denied (the address is not allowed), TooLarge, Temporary."""
    try:
        async with asyncio.timeout(bounds.timeout):
            for _ in range(bounds.redirects + 1):
                answer = await _ask("GET", check_url(url), limits, bounds, headers or {})
                if answer.status in (200, 304):
                    return answer
                if answer.status not in _MOVED:
                    raise Temporary(f"the answer is {answer.status}")
                url = urljoin(url, answer.headers.get("location", ""))
    except (OSError, TimeoutError) as error:  # a certificate that is not good is an OSError
        raise Temporary(f"not reached: {str(error) or 'too slow'}") from error
    raise Temporary("too many redirects")


async def post(
    url: str, limits: LimitSettings, bounds: Bounds, form: Mapping[str, str], headers: Mapping[str, str]
) -> Fetched:
    """The answer 200 to a form; follows no redirect, which could take it elsewhere.

    Raises as fetch(), and Invalid where the form is refused (RFC 9110 §15.5).
    """
    about = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    answer = await _post(url, limits, bounds, about, urlencode(form).encode())
    if answer.status == 200:
        return answer
    kind = Invalid if 400 <= answer.status < 500 else Temporary
    raise kind(f"the answer is {answer.status}")


async def deliver(
    url: str, limits: LimitSettings, bounds: Bounds, body: bytes, headers: Mapping[str, str]
) -> Fetched:
    """Whatever the answer is, and no more of it than its header; follows no redirect. Raises as fetch()."""
    return await _post(url, limits, bounds, headers, body, is_head_enough=True)


async def _post(
    url: str,
    limits: LimitSettings,
    bounds: Bounds,
    headers: Mapping[str, str],
    body: bytes,
    *,
    is_head_enough: bool = False,
) -> Fetched:
    fields = {"Content-Length": str(len(body)), **headers}
    try:
        async with asyncio.timeout(bounds.timeout):
            return await _ask("POST", check_url(url), limits, bounds, fields, body, is_head_enough)
    except (OSError, TimeoutError) as error:
        raise Temporary(f"not reached: {str(error) or 'too slow'}") from error


async def _ask(
    method: str,
    url: str,
    limits: LimitSettings,
    bounds: Bounds,
    headers: Mapping[str, str],
    body: bytes = b"",
    is_head_enough: bool = False,
) -> Fetched:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    address = await _address(host, port, bounds.networks)
    deadlines = Deadlines(asyncio.get_running_loop())
    tls = _tls(bounds.ca) if parts.scheme == "https" else None
    try:
        stream = await dial(address, port, limits, deadlines, tls=tls, name=host)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            fields = {"Host": parts.netloc, "Accept-Encoding": "identity", "Connection": "close", **headers}
            lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
            stream.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            return await _read(stream.read, bounds, _Answer(bounds.size, is_head_enough=is_head_enough))
        finally:
            stream.abort()
    finally:
        deadlines.close()


async def _read(read: Callable[[float], Awaitable[bytes]], bounds: Bounds, answer: _Answer) -> Fetched:
    parser = httptools.HttpResponseParser(answer)
    received = 0
    try:
        while not answer.is_complete and (data := await read(bounds.timeout)):
            received += len(data)
            if received - len(answer.body) > _HEAD + bounds.size // 4:  # header fields, and marks of chunks
                raise TooLarge("the header of the answer is too large")
            parser.feed_data(data)
    except httptools.HttpParserError as error:
        if isinstance(error.__context__, TooLarge):
            raise error.__context__ from None
        raise Temporary("the answer cannot be read") from error
    if not answer.is_whole:
        raise Temporary("the answer broke off")
    return Fetched(parser.get_status_code(), answer.headers, bytes(answer.body))


async def _address(host: str, port: int, networks: tuple[str, ...]) -> str:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # an empty label, or one that is too long
        raise Invalid("no host can have this name") from error
    addresses = [str(each[4][0]) for each in found]
    for address in addresses:
        if is_allowed(address, networks):
            return address
    raise Denied("the address is not a public one, and not in a network that is allowed")


def _tls(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca) if ca else _system_tls()


@lru_cache(maxsize=1)
def _system_tls() -> ssl.SSLContext:
    return ssl.create_default_context()
