# SPDX-License-Identifier: Apache-2.0
"""RFC 7395: named people over WebSocket, with others on TCP watching; and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, TIMEOUT, Client, chat
from tests.xmpp.conftest import LogIn
from tests.xmpp.websocket_client import (
    BINARY,
    CLOSE,
    FRAMING,
    PING,
    PONG,
    TEXT,
    WebSocketClient,
    frame,
    shake_hands,
)


@pytest.fixture
async def ivanov(world: World) -> AsyncIterator[WebSocketClient]:
    """Not logged in yet."""
    async with WebSocketClient(world, IVANOV, "web") as client:
        await client.connect()
        yield client


async def online(client: WebSocketClient) -> WebSocketClient:
    await client.negotiate()
    await client.go_online()
    return client


async def closing_code(client: WebSocketClient) -> int | None:
    await client.wait_end()
    return client.closed


def error_of_stream(client: Client) -> list[str]:
    errors = [stanza for stanza in client.stanzas if stanza.tag == f"{{{NAMESPACES['stream']}}}error"]
    return [child.tag.rpartition("}")[2] for error in errors for child in error]


async def test_a_page_talks_with_a_desk(ivanov: WebSocketClient, log_in: LogIn) -> None:
    petrova = await log_in(PETROVA, "desk")
    await online(ivanov)
    assert ivanov.full == f"{IVANOV}/web"
    petrova.send(chat(ivanov.full, "привет"))
    assert (await ivanov.message("привет")).get("from") == petrova.full
    ivanov.send(chat(petrova.full, "здравствуйте"))
    assert (await petrova.message("здравствуйте")).get("from") == ivanov.full
    roster = await ivanov.iq("<query xmlns='jabber:iq:roster'/>")
    assert PETROVA in [item.get("jid") for item in roster.iterfind("roster:query/roster:item", NAMESPACES)]
    await ivanov.close()
    assert [opcode for opcode, _ in ivanov.frames[-2:]] == [TEXT, CLOSE]
    assert ivanov.frames[-2][1] == f"<close xmlns='{FRAMING}'/>".encode()
    assert ivanov.closed == 1000
    await petrova.presence_of(ivanov.full, "unavailable")


async def test_the_streams_of_one_connection(ivanov: WebSocketClient) -> None:
    """§3.4, §3.7: each `<open/>` is answered by one; a new stream has a new id."""
    await ivanov.open(lang="ru")
    assert ivanov.header is not None
    first = ivanov.header.get("id")
    assert (ivanov.header.get("from"), ivanov.header.get("version")) == ("digital.example", "1.0")
    await ivanov.authenticate()
    await ivanov.open()
    assert ivanov.header.get("id") not in (None, first)
    await ivanov.bind()


async def test_starttls_is_not_offered(ivanov: WebSocketClient) -> None:
    """§3.9."""
    features = await ivanov.open()
    assert features.find("tls:starttls", NAMESPACES) is None
    assert features.find("sasl:mechanisms", NAMESPACES) is not None
    ivanov.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    assert await closing_code(ivanov) == 1000
    assert error_of_stream(ivanov)[0] == "policy-violation"


async def test_a_lost_connection_is_resumed(world: World, ivanov: WebSocketClient, log_in: LogIn) -> None:
    """§3.10, XEP-0198 §5: from one WebSocket to another, and to TCP."""
    petrova = await log_in(PETROVA, "desk")
    await online(ivanov)
    previous = await ivanov.enable_sm()
    ivanov.send(chat(petrova.full, "one"))
    await petrova.message("one")
    await ivanov.disconnect()
    petrova.send(chat(ivanov.full, "while away"))
    await petrova.settle()
    again = WebSocketClient(world, IVANOV)
    for client in (await again.connect(), await Client(world, IVANOV).connect()):
        async with client:
            await client.open()
            await client.authenticate()
            await client.open()
            client.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{previous}' h='0'/>")
            assert (await client.receive("sm:resumed")).get("h") == "1"
            await client.message("while away")
    assert not [stanza for stanza in await petrova.settle() if stanza.get("type") == "unavailable"]


async def test_pings_fragments_and_bytes_one_by_one(ivanov: WebSocketClient, log_in: LogIn) -> None:
    petrova = await log_in(PETROVA, "desk")
    await online(ivanov)
    ivanov.send_frame(PING, b"are you there")
    ivanov.send_frame(PONG, b"unasked")
    text = f"<message xmlns='jabber:client' type='chat' to='{petrova.full}'><body>Я</body></message>".encode()
    cut = text.index("Я".encode()) + 1
    ivanov.send_frame(TEXT, text[:cut], fin=False)
    for byte in frame(0, text[cut:]):
        ivanov.writer.write(bytes([byte]))
        await ivanov.writer.drain()
    await petrova.message("Я")
    await ivanov.settle()
    assert (PONG, b"are you there") in ivanov.frames


@pytest.mark.parametrize(
    ("data", "code", "condition"),
    [
        (frame(BINARY, b"<x/>"), 1003, "unsupported-encoding"),
        (frame(TEXT, b"\xff"), 1007, "bad-format"),
        (frame(TEXT, b"<iq xmlns='jabber:client'>" + b"x" * 20_000), 1009, "policy-violation"),
        (frame(TEXT, b"<message xmlns='jabber:client'/>", masked=False), 1002, None),
        (frame(3, b""), 1002, None),
        (frame(TEXT, b"<x"), 1000, "bad-format"),
        (frame(TEXT, b"<a/><b/>"), 1000, "bad-format"),
        (frame(TEXT, b" "), 1000, "bad-format"),
        (frame(TEXT, b"<!DOCTYPE x>"), 1000, "not-well-formed"),
        (frame(TEXT, b"<message to='a@b'/>"), 1000, "unsupported-stanza-type"),
        (frame(TEXT, b"<message xmlns='jabber:client' to='a@b'/>"), 1000, "not-authorized"),
        (frame(CLOSE, (4000).to_bytes(2, "big")), 4000, None),
    ],
    # A frame is masked by chance, and the two processes of a run must name a test alike.
    ids=[
        "binary",
        "not UTF-8",
        "too long",
        "unmasked",
        "reserved opcode",
        "cut tag",
        "two elements",
        "white space",
        "DTD",
        "no namespace",
        "no log-in",
        "closed by the client",
    ],
)
async def test_what_breaks_the_stream(
    ivanov: WebSocketClient, data: bytes, code: int, condition: str | None
) -> None:
    """§3.2, §3.3, §3.5: told inside a stream where there is one, and by the status code."""
    await ivanov.open()
    ivanov.writer.write(data)
    assert await closing_code(ivanov) == code
    assert error_of_stream(ivanov)[:1] == ([condition] if condition else [])


async def test_an_error_before_the_stream_is_told_inside_one(ivanov: WebSocketClient) -> None:
    """§3.5, RFC 6120 §4.9.1.2."""
    ivanov.send(f"<open xmlns='{FRAMING}' to='elsewhere.example' version='1.0'/>")
    assert await closing_code(ivanov) == 1000
    assert ivanov.header is not None
    assert error_of_stream(ivanov) == ["host-unknown"]


async def test_pages_of_other_sites_are_kept_out(world: World) -> None:
    """RFC 6455 §10.2: by what the browser says of them."""
    port = world.ports["https"]
    for origin, expected in (
        ("https://evil.example", b"403"),
        ("null", b"403"),
        (f"https://127.0.0.1.evil.example:{port}", b"403"),
        (f"https://127.0.0.1:{port}", b"101"),
    ):
        _, writer, answer = await shake_hands(world, secure=True, Origin=origin)
        assert answer.split()[1] == expected, origin
        writer.close()


async def test_sites_that_are_welcome(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"xmpp": {"web_origins": ["https://chat.example.org"]}}) as world:
        for origin, expected in (("https://chat.example.org", b"101"), ("https://evil.example", b"403")):
            _, writer, answer = await shake_hands(world, Origin=origin)
            assert answer.split()[1] == expected, origin
            writer.close()


async def test_bytes_ahead_of_the_answer_are_refused(world: World) -> None:
    """RFC 6455 §4.1: a client waits; else a proxy could be made to read frames as requests."""
    reader, writer = await world.connect("http")
    head = (
        "GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: xmpp\r\n\r\n"
    )
    writer.write(head.encode() + frame(TEXT, b"<x/>"))
    async with asyncio.timeout(TIMEOUT):
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_who_never_logs_in_is_sent_away(tmp_path: Path) -> None:
    """Pings keep nobody: the time to log in is the same for all."""
    async with World(tmp_path, settings={"security": {"login_timeout": 1.0}}) as world:
        async with WebSocketClient(world, IVANOV) as client:
            await client.connect()
            await client.open()
            client.send_frame(PING, b"")
            assert await closing_code(client) == 1000
            assert error_of_stream(client) == ["connection-timeout"]


async def test_clients_are_sent_to_another_address(tmp_path: Path) -> None:
    """§3.6.1."""
    address = "wss://other.example/xmpp-websocket"
    async with World(tmp_path, settings={"xmpp": {"see_other_uri": address}}) as world:
        async with WebSocketClient(world, IVANOV) as client:
            await client.connect()
            client.send(f"<open xmlns='{FRAMING}' to='{client.domain}' version='1.0'/>")
            await client.wait_end()
            assert [stanza.get("see-other-uri") for stanza in client.stanzas] == [address]


async def test_a_stop_says_goodbye(world: World, ivanov: WebSocketClient) -> None:
    await online(ivanov)
    stopping = asyncio.create_task(world.stop())
    assert await closing_code(ivanov) == 1000
    assert error_of_stream(ivanov) == ["system-shutdown"]
    await stopping
