# SPDX-License-Identifier: Apache-2.0
"""The PROXY protocol: its header in any cut, and connections that come through a balancer."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.config import ServerSettings
from armgs_server.net.http import Request, Response
from armgs_server.net.proxy import HEADER_LIMIT, LINE_LIMIT, SIGNATURE, Header, ProxyError, parse_header
from armgs_server.net.stream import Stream
from tests.net.harness import HOST, Harness, until

IPV4_LINE = b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 443\r\n"
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
TLV = b"\x04\x00\x03\x00\x00\x00"  # PP2_TYPE_NOOP


def version_2(source: str, tail: bytes = b"", command: int = 0x21, family: int | None = None) -> bytes:
    address = ip_address(source)
    kind = (0x11 if address.version == 4 else 0x21) if family is None else family
    block = address.packed * 2 + bytes((0xDC, 0x04, 0x01, 0xBB)) + tail
    return SIGNATURE + bytes((command, kind)) + len(block).to_bytes(2) + block


def parsed(data: bytes) -> str:
    """Fed whole, byte by byte and with data behind it: the source address."""
    header = parse_header(data)
    assert header is not None and header.size == len(data)
    for size in range(len(data)):
        assert parse_header(data[:size]) is None
    for trailing in (b"\r\n", b"PROXY ", SIGNATURE, b"\x16\x03\x01"):
        assert parse_header(data + trailing) == header
    return header.source


def refused(data: bytes) -> None:
    with pytest.raises(ProxyError):
        parse_header(data)


@pytest.mark.parametrize(
    ("data", "source"),
    [
        (IPV4_LINE, "192.0.2.7"),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"),
        (b"PROXY TCP6 2001:DB8::7 2001:db8::1 0 443\r\n", "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", "192.0.2.7"),  # as inet_ntop(3) writes them
        (b"PROXY UNKNOWN\r\n", ""),
        (b"PROXY UNKNOWN " + b"f" * 90 + b"\r\n", ""),
        (version_2("192.0.2.7"), "192.0.2.7"),
        (version_2("2001:db8::7"), "2001:db8::7"),
        (version_2("::ffff:192.0.2.7"), "192.0.2.7"),
        (version_2("192.0.2.7", TLV), "192.0.2.7"),
        (version_2("192.0.2.7", command=0x20), ""),
        (version_2("192.0.2.7", family=0x12), ""),  # UDP
        (version_2("192.0.2.7", family=0x31), ""),  # a Unix socket
        (version_2("192.0.2.7", family=0x00), ""),
        (LOCAL, ""),
        (SIGNATURE + b"\x20\xff\x00\x02ab", ""),  # the family of LOCAL is ignored
    ],
)
def test_headers(data: bytes, source: str) -> None:
    assert parsed(data) == source


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00",
        b"proxy TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
        b"PROXY  TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2 \r\n",
        b"PROXY TCP4 192.0.2.07 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 2\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n",
        b"PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n",
        b"PROXY UNKNOWN\rx\r\n",
        b"PROXY UNKNOWN " + b"x" * LINE_LIMIT,
        SIGNATURE[:-1] + b"\t",
        SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x41\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x13\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11" + HEADER_LIMIT.to_bytes(2),
    ],
)
def test_what_is_no_header(data: bytes) -> None:
    refused(data)


@given(st.ip_addresses(v=4), st.ip_addresses(v=6), st.binary(max_size=40))
def test_addresses_come_out_as_they_went_in(four: IPv4Address, six: IPv6Address, tail: bytes) -> None:
    assert parse_header(b"PROXY TCP4 %s 192.0.2.1 1 2\r\n" % str(four).encode() + tail) == Header(
        str(four), len(f"PROXY TCP4 {four} 192.0.2.1 1 2\r\n")
    )
    header = parse_header(version_2(str(four)) + tail)
    assert header is not None and header.source == str(four)
    mapped = six.ipv4_mapped
    for data in (b"PROXY TCP6 %s ::1 1 2\r\n" % str(six).encode(), version_2(str(six), TLV)):
        header = parse_header(data + tail)
        assert header is not None and header.source == str(mapped or six)


@given(
    st.binary(max_size=200), st.sampled_from((b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"!"))
)
def test_anything_is_a_header_is_none_or_is_too_short(data: bytes, head: bytes) -> None:
    whole = head + data
    try:
        header = parse_header(whole)
    except ProxyError:
        return
    if header is None:
        assert len(whole) < HEADER_LIMIT
    else:
        assert header.size <= len(whole)
        assert parse_header(whole[: header.size]) == header
        assert parse_header(whole[: header.size - 1]) is None


# Connections.


async def say_peer(stream: Stream) -> None:
    stream.write(stream.peer.encode() + b" ")
    while data := await stream.read(20):
        stream.write(data)


def behind_a_balancer(harness: Harness, **limits: float) -> None:
    harness.configure(
        server=ServerSettings(proxy_hosts=("192.0.2.0/24", "127.0.0.0/8", "::1")), limits=limits
    )


async def talk(harness: Harness, port: int, *pieces: bytes) -> bytes:
    reader, writer = await harness.connect(port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0)  # each leaves as it is
    writer.write_eof()
    return await asyncio.wait_for(reader.read(), 20)


async def test_the_client_behind_the_balancer_is_the_peer(harness: Harness) -> None:
    behind_a_balancer(harness)
    port = harness.serve(say_peer)
    for header, peer in ((IPV4_LINE, b"192.0.2.7"), (version_2("2001:db8::7"), b"2001:db8::7")):
        assert await talk(harness, port, header, b"hello") == peer + b" hello"
        assert await talk(harness, port, *(bytes((byte,)) for byte in header + b"hello")) == peer + b" hello"
    for header in (LOCAL, b"PROXY UNKNOWN\r\n"):
        assert await talk(harness, port, header + b"hello") == HOST.encode() + b" hello"
    await until(lambda: harness.server.limits.count == 0)


async def test_the_header_comes_before_tls(harness: Harness) -> None:
    behind_a_balancer(harness)
    loop = asyncio.get_running_loop()
    for port in (harness.serve(say_peer, tls="direct"), harness.serve_http(answer_peer, secure=True)):
        reader, writer = await harness.connect(port)
        writer.write(version_2("192.0.2.7", TLV))
        await writer.drain()
        protocol = writer.transport.get_protocol()
        transport = await loop.start_tls(
            writer.transport, protocol, harness.client_context(), server_hostname="localhost"
        )
        assert transport is not None
        transport.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"192.0.2.7" in await asyncio.wait_for(reader.read(1000), 20)
        transport.close()


async def answer_peer(request: Request) -> Response:
    return Response(200, [], request.peer.encode())


async def test_http_has_the_client_too(harness: Harness) -> None:
    behind_a_balancer(harness)
    port = harness.serve_http(answer_peer)
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert (await talk(harness, port, IPV4_LINE + request)).endswith(b"192.0.2.7")


async def test_a_balancer_that_sends_none_is_not_served(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    behind_a_balancer(harness, proxy_timeout=0.2)
    port = harness.serve(say_peer)
    with caplog.at_level(logging.WARNING, "armgs_server.net"):
        logging.getLogger("armgs_server").propagate = True
        with pytest.raises(ConnectionResetError):  # closed with its bytes unread
            await talk(harness, port, b"a1 NOOP\r\n")
        reader, _ = await harness.connect(port)
        assert await asyncio.wait_for(reader.read(), 20) == b""  # silent
        assert await talk(harness, port) == b""  # only looks whether the port answers
    assert [record.__dict__["fields"]["total"] for record in caplog.records] == [1, 2]
    await until(lambda: harness.server.limits.count == 0)


async def test_nobody_else_is_believed(harness: Harness) -> None:
    harness.configure(server=ServerSettings(proxy_hosts=("192.0.2.0/24",)))
    port = harness.serve(say_peer)
    assert await talk(harness, port, IPV4_LINE) == HOST.encode() + b" " + IPV4_LINE
    port = harness.serve_http(answer_peer)
    assert (await talk(harness, port, IPV4_LINE)).startswith(b"HTTP/1.1 501 ")


async def test_limits_count_the_client(harness: Harness) -> None:
    behind_a_balancer(harness, connections_per_host=1)
    port = harness.serve(say_peer, refusal=b"full")
    reader, writer = await harness.connect(port)
    writer.write(IPV4_LINE)
    assert await reader.readexactly(10) == b"192.0.2.7 "
    assert await talk(harness, port, IPV4_LINE) == b"full"
    assert await talk(harness, port, version_2("192.0.2.8")) == b"192.0.2.8 "
    writer.close()


async def test_connections_that_say_nothing_are_counted(harness: Harness) -> None:
    behind_a_balancer(harness, connections=2, proxy_timeout=20)
    port = harness.serve(say_peer, refusal=b"full")
    silent = [await harness.connect(port) for _ in range(2)]
    assert await talk(harness, port) == b"full"
    silent[0][1].write(IPV4_LINE)
    assert await silent[0][0].readexactly(10) == b"192.0.2.7 "
