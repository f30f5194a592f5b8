# SPDX-License-Identifier: Apache-2.0
"""The tests' own LDAP client: requests written as in RFC 4515 and ldapsearch, answers as plain data.

It encodes and decodes BER by itself, so that a mistake of the server's is not made twice.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from tests.world import HOSTNAME, IVANOV, PASSWORD, World

TIMEOUT = 30.0
BASE, ONE, SUB = 0, 1, 2
PAGED = "1.2.840.113556.1.4.319"
Values = dict[str, list[str]]


def tlv(tag: int, contents: bytes) -> bytes:
    size = len(contents)
    return (
        bytes((tag, size) if size < 128 else (tag, 0x83, size >> 16, size >> 8 & 255, size & 255)) + contents
    )


def octets(text: str | bytes, tag: int = 4) -> bytes:
    return tlv(tag, text.encode() if isinstance(text, str) else text)


def number(value: int, tag: int = 2) -> bytes:
    return tlv(tag, value.to_bytes(5, "big"))


def parse(data: bytes) -> list[tuple[int, bytes]]:
    """The elements in some bytes: identifiers and contents."""
    found, at = [], 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at : at + count], "big"), at + count
        assert at + size <= len(data), "an element is longer than what holds it"
        found.append((tag, data[at : at + size]))
        at += size
    return found


def filter_(text: str) -> bytes:
    """A filter of RFC 4515, as BER; escapes are \\HH."""
    encoded, rest = _filter(text)
    assert not rest, rest
    return encoded


def _filter(text: str) -> tuple[bytes, str]:
    assert text[0] == "(", text
    if text[1] in "&|!":
        parts, rest = b"", text[2:]
        while rest[0] == "(":
            part, rest = _filter(rest)
            parts += part
        return tlv(0xA0 + "&|!".index(text[1]), parts), rest[1:]
    inner, _, rest = text[1:].partition(")")
    found = re.fullmatch(r"([^=<>~:]*)(:dn)?(?::([^:=]+))?(:=|>=|<=|~=|=)(.*)", inner, re.DOTALL)
    assert found, inner
    name, dn, rule, sign, value = found.groups()
    if sign == ":=":
        parts = (octets(rule, 0x81) if rule else b"") + (octets(name, 0x82) if name else b"")
        return tlv(0xA9, parts + octets(_value(value), 0x83) + (b"\x84\x01\xff" if dn else b"")), rest
    if sign == "=" and value == "*":
        return octets(name, 0x87), rest
    if sign == "=" and "*" in value:
        first, *middle, last = value.split("*")
        pieces = [octets(_value(first), 0x80)] if first else []
        pieces += [octets(_value(piece), 0x81) for piece in middle if piece]
        pieces += [octets(_value(last), 0x82)] if last else []
        return tlv(0xA4, octets(name) + tlv(0x30, b"".join(pieces))), rest
    tag = {"=": 0xA3, ">=": 0xA5, "<=": 0xA6, "~=": 0xA8}[sign]
    return tlv(tag, octets(name) + octets(_value(value))), rest


def _value(text: str) -> bytes:
    return re.sub(rb"\\([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), text.encode())


def control(kind: str, value: bytes = b"", *, critical: bool = False) -> bytes:
    return tlv(
        0x30, octets(kind) + (b"\x01\x01\xff" if critical else b"") + (octets(value) if value else b"")
    )


def paged(size: int, cookie: bytes = b"") -> bytes:
    return control(PAGED, tlv(0x30, number(size) + octets(cookie)), critical=True)


def search(
    base: str, scope: int, wanted: str, attributes: Sequence[str] = (), size: int = 0, types: bool = False
) -> bytes:
    """A SearchRequest."""
    return tlv(
        0x63,
        octets(base)
        + number(scope, 10)
        + number(0, 10)
        + number(size)
        + number(0)
        + (b"\x01\x01\xff" if types else b"\x01\x01\x00")
        + filter_(wanted)
        + tlv(0x30, b"".join(map(octets, attributes))),
    )


@dataclass
class Answer:
    """The last message of an answer, with the entries before it."""

    code: int
    text: str
    matched: str
    entries: dict[str, Values] = field(default_factory=dict)
    cookie: bytes = b""
    rest: list[tuple[int, bytes]] = field(default_factory=list)  # behind the LDAPResult

    @property
    def names(self) -> list[str]:
        """The leading values of the entries' names."""
        return [dn.partition(",")[0].partition("=")[2] for dn in self.entries]


