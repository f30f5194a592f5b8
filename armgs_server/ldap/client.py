# SPDX-License-Identifier: Apache-2.0
"""A reader of other LDAP servers: connects, logs in, fetches entries page by page (RFC 4511, RFC 2696).

For imports: one request at a time, every wait with a time-out, every message bounded. Referrals and
references to other servers are not followed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from armgs_server.errors import Denied, Invalid, NotFound, Temporary
from armgs_server.ldap import filters, results
from armgs_server.ldap.ber import (
    BOOLEAN,
    ENUMERATED,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Reader,
    element,
    integer,
    string,
)
from armgs_server.ldap.messages import SUBTREE
from armgs_server.ldap.root import PAGED_RESULTS, START_TLS

TIMEOUT: Final = 60.0  # for the next message
PAGE: Final = 500  # entries; Active Directory has at most 1,000
MESSAGE_SIZE: Final = 16 * 1024 * 1024  # an entry with photographs
_PORTS: Final = {"ldap": 389, "ldaps": 636}
_HEAD = 2  # octets: identifier, length or the number of its octets


@dataclass(frozen=True, slots=True)
class Url:
    """RFC 4516 §2, as much of it as names a server and a base."""

    secure: bool
    host: str
    port: int
    base: str


@dataclass(frozen=True, slots=True)
class Found:
    """An entry; names of attributes in lower case."""

    dn: str
    attributes: Mapping[str, Sequence[bytes]]

    def text(self, *names: str) -> str:
        """The first value of the first of the attributes that has one."""
        for name in names:
            for value in self.attributes.get(name, ()):
                return value.decode("utf-8", "replace").strip()
        return ""


def parse_url(text: str) -> Url:
    """ldap://host:port/base"""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise Invalid(f"{text}: {error}") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.username is not None:
        raise Invalid(f"{text}: write ldap://HOST/BASE or ldaps://HOST/BASE")
    base = unquote(parts.path[1:])
    return Url(parts.scheme == "ldaps", parts.hostname, port or _PORTS[parts.scheme], base)


def equals(attribute: str, value: str) -> bytes:
    """(attribute=value)"""
    return element(filters.EQUALITY, string(attribute) + string(value))


def all_of(*parts: bytes) -> bytes:
    """(&…)"""
    return element(filters.AND, b"".join(parts))


def any_of(*parts: bytes) -> bytes:
    """(|…)"""
    return element(filters.OR, b"".join(parts))


