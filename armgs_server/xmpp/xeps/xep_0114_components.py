# SPDX-License-Identifier: Apache-2.0
"""XEP-0114: Jabber Component Protocol: programs that answer for a domain of their own, on port 5347.

There is no TLS: the port is bound to loopback unless configured otherwise. Where several processes serve,
a component is connected to one of them, which holds the lease `component:DOMAIN`; the others hand what
is for it to that one by way of the bus.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from functools import partial
from typing import TYPE_CHECKING

from armgs_server import log
from armgs_server.config import Config
from armgs_server.errors import DomainError, Invalid
from armgs_server.formats.xmltree import quote
from armgs_server.net.stream import Stream
from armgs_server.storage import clock, leases
from armgs_server.storage.leases import LIFETIME, Lease
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.content import COMPONENT, head_in_content, in_content
from armgs_server.xmpp.faults import Fault
from armgs_server.xmpp.jid import parse_domain
from armgs_server.xmpp.protocol import Event, Protocol, StreamEnd, StreamHeader, parse_stanza
from armgs_server.xmpp.stanza import CLIENT, STREAM, Stanza, element, stream_error
from armgs_server.xmpp.stream_errors import StreamError

if TYPE_CHECKING:
    from armgs_server.xmpp.federation.abroad import Abroad
    from armgs_server.xmpp.server import Server

LOG = log.get("component")
END = b"</stream:stream>"
_UNAVAILABLE = "service-unavailable"


class Component:
    """One component's domain, whether it is connected or not."""

    def __init__(self, server: Server, domain: str, secret: str) -> None:
        self.domain = domain
        self.secret = secret
        self.stream: Stream | None = None
        self._server = server
        self._topic = f"xmpp-component:{domain}"
        self._unsubscribe = None if server.is_alone else server.store.bus.subscribe(self._topic, self._hear)

    def send(self, data: bytes) -> None:
        """One stanza for the component, wherever it is connected."""
        if self.stream is not None:
            self._write(self.stream, data)
        elif self._server.is_alone:
            self._bounce(data)
        else:
            self._server.spawn(self._hand_over(data))

    def close(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()

    async def claim(self) -> Lease | None:
        """Makes this the process that the component is connected to; None where another one is."""
        name, holder = f"component:{self.domain}", self._server.process
        return await self._server.store.write(lambda tx: leases.acquire(tx, name, holder))

    async def release(self, lease: Lease) -> None:
        await self._server.store.write(lambda tx: leases.release(tx, lease))

    def _write(self, stream: Stream, data: bytes) -> None:
        if stream.buffered > self._server.config.federation.queue_bytes:
            self._bounce(data)
            return
        data = head_in_content(data)
        stream.write(in_content(parse_stanza(data)) if CLIENT.encode() in data else data)

    async def _hand_over(self, data: bytes) -> None:
        async def work(tx: Tx) -> bool:
            row = await tx.row("SELECT expires FROM lease WHERE name = ?", f"component:{self.domain}")
            return row is not None and int(row[0]) > clock.now()

        if await self._server.store.read(work):
            self._server.store.bus.publish(self._topic, data)
        else:
            self._bounce(data)

    def _hear(self, data: bytes) -> None:
        if self.stream is not None:
            self._write(self.stream, data)

    def _bounce(self, data: bytes) -> None:
        assert self._server.abroad is not None, "it has the components"
        self._server.abroad.bounce(data, _UNAVAILABLE)


class Components:
    """All of them, by domain. Invalid where a setting or a secret's file is wrong."""

    def __init__(self, server: Server) -> None:
        self.domains = {
            domain: Component(server, domain, secret)
            for domain, secret in map(partial(_read, server.config), server.config.federation.components)
        }

    def below(self, domain: str) -> list[str]:
        """Those that are shown in a served domain's disco#items."""
        return sorted(each for each in self.domains if each.endswith("." + domain))

    async def stop(self) -> None:
        for component in self.domains.values():
            if component.stream is not None:
                component.stream.write(stream_error("system-shutdown") + END)
                component.stream.close()
            component.close()


class ComponentStream:
    """One connection on port 5347."""

    def __init__(self, abroad: Abroad, stream: Stream) -> None:
        self._abroad = abroad
        self._stream = stream
        self._protocol = Protocol(max_stanza_size=abroad.config.xmpp.stanza_size, content=COMPONENT)
        self._component: Component | None = None  # named by the header
        self._stream_id = ""
        self._is_over = False
        self._lease: Lease | None = None
        self._renewed = 0.0
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + abroad.config.security.login_timeout  # of the handshake

    async def run(self) -> None:
        """Serves the connection to its end."""
        try:
            while not self._is_over:
                for event in await self._read():
                    await self._handle(event)
                await self._stream.drain()
        except StreamError as error:
            self._fail(error)
        except TimeoutError:
            self._fail(StreamError("connection-timeout"))
        except DomainError as error:
            LOG.warning("component's stream ended", error=error.text)
            self._fail(StreamError("internal-server-error"))
        finally:
            await self._leave()

    @property
    def _is_connected(self) -> bool:
        return self._component is not None and self._component.stream is self._stream

    async def _read(self) -> list[Event]:
        if not self._is_connected:
            data = await self._stream.read(max(self._deadline - self._loop.time(), 0.01))
        else:
            data = await self._read_and_renew()
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        return list(self._protocol.events())

    async def _read_and_renew(self) -> bytes:
        """A component may be silent for ever; its lease is renewed meanwhile."""
        pause = LIFETIME / clock.SECOND / 3
        while True:
            await self._renew(pause)
            try:
                return await self._stream.read(pause)
            except TimeoutError:
                continue

    async def _renew(self, pause: float) -> None:
        now = asyncio.get_running_loop().time()
        if self._lease is None or self._component is None or now - self._renewed < pause:
            return
        self._renewed = now
        if await self._component.claim() != self._lease:
            raise StreamError("conflict")  # this process slept, another has the component

    async def _handle(self, event: Event) -> None:
        match event:
            case Stanza() if self._is_connected and event.is_stanza:
                await self._take(event)
            case Stanza(name="handshake") if not self._is_connected:
                await self._shake_hands(event)
            case Stanza():
                raise StreamError("unsupported-stanza-type" if self._is_connected else "not-authorized")
            case StreamHeader():
                self._open(event)
            case StreamEnd(is_tag):
                self._is_over = True
                if is_tag:
                    self._stream.write(END)
            case Fault(condition, text):
                raise StreamError(condition, text)

    def _open(self, header: StreamHeader) -> None:
        """§3, steps 1 and 2: the header names the component."""
        self._stream_id = secrets.token_hex(16)
        self._stream.write(_header(header.to, self._stream_id))
        try:
            self._component = self._abroad.components.domains.get(parse_domain(header.to))
        except Invalid:
            self._component = None
        if self._component is None:
            raise StreamError("host-unknown")

    async def _shake_hands(self, handshake: Stanza) -> None:
        """§3, steps 3 and 4: SHA-1 of stream id and secret, in hexadecimal."""
        component = self._component
        if component is None:
            raise StreamError("not-authorized")
        expected = hashlib.sha1((self._stream_id + component.secret).encode()).hexdigest()
        given = (handshake.tree().text or "").strip()
        if not hmac.compare_digest(expected.encode(), given.encode()):
            LOG.warning("wrong secret of a component", domain=component.domain, peer=self._stream.peer)
            raise StreamError("not-authorized")
        if component.stream is not None:
            raise StreamError("conflict")
        if not self._abroad.server.is_alone:
            self._lease = await component.claim()
            if self._lease is None:
                raise StreamError("conflict")
        component.stream = self._stream
        self._stream.write(element("handshake"))
        LOG.info("component connected", domain=component.domain)

    async def _take(self, stanza: Stanza) -> None:
        assert self._component is not None, "it is connected"
        await self._abroad.take_from_component(self._component.domain, stanza)

    def _fail(self, error: StreamError) -> None:
        if not self._stream_id:
            self._stream.write(_header("", secrets.token_hex(16)))
        self._stream.write(stream_error(error.condition, error.text) + END)
        self._stream.close()

    async def _leave(self) -> None:
        if self._is_connected and self._component is not None:
            self._component.stream = None
            LOG.info("component gone", domain=self._component.domain)
            if self._lease is not None:
                await self._component.release(self._lease)


def _header(domain: str, stream_id: str) -> bytes:
    from_ = f" from='{quote(domain)}'" if domain else ""
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAM}'"
        f"{from_} id='{quote(stream_id)}'>"
    ).encode()


def _read(config: Config, text: str) -> tuple[str, str]:
    """`DOMAIN=FILE`: the domain, and the secret that the file holds."""
    domain, equals, name = (part.strip() for part in text.partition("="))
    if not equals or not domain or not name:
        raise Invalid(f"federation.components: {text!r} is not DOMAIN=FILE")
    path = config.path(name)
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"federation.components: {path}: {error}") from error
    if not secret:
        raise Invalid(f"federation.components: {path} is empty")
    return parse_domain(domain), secret