class Client:
    """One connection."""

    def __init__(self, world: World, service: str = "ldap") -> None:
        self.world = world
        self.service = service
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self.last = 0

    async def __aenter__(self) -> Client:
        self.reader, self.writer = await self.world.connect(self.service, secure=self.service == "ldaps")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass  # the server was faster

    def send(self, operation: bytes, controls: bytes = b"") -> int:
        """Sends a request; its number."""
        self.last += 1
        tail = tlv(0xA0, controls) if controls else b""
        self.writer.write(tlv(0x30, number(self.last) + operation + tail))
        return self.last

    async def message(self) -> tuple[int, int, bytes, list[tuple[int, bytes]]] | None:
        """The next message: number, identifier and contents of the operation, controls; None at the end."""
        async with asyncio.timeout(TIMEOUT):
            head = await self.reader.read(2)
            if not head:
                return None
            assert head[0] == 0x30, head
            size = head[1]
            if size & 0x80:
                size = int.from_bytes(await self.reader.readexactly(size & 0x7F), "big")
            inner = parse(await self.reader.readexactly(size))
        return int.from_bytes(inner[0][1], "big"), inner[1][0], inner[1][1], inner[2:]

    async def answer(self) -> Answer:
        """Everything up to the next LDAPResult."""
        entries: dict[str, Values] = {}
        while True:
            found = await self.message()
            assert found is not None, "the connection has ended"
            _, tag, contents, controls = found
            parts = parse(contents)
            if tag == 0x64:
                dn, listed = parts[0][1].decode(), parse(parts[1][1])
                entries[dn] = {
                    (pair := parse(each))[0][1].decode(): [value.decode() for _, value in parse(pair[1][1])]
                    for _, each in listed
                }
                continue
            cookie = b""
            for _, each in parse(controls[0][1]) if controls else ():
                cookie = parse(parse(parse(each)[1][1])[0][1])[1][1]
            return Answer(
                parts[0][1][0], parts[2][1].decode(), parts[1][1].decode(), entries, cookie, parts[3:]
            )

    async def ask(self, operation: bytes, controls: bytes = b"") -> Answer:
        self.send(operation, controls)
        return await self.answer()

    async def bind(self, name: str = IVANOV, password: str = PASSWORD, version: int = 3) -> Answer:
        return await self.ask(tlv(0x60, number(version) + octets(name) + octets(password, 0x80)))

    async def sasl(self, mechanism: str, credentials: bytes | None = None) -> Answer:
        inner = octets(mechanism) + (octets(credentials) if credentials is not None else b"")
        return await self.ask(tlv(0x60, number(3) + octets("") + tlv(0xA3, inner)))

    async def search(
        self,
        wanted: str = "(objectClass=*)",
        *attributes: str,
        base: str = "dc=digital,dc=example",
        scope: int = SUB,
        size: int = 0,
        controls: bytes = b"",
    ) -> Answer:
        return await self.ask(search(base, scope, wanted, attributes, size), controls)

    async def extended(self, name: str, value: bytes | None = None) -> Answer:
        return await self.ask(
            tlv(0x77, octets(name, 0x80) + (octets(value, 0x81) if value is not None else b""))
        )

    async def handshake(self) -> None:
        await self.writer.start_tls(self.world.client_context(), server_hostname=HOSTNAME)

    async def notice(self) -> Answer:
        """The notice of disconnection, and then the end."""
        answer = await self.answer()
        assert await self.message() is None
        return answer