class Client:
    """One connection; made by connect()."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._last = 0

    @classmethod
    async def connect(cls, url: Url, tls: ssl.SSLContext | None) -> Client:
        """With `tls` by ldaps or StartTLS; Temporary where that cannot be."""
        context = tls if url.secure else None
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
        except (OSError, TimeoutError) as error:
            raise Temporary(f"{url.host}:{url.port} cannot be reached: {error}") from error
        client = cls(reader, writer)
        if tls is not None and not url.secure:
            await client._start_tls(tls, url.host)
        return client

    async def close(self) -> None:
        """RFC 4511 §4.3: unbind, then the end."""
        await self._send(element(0x42, b""))
        self._writer.close()

    async def bind(self, name: str, password: str) -> None:
        """A simple bind; Denied."""
        request = integer(3) + string(name) + string(password, 0x80)
        await self._send(element(0x60, request))
        await self._result(results.BIND_RESPONSE)

    async def search(self, base: str, wanted: bytes, attributes: Sequence[str]) -> AsyncIterator[Found]:
        """Every entry at and below the base that fits, however many there are."""
        selection = element(SEQUENCE, b"".join(map(string, attributes)))
        request = (
            string(base)
            + integer(SUBTREE, ENUMERATED)
            + integer(0, ENUMERATED)
            + integer(0)
            + integer(0)
            + element(BOOLEAN, b"\0")
            + wanted
            + selection
        )
        cookie = b""
        while True:
            value = element(SEQUENCE, integer(PAGE) + string(cookie))
            control = element(SEQUENCE, string(PAGED_RESULTS) + element(BOOLEAN, b"\xff") + string(value))
            await self._send(element(0x63, request), control)
            while True:
                tag, reader, controls = await self._message()
                if tag == results.SEARCH_ENTRY:
                    yield _entry(reader)
                elif tag == results.SEARCH_DONE:
                    _check(reader)
                    break
            cookie = _cookie(controls)
            if not cookie:
                return

    async def _start_tls(self, context: ssl.SSLContext, host: str) -> None:
        await self._send(element(0x77, string(START_TLS, 0x80)))
        await self._result(results.EXTENDED_RESPONSE)
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._writer.start_tls(context, server_hostname=host)
        except (OSError, TimeoutError) as error:
            raise Temporary(f"no TLS with {host}: {error}") from error

    async def _send(self, operation: bytes, controls: bytes = b"") -> None:
        self._last += 1
        self._writer.write(results.message(self._last, operation, controls))
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise Temporary(f"the connection is lost: {error}") from error

    async def _result(self, expected: int) -> None:
        tag, reader, _ = await self._message()
        if tag != expected:
            raise Temporary("the other server answers something else than was asked")
        _check(reader)

    async def _message(self) -> tuple[int, Reader, Reader]:
        """The next message of ours: what it is, its contents, its controls."""
        try:
            async with asyncio.timeout(TIMEOUT):
                head = await self._reader.readexactly(_HEAD)
                size = head[1]
                if size & 0x80:
                    octets = await self._reader.readexactly(size & 0x7F)
                    size = int.from_bytes(octets, "big")
                if head[0] != SEQUENCE or size > MESSAGE_SIZE:
                    raise Temporary("the other server does not speak LDAP")
                reader = Reader(await self._reader.readexactly(size))
        except (OSError, EOFError, TimeoutError) as error:
            raise Temporary(f"the connection is lost: {error}") from error
        number, tag = reader.integer(), reader.peek()
        inner = reader.enter(tag)
        if number == 0:  # RFC 4511 §4.4.1
            _check(inner)
            raise Temporary("the other server has ended the connection")
        return tag, inner, reader


def _entry(reader: Reader) -> Found:
    dn, listed, attributes = reader.text(), reader.enter(SEQUENCE), {}
    while listed.peek() >= 0:
        pair = listed.enter(SEQUENCE)
        name, values = pair.text().lower(), pair.enter(SET)
        attributes[name] = [*_strings(values)]
    return Found(dn, attributes)


def _strings(reader: Reader) -> list[bytes]:
    found = []
    while reader.peek() >= 0:
        found.append(reader.read(OCTET_STRING))
    return found


def _check(reader: Reader) -> None:
    """An LDAPResult (§4.1.9) other than success is raised."""
    code = reader.integer(ENUMERATED)
    reader.skip()
    text = reader.text() or f"result code {code}"
    if code == results.SUCCESS:
        return
    if code in (results.INVALID_CREDENTIALS, results.INSUFFICIENT_ACCESS_RIGHTS):
        raise Denied(f"the other server refuses: {text}")
    if code == results.NO_SUCH_OBJECT:
        raise NotFound(f"the other server has no such base: {text}")
    raise Temporary(f"the other server refuses: {text}")


def _cookie(controls: Reader) -> bytes:
    """Where the next page begins; nothing where there is none."""
    if controls.peek() != 0xA0:
        return b""
    listed = controls.enter(0xA0)
    while listed.peek() >= 0:
        control = listed.enter(SEQUENCE)
        if control.text() == PAGED_RESULTS:
            if control.peek() == BOOLEAN:
                control.skip()
            value = Reader(control.read(OCTET_STRING)).enter(SEQUENCE)
            value.skip()
            return value.read(OCTET_STRING)
    return b""
