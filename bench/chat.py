# SPDX-License-Identifier: Apache-2.0
"""XMPP clients that cost next to nothing, for any server: ready bytes out, counters over what comes in.

A `Session` logs in with SCRAM-SHA-1 (RFC 5802), binds, and in one write enables stream management, asks for
the roster and carbons, and becomes available, as clients do. From then on it counts `<body>` and answers
`<r/>`; nothing is parsed.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import hmac
import re
import secrets
import ssl
from collections.abc import Callable, Generator, Sequence
from typing import cast

from bench.common import DOMAIN, HOST, PASSWORD

LOGIN_TIMEOUT = 120.0
_TOKENS = (b"<message ", b"<presence ", b"<iq ")
_TAIL = max(map(len, _TOKENS)) - 1
_FIRST = re.compile(r"r=([^,]+),s=([^,]+),i=(\d+)")
_CHALLENGE = re.compile(rb"<challenge[^>]*>([^<]*)<")


class Session(asyncio.Protocol):
    """One client. `ready` is done when its own presence has come back; `full`: stream management, carbons."""

    __slots__ = (
        "_buffer",
        "_full",
        "_steps",
        "_tail",
        "_user",
        "_wanted",
        "domain",
        "finished",
        "is_lost",
        "mark",
        "on_mark",
        "ready",
        "stanzas",
        "transport",
    )

    def __init__(self, user: str, domain: str = DOMAIN, *, full: bool = True) -> None:
        self._user = user
        self.domain = domain
        self._full = full
        self._buffer = b""
        self._wanted = b""
        self._tail = b""
        self.stanzas = 0  # that came since stream management was enabled
        self._steps: Generator[bytes, bytes, None] | None = None
        self.is_lost = False
        self.mark = b"<body>"  # at most ten bytes
        self.on_mark: Callable[[int], None] = _nothing
        self.finished: Callable[[], None] | None = None  # called when the answer to an archive query ends
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    @property
    def address(self) -> str:
        return f"{self._user}@{self.domain}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._steps = self._log_in()
        self._wanted = next(self._steps)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"{self.address}: {self._buffer[-300:]!r}"))

    def data_received(self, data: bytes) -> None:
        if self._steps is None:
            self._count(data)
            return
        self._buffer += data
        while self._steps is not None and self._wanted in self._buffer:
            end = self._buffer.index(self._wanted) + len(self._wanted)
            text, self._buffer = self._buffer[:end], self._buffer[end:]
            try:
                self._wanted = self._steps.send(text)
            except StopIteration:
                rest, self._buffer, self._steps = self._buffer, b"", None
                self.ready.set_result(None)
                self._count(rest)

    def end(self) -> None:
        """Says goodbye and closes."""
        self.transport.write(b"</stream:stream>")
        self.transport.close()

    def _log_in(self) -> Generator[bytes, bytes, None]:
        """Yields what it waits for, is sent everything up to it."""
        write, header = self.transport.write, _header(self.domain)
        write(header)
        yield b"</stream:features>"
        nonce = secrets.token_urlsafe(12)
        first = f"n={self._user},r={nonce}"
        write(_sasl("auth", f"n,,{first}", " mechanism='SCRAM-SHA-1'"))
        found = _CHALLENGE.search((yield b"</challenge>"))
        assert found is not None
        write(_sasl("response", _final(first, base64.b64decode(found[1]).decode())))
        yield b"<success"
        write(header)
        yield b"</stream:features>"
        write(b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        yield b"</iq>"
        presence = f"p{self._user}".encode()
        write((_FULL if self._full else b"") + _ROSTER + b"<presence id='%b'/>" % presence)
        if self._full:
            yield b"<enabled "
        self.stanzas = sum(map((yield b" id='%b'" % presence).count, _TOKENS))

    def _count(self, data: bytes) -> None:
        tail = self._tail
        whole = tail + data
        self._tail = whole[-_TAIL:]
        if self._full:
            self.stanzas += sum([whole.count(token) - tail.count(token) for token in _TOKENS])
            if b"<r xmlns" in whole and b"<r xmlns" not in tail:
                self.transport.write(b"<a xmlns='urn:xmpp:sm:3' h='%d'/>" % self.stanzas)
        if found := whole.count(self.mark) - tail.count(self.mark):
            self.on_mark(found)
        if self.finished is not None and b"</fin>" in whole and b"</fin>" not in tail:
            self.finished()


async def connect(
    session: Session, port: int, *, host: str = HOST, tls: ssl.SSLContext | None = None, source: str = ""
) -> Session:
    """Returns when the session is available."""
    await asyncio.get_running_loop().create_connection(
        lambda: session,
        host,
        port,
        ssl=tls,
        server_hostname=session.domain if tls is not None else None,
        local_addr=(source, 0) if source else None,
    )
    async with asyncio.timeout(LOGIN_TIMEOUT):
        await session.ready
    return session


async def log_in(
    users: Sequence[str],
    port: int,
    *,
    host: str = HOST,
    domain: str = DOMAIN,
    tls: ssl.SSLContext | None = None,
    full: bool = True,
    at_once: int = 20,
    source: Callable[[int], str] = lambda _: "",
) -> list[Session]:
    """Sessions of these users, `at_once` of them logging in at the same time."""
    found: list[Session] = []
    for first in range(0, len(users), at_once):
        found += await asyncio.gather(
            *(
                connect(
                    Session(users[number], domain, full=full), port, host=host, tls=tls, source=source(number)
                )
                for number in range(first, min(first + at_once, len(users)))
            )
        )
    return found


def _nothing(_: int) -> None:
    """What a session does with messages unless told."""


@functools.cache
def _header(domain: str) -> bytes:
    return (
        f"<?xml version='1.0'?><stream:stream to='{domain}' version='1.0' xmlns='jabber:client'"
        " xmlns:stream='http://etherx.jabber.org/streams'>"
    ).encode()


def _sasl(name: str, text: str, attributes: str = "") -> bytes:
    data = base64.b64encode(text.encode()).decode()
    return f"<{name} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'{attributes}>{data}</{name}>".encode()


@functools.lru_cache(maxsize=20000)
def _client_key(salt: bytes, iterations: int) -> bytes:
    salted = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt, iterations)
    return hmac.digest(salted, b"Client Key", "sha1")


def _final(first: str, challenge: str) -> str:
    """RFC 5802 §3: the client-final-message."""
    match = _FIRST.match(challenge)
    assert match is not None, challenge
    key = _client_key(base64.b64decode(match[2]), int(match[3]))
    bare = f"c=biws,r={match[1]}"
    signature = hmac.digest(hashlib.sha1(key).digest(), f"{first},{challenge},{bare}".encode(), "sha1")
    proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
    return f"{bare},p={base64.b64encode(proof).decode()}"


_ROSTER = b"<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
_FULL = (
    b"<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
    b"<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
)
