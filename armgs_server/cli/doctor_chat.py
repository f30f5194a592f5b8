# SPDX-License-Identifier: Apache-2.0
"""Chat as clients use it: SCRAM over STARTTLS as on port 5222, PLAIN under TLS as on 5223, and a message from
one device to the other."""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import time
from typing import Literal

from armgs_server.cli.probes import STREAM_LIMIT, TIMEOUT, ProbeFailed, Target
from armgs_server.cli.scram_client import ScramClient, ScramFailed
from armgs_server.formats.xmltree import quote

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
_TEXT = re.compile(rb">([^<]*)<")

Mechanism = Literal["SCRAM-SHA-256", "PLAIN"]


class Device:
    """One client stream (RFC 6120), logged in and bound."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._local, _, self._domain = target.address.rpartition("@")
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self.jid = ""

    async def log_in(self, mechanism: Mechanism, *, starttls: bool) -> None:
        """Connects, authenticates, binds a resource, sends presence."""
        context = self._target.context
        self._reader, self._writer = await asyncio.open_connection(
            self._target.host,
            self._target.port,
            ssl=None if starttls else context,
            server_hostname=None if starttls else context.hostname,
            limit=STREAM_LIMIT,
        )
        await self._open()
        if starttls:  # RFC 6120 §5
            self._send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            if b"<proceed" not in await self._reader.readuntil(b">"):
                raise ProbeFailed("STARTTLS is refused")
            await self._writer.start_tls(context, server_hostname=context.hostname)
            await self._open()
        await self._authenticate(mechanism)
        await self._open()
        self._send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        answer = await self._until(b"</iq>")
        jid = re.search(rb"<jid>([^<]+)</jid>", answer)
        if jid is None:
            raise ProbeFailed(f"bind: {answer.decode('utf-8', 'replace')[:200]}")
        self.jid = jid[1].decode()
        self._send("<presence/>")
        await self._until(self.jid.encode())  # its own presence comes back to it

    async def _authenticate(self, mechanism: Mechanism) -> None:
        scram = ScramClient(self._local, self._target.password)
        plain = f"\0{self._local}\0{self._target.password}".encode()
        first = scram.first() if mechanism == "SCRAM-SHA-256" else plain
        self._send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{_encode(first)}</auth>")
        if mechanism == "SCRAM-SHA-256":
            challenge = await self._until(b"</challenge>", b"</failure>")
            if b"<failure" in challenge:
                raise ProbeFailed("SASL: not-authorized")
            self._send(f"<response xmlns='{SASL}'>{_encode(scram.final(_decode(challenge)))}</response>")
            success = await self._until(b"</success>", b"</failure>")
            if b"<failure" in success:
                raise ProbeFailed("SASL: not-authorized")
            scram.verify(_decode(success))
        elif b"<success" not in await self._until(b">"):
            raise ProbeFailed("SASL: not-authorized")

    def send_message(self, to: str, text: str) -> None:
        """A message that is not kept (XEP-0334)."""
        self._send(
            f"<message to='{quote(to)}' type='chat' id='{secrets.token_hex(6)}'><body>{quote(text)}</body>"
            "<no-store xmlns='urn:xmpp:hints'/></message>"
        )

    async def wait_for(self, text: str) -> None:
        """Until somebody has written it."""
        await self._until(f"<body>{quote(text)}</body>".encode())

    async def close(self) -> None:
        """RFC 6120 §4.4: until the server has closed its stream as well."""
        self._send("</stream:stream>")
        while await self._reader.read(STREAM_LIMIT):
            continue
        self._writer.close()
        await self._writer.wait_closed()

    async def _open(self) -> None:
        self._send(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0'"
            f" xmlns:stream='http://etherx.jabber.org/streams' to='{quote(self._domain)}'>"
        )
        await self._until(b"</stream:features>")

    def _send(self, text: str) -> None:
        self._writer.write(text.encode())

    async def _until(self, *ends: bytes) -> bytes:
        received = b""
        while not any(end in received for end in ends):
            received += await self._reader.readuntil(b">")
            if b"</stream:stream>" in received or b"<stream:error" in received:
                raise ProbeFailed(f"the stream has ended: {received.decode('utf-8', 'replace')[-200:]}")
            if len(received) > STREAM_LIMIT:
                raise ProbeFailed("no answer among what the server has sent")
        return received


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(element: bytes) -> bytes:
    found = _TEXT.search(element)
    return base64.b64decode(found[1]) if found else b""


def round_trip(starttls: Target, direct: Target) -> str:
    """Two devices of one person; what one writes, the other reads."""
    try:
        return asyncio.run(_round_trip(starttls, direct))
    except ScramFailed as error:
        raise ProbeFailed(f"SCRAM: {error}") from error


async def _round_trip(starttls: Target, direct: Target) -> str:
    async with asyncio.timeout(2 * TIMEOUT):
        phone, desk = Device(starttls), Device(direct)
        await phone.log_in("SCRAM-SHA-256", starttls=True)
        await desk.log_in("PLAIN", starttls=False)
        begin, text = time.monotonic(), secrets.token_hex(12)
        phone.send_message(desk.jid, text)
        await desk.wait_for(text)
        took = time.monotonic() - begin
        await asyncio.gather(phone.close(), desk.close())
        return f"{took * 1000:.0f} ms"


def xmpp_starttls(target: Target) -> str:
    """RFC 6120: STARTTLS, SCRAM, bind."""

    async def log_in() -> str:
        async with asyncio.timeout(TIMEOUT):
            device = Device(target)
            await device.log_in("SCRAM-SHA-256", starttls=True)
            await device.close()
            return "SCRAM-SHA-256"

    try:
        return asyncio.run(log_in())
    except ScramFailed as error:
        raise ProbeFailed(f"SCRAM: {error}") from error
