# SPDX-License-Identifier: Apache-2.0
"""A client that counts what it gets, so that it can resume (XEP-0198 §5), on a worker of one's choice."""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import Element

from tests.world import World
from tests.xmpp.client import NAMESPACES, TIMEOUT, Client, find

STANZAS = tuple(f"{{{NAMESPACES['c']}}}{name}" for name in ("message", "presence", "iq"))


class Counter(Client):
    """`received` stanzas since stream management was enabled; `previous` is what it resumes."""

    def __init__(self, world: World, jid: str, resource: str = "") -> None:
        super().__init__(world, jid, resource)
        self.received = 0
        self.previous = ""

    async def enable_sm(self) -> str:
        self.previous = await super().enable_sm()
        self.received = 0
        return self.previous

    async def _fill(self) -> bool:
        before = len(self.stanzas)
        has_more = await super()._fill()
        self.received += sum(stanza.tag in STANZAS for stanza in self.stanzas[before:])
        return has_more

    async def receive_any(self, *names: str) -> Element:
        """The first element of one of the names; others are kept."""
        tags = {f"{{{NAMESPACES[prefix]}}}{local}" for prefix, _, local in (n.partition(":") for n in names)}
        async with asyncio.timeout(TIMEOUT):
            while True:
                for stanza in self.stanzas:
                    if stanza.tag in tags:
                        self.stanzas.remove(stanza)
                        return stanza
                assert await self._fill(), f"the stream ended without {names}"

    async def take_over(self, former: Counter) -> Element:
        """Resumes the other's session over this connection; the answer."""
        self.resource, self.full = former.resource, former.full
        self.previous, self.received = former.previous, former.received
        await self.authenticate()
        await self.open()
        self.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{self.previous}' h='{self.received}'/>")
        return await self.receive("sm:resumed")


async def refused(client: Client, previous: str, h: int = 0) -> Element:
    """Tries to resume in vain; the answer."""
    await client.authenticate()
    await client.open()
    client.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{previous}' h='{h}'/>")
    answer = await client.receive("sm:failed")
    assert find(answer, "stanzas:item-not-found") is not None
    return answer


def bodies(stanzas: list[Element]) -> list[str]:
    """Those of messages and of carbon copies, in order."""
    found = []
    for stanza in stanzas:
        for path in ("c:body", "*/forward:forwarded/c:message/c:body"):
            found += [body.text or "" for body in stanza.iterfind(path, NAMESPACES)]
    return found
