# SPDX-License-Identifier: Apache-2.0
"""The client's side of XEP-0388, 0386 and 0484, written for the tests."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from tests.world import PASSWORD, World
from tests.xmpp.client import NAMESPACES, Client, find

SASL2 = "urn:xmpp:sasl:2"
NAMESPACES.update(
    sasl2=SASL2,
    bind2="urn:xmpp:bind:0",
    fast="urn:xmpp:fast:0",
    cam="urn:xmpp:cam:0",
    csi="urn:xmpp:csi:0",
    cb="urn:xmpp:sasl-cb:0",
)
PHONE = "d4565fa7-4d72-4749-b3d3-740edbf87770"
LAPTOP = "6f1b9c22-04a7-4f0e-9d58-3a1be2a9c7d1"
BIND = "<bind xmlns='urn:xmpp:bind:0'><tag>Phone</tag></bind>"
BIND_SM = (
    "<bind xmlns='urn:xmpp:bind:0'><tag>Phone</tag><enable xmlns='urn:xmpp:carbons:2'/>"
    "<enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
)
WANTS_TOKEN = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"


def plain(jid: str, password: str = PASSWORD) -> bytes:
    return f"\0{jid}\0{password}".encode()


def hashed(jid: str, token: str, binding: bytes = b"") -> bytes:
    """draft-ietf-kitten-sasl-ht §3.1: the initiator's message."""
    name = jid.partition("@")[0]
    return name.encode() + b"\0" + hmac.digest(token.encode(), b"Initiator" + binding, "sha256")


def authenticate(
    mechanism: str,
    initial: bytes | None,
    inner: str = "",
    *,
    agent: str | None = PHONE,
    software: str = "Test",
) -> str:
    first = (
        ""
        if initial is None
        else f"<initial-response>{base64.b64encode(initial).decode()}</initial-response>"
    )
    who = (
        f"<user-agent id='{agent}'><software>{software}</software><device>Nokia</device></user-agent>"
        if agent is not None
        else ""
    )
    return f"<authenticate xmlns='{SASL2}' mechanism='{mechanism}'>{first}{who}{inner}</authenticate>"


@dataclass
class Modern:
    """A device of a person: keeps its token and its session's id between connections."""

    world: World
    jid: str
    agent: str | None = PHONE
    token: str = ""
    mechanism: str = "HT-SHA-256-NONE"
    clients: list[Client] = field(default_factory=list)

    async def connect(self, *, secure: bool = False) -> Client:
        """A stream on which nobody has logged in yet."""
        client = Client(self.world, self.jid)
        self.clients.append(client)
        await client.connect("xmpps" if secure else "xmpp", secure=secure)
        await client.open()
        return client

    async def ask(self, client: Client, mechanism: str, initial: bytes | None, inner: str = "") -> Element:
        """Sends an `<authenticate/>`; the success or the failure."""
        client.send(authenticate(mechanism, initial, inner, agent=self.agent))
        answer = await receive_outcome(client)
        given = answer.find("fast:token", NAMESPACES)
        if given is not None:
            self.token = given.get("token", "")
        client.full = answer.findtext("sasl2:authorization-identifier", "", NAMESPACES)
        return answer

    async def log_in(
        self, inner: str = BIND + WANTS_TOKEN, password: str = PASSWORD
    ) -> tuple[Client, Element]:
        client = await self.connect()
        return client, await self.ask(client, "PLAIN", plain(self.jid, password), inner)

    async def return_(self, inner: str = BIND, fast: str = "") -> tuple[Client, Element]:
        """Logs in with the token."""
        client = await self.connect()
        use = f"<fast xmlns='urn:xmpp:fast:0'{fast}/>"
        return client, await self.ask(client, self.mechanism, hashed(self.jid, self.token), use + inner)

    async def close(self) -> None:
        for client in self.clients:
            await client.disconnect()


async def receive_outcome(client: Client) -> Element:
    """The next success or failure."""
    found: list[Element] = []

    def is_outcome(stanza: Element) -> bool:
        return stanza.tag in (f"{{{SASL2}}}success", f"{{{SASL2}}}failure")

    while not found:
        found = [stanza for stanza in client.stanzas if is_outcome(stanza)]
        if not found:
            assert await client._fill(), "the stream ended without an outcome"
    client.stanzas.remove(found[0])
    return found[0]


def condition(failure: Element) -> str:
    """The defined condition of a failure."""
    assert failure.tag == f"{{{SASL2}}}failure", failure.tag
    return failure[0].tag.rpartition("}")[2]


def bound(success: Element) -> Element:
    return find(success, "bind2:bound")
