# SPDX-License-Identifier: Apache-2.0
"""The PROXY protocol, versions 1 and 2: who is behind a balancer (HAProxy's proxy-protocol.txt).

What must hold: only hosts named in `[server] proxy_hosts` are asked for the header, those must send it
(§2: a receiver never guesses), and not one byte behind it is taken from the socket: what follows may be a
TLS handshake.
"""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"  # §2.2
LINE_LIMIT = 107  # §2.1: the longest line of version 1, CRLF included
# §2.2 allows 65,551 bytes; what balancers add (a TLS client's name, a unique id) fits into far less.
HEADER_LIMIT = 4096

_PREAMBLE = 16  # of version 2: signature, version and command, family, length
_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|(TCP4|TCP6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+)"
    rb" (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4}))\r\n"
)
_LOCAL, _PROXY = 0, 1
_STREAM = 1
_FAMILIES, _TRANSPORTS = range(4), range(3)
_INET, _INET6 = 1, 2
# Address family: bytes of one address, and of the whole block of two addresses and two ports.
_BLOCKS = {_INET: (4, 12), _INET6: (16, 36)}


class ProxyError(Exception):
    """What came is no PROXY header."""


@dataclass(frozen=True, slots=True)
class Header:
    """`source` is the client's address, empty where the connection's own counts; `size` in bytes."""

    source: str
    size: int


def parse_header(data: bytes) -> Header | None:
    """The header at the head of the data; None when more is needed; ProxyError as soon as it is none."""
    if data[: len(SIGNATURE)] == SIGNATURE[: len(data)]:
        return _parse_version_2(data)
    if data[:6] == b"PROXY "[: len(data)]:
        return _parse_version_1(data)
    raise ProxyError("the connection does not begin with a PROXY header")


def _parse_version_1(data: bytes) -> Header | None:
    end = data.find(b"\n") + 1
    if not end or end > LINE_LIMIT:
        if len(data) >= LINE_LIMIT:
            raise ProxyError(f"no CRLF in the first {LINE_LIMIT} bytes")
        return None
    match = _LINE.fullmatch(data, 0, end)
    if match is None:
        raise ProxyError("malformed PROXY line")
    family, source, destination, *ports = match.groups()
    if family is None:  # §2.1: UNKNOWN, use the real connection's parameters
        return Header("", end)
    if any(int(port) > 65535 for port in ports):
        raise ProxyError("malformed port in the PROXY line")
    return Header(_checked(family, source, destination), end)


def _checked(family: bytes, source: bytes, destination: bytes) -> str:
    kind = IPv4Address if family == b"TCP4" else IPv6Address
    try:
        kind(destination.decode("ascii"))
        return spelled(kind(source.decode("ascii")))
    except ValueError as error:
        raise ProxyError("malformed address in the PROXY line") from error


def _parse_version_2(data: bytes) -> Header | None:
    if len(data) < _PREAMBLE:
        return None
    version, command = data[12] >> 4, data[12] & 15
    family, transport = data[13] >> 4, data[13] & 15
    length = int.from_bytes(data[14:_PREAMBLE])
    size = _PREAMBLE + length
    if version != 2 or command not in (_LOCAL, _PROXY):
        raise ProxyError(f"PROXY version {version}, command {command}: unknown")
    if size > HEADER_LIMIT:
        raise ProxyError(f"a PROXY header of {size} bytes")
    if command == _PROXY and (family not in _FAMILIES or transport not in _TRANSPORTS):
        raise ProxyError(f"PROXY family {family}, transport {transport}: unknown")
    if len(data) < size:
        return None
    if command == _LOCAL or transport != _STREAM or family not in _BLOCKS:
        return Header("", size)  # §2.2: a health check, or nothing that a TCP server could name
    width, block = _BLOCKS[family]
    if length < block:
        raise ProxyError(f"a PROXY address block of {length} bytes")
    address = data[_PREAMBLE : _PREAMBLE + width]
    return Header(spelled(IPv4Address(address) if family == _INET else IPv6Address(address)), size)


def spelled(address: IPv4Address | IPv6Address) -> str:
    """An address as the rest of the daemon knows it: IPv4 behind a dual-stack socket is IPv4."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


async def read_header(sock: socket.socket) -> Header:
    """Takes the header off a fresh connection, and nothing else; the caller limits the time.

    ConnectionError when the peer has closed before; ProxyError when it sends something else.
    """
    taken = b""
    while True:
        await _readable(sock)
        try:
            seen = sock.recv(HEADER_LIMIT, socket.MSG_PEEK)
        except BlockingIOError:
            continue
        if not seen:
            raise ConnectionResetError("closed before the PROXY header was whole")
        header = parse_header(taken + seen)
        sock.recv(len(seen) if header is None else header.size - len(taken))
        if header is not None:
            return header
        taken += seen


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(sock.fileno(), wake)
    try:
        await readable
    finally:
        loop.remove_reader(sock.fileno())
