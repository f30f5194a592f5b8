# SPDX-License-Identifier: Apache-2.0
"""A small XMPP client for behaviour tests: sends text, receives elements, shares no code with the server."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Callable
from types import TracebackType
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from tests.world import HOSTNAME, PASSWORD, World

TIMEOUT = 10.0
NAMESPACES = {
    "c": "jabber:client",
    "stream": "http://etherx.jabber.org/streams",
    "roster": "jabber:iq:roster",
    "sm": "urn:xmpp:sm:3",
    "carbons": "urn:xmpp:carbons:2",
    "forward": "urn:xmpp:forward:0",
    "mam": "urn:xmpp:mam:2",
    "rsm": "http://jabber.org/protocol/rsm",
    "delay": "urn:xmpp:delay",
    "sid": "urn:xmpp:sid:0",
    "blocking": "urn:xmpp:blocking",
    "stanzas": "urn:ietf:params:xml:ns:xmpp-stanzas",
    "streams": "urn:ietf:params:xml:ns:xmpp-streams",
    "sasl": "urn:ietf:params:xml:ns:xmpp-sasl",
    "tls": "urn:ietf:params:xml:ns:xmpp-tls",
    "bind": "urn:ietf:params:xml:ns:xmpp-bind",
    "disco": "http://jabber.org/protocol/disco#info",
    "items": "http://jabber.org/protocol/disco#items",
    "upload": "urn:xmpp:http:upload:0",
    "vcard": "vcard-temp",
    "last": "jabber:iq:last",
}
_ids = itertools.count(1)


class Client:
    """One connection. Elements that a `receive` passes over are kept for the next."""

    def __init__(self, world: World, jid: str, resource: str = "") -> None:
        self.world = world
        self.jid = jid
        self.domain = jid.rpartition("@")[2]
        self.resource = resource
        self.full = ""
        self.stanzas: list[Element] = []
        self.header: Element | None = None

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()

    # Logging in

    async def connect(self, service: str = "xmpp", *, secure: bool = False) -> Client:
        self.reader, self.writer = await self.world.connect(service, secure=secure)
        return self

    async def open(self, to: str | None = None, lang: str = "") -> Element:
        """Opens a stream; the features."""
        self.parser = ElementTree.XMLPullParser(("start", "end"))
        self.depth = 0
        self.stanzas.clear()
        lang_part = f" xml:lang='{lang}'" if lang else ""
        self.send(
            f"<?xml version='1.0'?><stream:stream to='{self.domain if to is None else to}' version='1.0'"
            f"{lang_part} xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        return await self.receive("stream:features")

    async def start_tls(self) -> None:
        self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        await self.receive("tls:proceed")
        await self.writer.start_tls(self.world.client_context(), server_hostname=HOSTNAME)

    async def authenticate(self, password: str = PASSWORD) -> None:
        initial = base64.b64encode(f"\0{self.jid}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{initial}</auth>")
        await self.receive("sasl:success")

    async def bind(self) -> None:
        inner = f"<resource>{self.resource}</resource>" if self.resource else ""
        answer = await self.iq(f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{inner}</bind>", "set")
        self.full = answer.findtext("bind:bind/bind:jid", "", NAMESPACES)

    async def log_in(self, *, lang: str = "") -> Client:
        """Connects, authenticates and binds, in clear."""
        await self.connect()
        return await self.negotiate(lang=lang)

    async def negotiate(self, *, lang: str = "") -> Client:
        """Authenticates and binds, over a connection that stands."""
        await self.open()
        await self.authenticate()
        await self.open(lang=lang)
        await self.bind()
        return self

    async def go_online(self, presence: str = "<presence/>") -> Client:
        """Sends initial presence and waits for its own copy."""
        self.send(presence)
        await self.presence_of(self.full)
        return self

    async def enable_sm(self) -> str:
        self.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        return (await self.receive("sm:enabled")).get("id", "")

    async def disconnect(self) -> None:
        """Drops the connection without a word."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return

    async def close(self) -> None:
        """Ends the stream properly."""
        self.send("</stream:stream>")
        await self.wait_end()
        await self.disconnect()

    async def wait_end(self) -> None:
        """Returns when the server has closed the connection."""
        async with asyncio.timeout(TIMEOUT):
            while await self._fill():
                pass

    # Talking

    def send(self, text: str) -> None:
        self.writer.write(text.encode())

    async def iq(self, payload: str, type_: str = "get", to: str = "") -> Element:
        """The answer, result or error, to an IQ."""
        id_ = f"q{next(_ids)}"
        to_part = f" to='{to}'" if to else ""
        self.send(f"<iq type='{type_}' id='{id_}'{to_part}>{payload}</iq>")
        return await self.receive("c:iq", lambda stanza: stanza.get("id") == id_)

    async def receive(self, name: str, matches: Callable[[Element], bool] = lambda stanza: True) -> Element:
        """The next element of that name for which `matches` holds; others are kept."""
        prefix, _, local = name.partition(":")
        tag = f"{{{NAMESPACES[prefix]}}}{local}"
        async with asyncio.timeout(TIMEOUT):
            while True:
                for number, stanza in enumerate(self.stanzas):
                    if stanza.tag == tag and matches(stanza):
                        return self.stanzas.pop(number)
                if not await self._fill():
                    seen = [ElementTree.tostring(stanza).decode() for stanza in self.stanzas]
                    raise AssertionError(f"the stream ended without {name}; it had {seen}")

    async def receive_any(self, *names: str) -> Element:
        """The next element that has one of these names."""
        tags = {f"{{{NAMESPACES[name.partition(':')[0]]}}}{name.partition(':')[2]}" for name in names}
        async with asyncio.timeout(TIMEOUT):
            while True:
                for number, stanza in enumerate(self.stanzas):
                    if stanza.tag in tags:
                        return self.stanzas.pop(number)
                assert await self._fill(), f"the stream ended without any of {names}"

    async def message(self, body: str | None = None) -> Element:
        """The next message, or the one with that body."""
        return await self.receive(
            "c:message", lambda stanza: body is None or stanza.findtext("c:body", None, NAMESPACES) == body
        )

    async def presence_of(self, jid: str, type_: str | None = None) -> Element:
        return await self.receive(
            "c:presence", lambda stanza: stanza.get("from") == jid and stanza.get("type") == type_
        )

    async def settle(self) -> list[Element]:
        """Everything that has been sent to this client so far, by way of a ping."""
        answer = await self.iq("<ping xmlns='urn:xmpp:ping'/>", to=self.domain)
        assert answer.get("type") == "result"
        seen, self.stanzas = self.stanzas, []
        return seen

    async def _fill(self) -> bool:
        data = await self.reader.read(65536)
        if not data:
            return False
        self.parser.feed(data)
        for event, element in self.parser.read_events():
            if event == "start":
                self.depth += 1
                if self.depth == 1:
                    self.header = element
            else:
                self.depth -= 1
                if self.depth == 1:
                    self.stanzas.append(element)
        return True


def find(stanza: Element, path: str) -> Element:
    """The element at a path with the prefixes of NAMESPACES."""
    found = stanza.find(path, NAMESPACES)
    assert found is not None, f"no {path} in {ElementTree.tostring(stanza).decode()}"
    return found


def text(stanza: Element, path: str) -> str:
    return find(stanza, path).text or ""


def error_of(stanza: Element) -> str:
    """The defined condition of an error stanza."""
    assert stanza.get("type") == "error", ElementTree.tostring(stanza).decode()
    for child in find(stanza, "c:error"):
        if child.tag.startswith(f"{{{NAMESPACES['stanzas']}}}") and not child.tag.endswith("}text"):
            return child.tag.rpartition("}")[2]
    raise AssertionError("an error without a condition")


def chat(to: str, body: str, *, id_: str = "", extra: str = "") -> str:
    id_part = f" id='{id_}'" if id_ else ""
    return f"<message type='chat' to='{to}'{id_part}><body>{body}</body>{extra}</message>"
