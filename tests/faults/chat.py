# SPDX-License-Identifier: Apache-2.0
"""The clients of the load that chat: pairs of people, and a room with occupants on both hosts.

A message is acknowledged when XEP-0198 says so and no error came for it. When the stream is lost it is
resumed, or the server says how much it had handled; where it cannot, the last message's fate is unknown.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from itertools import pairwise
from pathlib import Path
from xml.etree.ElementTree import Element

from tests.faults.site import PASSWORD
from tests.faults.wire import ANSWER_TIMEOUT, GoneError
from tests.faults.writers import RETRY, Client, Plan
from tests.world import World
from tests.xmpp import client as xmpp
from tests.xmpp.rooms import entry

# The room's home may have done what it could not say in time: RFC 6120 §8.3.3.17.
UNKNOWN = "remote-server-timeout"


class Stream(xmpp.Client):
    """One connection of a chat client to a host."""

    def __init__(self, address: str, port: int, person: str, resource: str) -> None:
        super().__init__(World(Path(address)), person, resource)
        self.address = address
        self.port = port

    async def connect(self, service: str = "xmpp", *, secure: bool = False) -> xmpp.Client:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            self.reader, self.writer = await asyncio.open_connection(self.address, self.port)
        return self

    async def authenticated(self) -> None:
        """Ready to bind or to resume."""
        await self.connect()
        await self.open()
        await self.authenticate(PASSWORD)
        await self.open()

    async def wait(self, seconds: float) -> list[Element]:
        """What comes within the time; GoneError at the end of the stream."""
        if not self.stanzas:
            try:
                async with asyncio.timeout(seconds):
                    if not await self._fill():
                        raise GoneError("the stream has ended")
            except TimeoutError:
                return []
        found, self.stanzas = self.stanzas, []
        return found


class Talker(Client):
    """Says one thing after another to `peer`."""

    kind = "chat"

    def __init__(self, plan: Plan, number: int, person: str, peer: str) -> None:
        super().__init__(plan, number, person)
        self.peer = peer
        self.heard: list[tuple[str, str]] = []  # the archive's id, and text
        self.resumed = 0
        self._id = ""  # of the stream that may be resumed
        self._received = self._handled = 0  # XEP-0198 §4: stanzas that came, stanzas the server has handled
        self._queue: deque[tuple[str, str]] = deque()  # not acknowledged: name of what is said, stanza
        self._fates: dict[str, str] = {}  # what an error said of it, before its acknowledgement
        self._pending = ""  # refused, to be said again

    async def work(self) -> None:
        host = self.plan.site.hosts[self.host]
        resource = f"{self.kind}{self.number}"
        stream = Stream(host.address, self.plan.site.port(5222), self.person, resource)
        try:
            await stream.authenticated()
            if not self._id or not await self._resume(stream):
                await self._begin(stream)
            while not self.plan.ended.is_set():
                await self.prepare(stream)
                await self._say(stream)
        finally:
            if hasattr(stream, "writer"):
                stream.writer.transport.abort()

    async def prepare(self, stream: Stream) -> None:
        """What must be so before anything can be said."""

    async def take(self, stream: Stream, seconds: float) -> None:
        """Handles what comes within the time."""
        for stanza in await stream.wait(seconds):
            namespace, _, name = stanza.tag[1:].partition("}")
            if namespace == "jabber:client":
                self._received += 1
                self.hear(name, stanza)
            elif name == "r":
                stream.send(f"<a xmlns='urn:xmpp:sm:3' h='{self._received}'/>")
            elif name == "a":
                self._settle(int(stanza.get("h", "")))
            elif name == "error":
                raise GoneError("the stream has ended with an error")

    def send(self, stream: Stream, stanza: str, name: str = "") -> None:
        self._queue.append((name, stanza))
        stream.send(stanza)

    def hear(self, name: str, stanza: Element) -> None:
        """A stanza that came."""
        if name != "message":
            return
        if stanza.get("type") == "error":
            self.refuse(stanza.get("id", ""), xmpp.error_of(stanza))
            return
        body = stanza.findtext("c:body", "", xmpp.NAMESPACES)
        id_ = stanza.find("sid:stanza-id", xmpp.NAMESPACES)
        if body.startswith(self.plan.tag) and id_ is not None:
            self.heard.append((id_.get("id", ""), body))

    def refuse(self, name: str, condition: str) -> None:
        """An error came for what was said."""
        self._fates[name] = "unknown" if condition == UNKNOWN else "refused"

    def stanza(self, name: str) -> str:
        return xmpp.chat(self.peer, name, id_=name)

    async def _begin(self, stream: Stream) -> None:
        """A new session: what was on its way has an unknown fate."""
        self.unknown |= {name for name, _ in self._queue if name}
        self._queue.clear()
        self._id = ""
        await stream.bind()
        self._received = self._handled = 0
        self._id = await stream.enable_sm()
        self.send(stream, "<presence/>")

    async def _resume(self, stream: Stream) -> bool:
        """XEP-0198 §5: goes on with the last stream, or learns what of it was handled."""
        stream.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{self._id}' h='{self._received}'/>")
        stanzas: list[Element] = []
        while not stanzas:
            stanzas = await stream.wait(ANSWER_TIMEOUT)
        stream.stanzas = stanzas[1:]
        name, handled = stanzas[0].tag.rpartition("}")[2], stanzas[0].get("h")
        if name not in ("resumed", "failed"):
            raise GoneError(f"<resume/> was answered {stanzas[0].tag}")
        if handled is not None:
            self._settle(int(handled))
        if name == "resumed":
            self.resumed += 1
            for _, stanza in self._queue:
                stream.send(stanza)
            return True
        if handled is not None:
            self._pending = next((name for name, _ in self._queue if name), self._pending)
            self._queue.clear()
        return False

    def _settle(self, handled: int) -> None:
        """The server has handled so many stanzas of this stream in all."""
        while self._handled < handled:
            self._handled += 1
            name, _ = self._queue.popleft()
            if not name:
                continue
            fate = self._fates.pop(name, "")
            if fate == "unknown":
                self.unknown.add(name)
            elif fate == "refused":
                self.refused += 1
                self._pending = name
            else:
                self.note(name)

    async def _say(self, stream: Stream) -> None:
        """One message, and everything that comes until it is acknowledged and the pause is over."""
        if not any(name for name, _ in self._queue):
            name, self._pending = self._pending or self.new_name(), ""
            self.send(stream, self.stanza(name), name)
        stream.send("<r xmlns='urn:xmpp:sm:3'/>")
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while self._queue:
            if time.monotonic() > deadline:
                raise GoneError("no acknowledgement")
            await self.take(stream, 1.0)
        over = time.monotonic() + (RETRY if self._pending else self.plan.pace * random.uniform(0.5, 1.5))
        while (left := over - time.monotonic()) > 0 and not self.plan.ended.is_set():
            await self.take(stream, left)


class Occupant(Talker):
    """The same in a room, `peer`. `stays` is what it heard, a list for each time it was inside."""

    kind = "room"

    def __init__(self, plan: Plan, number: int, person: str, peer: str) -> None:
        super().__init__(plan, number, person, peer)
        self.stays: list[list[tuple[str, str]]] = []
        self._is_inside = False

    async def prepare(self, stream: Stream) -> None:
        """Enters the room, again and again until it lets one in."""
        nick = self.person.partition("@")[0]
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while not self._is_inside and not self.plan.ended.is_set():
            if time.monotonic() > deadline:
                raise GoneError("the room cannot be entered")
            self.send(stream, entry(nick, "<history maxstanzas='0'/>", self.peer))
            stream.send("<r xmlns='urn:xmpp:sm:3'/>")
            while self._queue and time.monotonic() < deadline:  # handled: entered, or told why not
                await self.take(stream, 1.0)
            if not self._is_inside:
                await self.plan.pause(RETRY)

    def hear(self, name: str, stanza: Element) -> None:
        if name == "presence" and stanza.get("from", "").startswith(f"{self.peer}/"):
            codes = {status.get("code") for status in stanza.iter(f"{{{xmpp.NAMESPACES['user']}}}status")}
            if "110" in codes:
                self._is_inside = stanza.get("type") is None
                if self._is_inside:
                    self.stays.append([])
            return
        count = len(self.heard)
        super().hear(name, stanza)
        if len(self.heard) > count and stanza.get("type") == "groupchat" and self.stays:
            self.stays[-1].append(self.heard[-1])

    def refuse(self, name: str, condition: str) -> None:
        super().refuse(name, condition)
        if condition in ("not-acceptable", UNKNOWN):  # the room has forgotten its occupants
            self._is_inside = False

    def stanza(self, name: str) -> str:
        return f"<message type='groupchat' to='{self.peer}' id='{name}'><body>{name}</body></message>"

    def disorder(self) -> list[str]:
        """Messages that did not come in the order of the archive's ids within a stay."""
        return [
            f"{earlier[1]} before {later[1]}"
            for stay in self.stays
            for earlier, later in pairwise(stay)
            if int(earlier[0]) >= int(later[0])
        ]

    async def _begin(self, stream: Stream) -> None:
        self._is_inside = False
        await super()._begin(stream)
