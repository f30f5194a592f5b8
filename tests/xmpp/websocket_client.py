# SPDX-License-Identifier: Apache-2.0
"""The XMPP client of the behaviour tests over WebSocket, with frames of its own making."""

from __future__ import annotations

import asyncio
import base64
import os
import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from tests.world import HOST, World
from tests.xmpp.client import TIMEOUT, Client

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_STANZA = re.compile(r"<(message|presence|iq)\b")


def frame(opcode: int, data: bytes, *, fin: bool = True, masked: bool = True) -> bytes:
    """One frame of a client."""
    size = len(data)
    mark = 0x80 if masked else 0
    if size < 126:
        head = bytes((fin << 7 | opcode, mark | size))
    elif size < 1 << 16:
        head = bytes((fin << 7 | opcode, mark | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((fin << 7 | opcode, mark | 127)) + size.to_bytes(8, "big")
    if not masked:
        return head + data
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[number % 4] for number, byte in enumerate(data))


async def shake_hands(
    world: World, path: str = "/xmpp-websocket", *, secure: bool = False, **fields: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """An opening handshake; header fields by keyword replace the usual ones. The answer's header is last."""
    service = "https" if secure else "http"
    reader, writer = await world.connect(service, secure=secure)
    headers = {
        "Host": f"{HOST}:{world.ports[service]}",
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": "xmpp",
    }
    headers |= {name.replace("_", "-"): value for name, value in fields.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
    writer.write(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
    async with asyncio.timeout(TIMEOUT):
        return reader, writer, await reader.readuntil(b"\r\n\r\n")


class WebSocketClient(Client):
    """Like `Client`; `closed` is the status code of the server's Close frame."""

    closed: int | None = None

    async def connect(self, service: str = "https", *, secure: bool = True) -> Client:
        self.reader, self.writer, answer = await shake_hands(self.world, secure=secure)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        self.frames: list[tuple[int, bytes]] = []
        self._bytes = bytearray()
        return self

    async def open(self, to: str | None = None, lang: str = "") -> Element:
        lang_part = f" xml:lang='{lang}'" if lang else ""
        domain = self.domain if to is None else to
        self.stanzas.clear()
        self.send(f"<open xmlns='{FRAMING}' to='{domain}' version='1.0'{lang_part}/>")
        return await self.receive("stream:features")

    def send(self, text: str) -> None:
        self.send_frame(TEXT, _STANZA.sub(r"<\1 xmlns='jabber:client'", text, count=1).encode())

    def send_frame(self, opcode: int, data: bytes, *, fin: bool = True, masked: bool = True) -> None:
        self.writer.write(frame(opcode, data, fin=fin, masked=masked))

    async def close(self) -> None:
        """RFC 7395 §3.6: the stream, then the connection."""
        self.send(f"<close xmlns='{FRAMING}'/>")
        await self.wait_end()
        await self.disconnect()

    async def disconnect(self) -> None:
        """Drops the connection; TLS is not asked for its goodbye, which what still comes would disturb."""
        self.writer.transport.abort()

    async def _fill(self) -> bool:
        data = await self.reader.read(65536)
        if not data:
            return False
        self._bytes += data
        while self._take_frame():
            pass
        return True

    def _take_frame(self) -> bool:
        data = self._bytes
        if len(data) < 2:
            return False
        size, start = data[1], 2
        assert size < 0x80, "a frame of the server must not be masked"
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        if len(data) < start + size:
            return False
        opcode, payload = data[0] & 0x0F, bytes(data[start : start + size])
        del data[: start + size]
        self.frames.append((opcode, payload))
        if opcode == TEXT:
            element = ElementTree.fromstring(payload)  # each is a document of its own
            if element.tag == f"{{{FRAMING}}}open":
                self.header = element
            else:
                self.stanzas.append(element)
        elif opcode == CLOSE:
            self.closed = int.from_bytes(payload[:2], "big") if payload else 1005
            self.writer.write(frame(CLOSE, payload))
        return True
