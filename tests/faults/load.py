# SPDX-License-Identifier: Apache-2.0
"""The load of the fault tests: fifty clients of every protocol, and the count of what is there afterwards.

`FAULT_CLIENTS` (default 50) and `FAULT_PACE` (seconds between two writes of a client, default 1) in the
environment make it smaller or larger; continuous integration runs the defaults.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections import Counter
from contextlib import suppress
from xml.etree.ElementTree import Element

from tests.faults.chat import Occupant, Stream, Talker
from tests.faults.site import DOMAIN, PASSWORD, PEOPLE, Site
from tests.faults.wire import GONE, Http, Imap, Wire
from tests.faults.writers import RETRY, Author, Client, Neighbour, Plan, Rivals, Uploader, content
from tests.xmpp.client import NAMESPACES, find
from tests.xmpp.rooms import create

CLIENTS = int(os.environ.get("FAULT_CLIENTS", "50"))
PACE = float(os.environ.get("FAULT_PACE", "1"))
STOP_TIMEOUT = 60.0
# Out of ten clients: pairs that chat, a room, mail, APPEND, files, and rivals, which are two each.
SHARES = ("chat", "room", "smtp", "chat", "append", "file", "chat", "room", "rivals", "chat")


class Follower:
    """Reads the room's archive from one host, page after page behind the last id it has seen (XEP-0313).

    Whatever is written afterwards must come: an id that is committed late, below one already seen, is lost.
    """

    def __init__(self, load: Load, host: int) -> None:
        self.texts: list[str] = []
        self._load = load
        self._host = host
        self._last = ""

    async def run(self) -> None:
        """Until nobody writes any more, and then to the end of the archive."""
        while not self._load.is_quiet:
            with suppress(*GONE):
                await self._follow()
            await asyncio.sleep(RETRY)
        await self._follow()

    async def _follow(self) -> None:
        stream = await self._load.stream(PEOPLE[-1], self._host)
        try:
            while True:
                was_quiet = self._load.is_quiet
                texts, self._last, is_complete = await archive_page(stream, self._load.room, self._last)
                self.texts += texts
                if is_complete and was_quiet:
                    return
                await asyncio.sleep(0 if texts else 0.05)
        finally:
            stream.writer.transport.abort()


class Load:
    """Runs from `start` to `stop`; then `check` counts. The room's home is on the host `home` at first."""

    def __init__(self, site: Site, home: int) -> None:
        self.site = site
        self.home = home
        self.tag = f"t{secrets.token_hex(3)}"
        self.room = f"{self.tag}@conference.{DOMAIN}"
        self.plan = Plan(site, self.tag, PACE)
        self.clients = self._make()
        self.followers = [Follower(self, host) for host in (0, 1)]
        self.is_quiet = False  # all clients have ended
        self._tasks: list[asyncio.Task[None]] = []
        self._followers: list[asyncio.Task[None]] = []

    def _make(self) -> list[Client]:
        found: list[Client] = []
        taken = 0
        while taken < CLIENTS:
            share, number = SHARES[len(found) % len(SHARES)], len(found)
            person = PEOPLE[number % len(PEOPLE)]
            taken += 2 if share == "rivals" else 1
            match share:
                case "chat":
                    found.append(Talker(self.plan, number, person, PEOPLE[(number + 7) % len(PEOPLE)]))
                case "room":
                    found.append(Occupant(self.plan, number, person, self.room))
                case "smtp":
                    found.append(Neighbour(self.plan, number, person))
                case "append":
                    found.append(Author(self.plan, number, person))
                case "file":
                    found.append(Uploader(self.plan, number, person))
                case _:
                    found.append(Rivals(self.plan, number, person))
        return found

    async def start(self) -> None:
        """Returns when every client has had something acknowledged."""
        keeper = await self.stream(PEOPLE[-1], self.home)
        await create(keeper, "keeper", self.room)
        self._tasks = [asyncio.create_task(client.run()) for client in self.clients]
        self._followers = [asyncio.create_task(follower.run()) for follower in self.followers]
        await self.all_answered(60.0)
        keeper.writer.transport.abort()  # all others have entered: the room stays where it is

    async def all_answered(self, within: float, hosts: frozenset[int] = frozenset({0, 1})) -> float:
        """After how many seconds every client of those hosts alone had something acknowledged anew."""
        begin = time.monotonic()
        while True:
            late = [
                each for each in self.clients if each.answered_at < begin and hosts.issuperset(each.hosts)
            ]
            if not late:
                return time.monotonic() - begin
            for task in self._tasks:
                if task.done():
                    task.result()
            assert time.monotonic() < begin + within, f"after {within} s: {[each.name for each in late]}"
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        self.plan.ended.set()
        async with asyncio.timeout(STOP_TIMEOUT):
            await asyncio.gather(*self._tasks)
            self.is_quiet = True
            await asyncio.gather(*self._followers)

    def summary(self) -> str:
        """What was written, in one line."""
        parts = []
        for kind in sorted({client.kind for client in self.clients}):
            these = [client for client in self.clients if client.kind == kind]
            acknowledged = sum(len(client.acknowledged) for client in these)
            unknown, refused = (sum(map(count, these)) for count in (_unknown, _refused))
            parts.append(f"{kind} {acknowledged} acknowledged, {unknown} unknown, {refused} refused")
        return "; ".join(parts)

    # What is there afterwards

    async def check(self) -> None:
        """Everything acknowledged once, everything else at most once, everywhere in the same order."""
        for client in self.clients:
            assert client.acknowledged, client.name
        found: dict[str, Counter[str]] = {}
        wrong: list[str] = []
        for client in self.clients:
            if isinstance(client, Rivals):
                wrong += client.doubled + await self._check_calendar(client)
                continue
            if isinstance(client, Uploader):
                wrong += await self._check_files(client)
                continue
            for place in self._places(client):
                if place not in found:
                    found[place] = Counter(await self._names(place))
                wrong += _compared(client, place, found[place])
        for client in self.clients:
            if isinstance(client, Occupant):
                wrong += client.disorder()
        archived = await self._archive(PEOPLE[-1], self.room)
        for follower in self.followers:
            missed = [text for text in archived if text not in set(follower.texts)]
            wrong += [f"{text} was not seen by who read the archive meanwhile" for text in missed]
        assert not wrong, "\n".join(wrong)

    def _places(self, client: Client) -> list[str]:
        """Where the client's things must be: KIND ADDRESS."""
        if isinstance(client, Occupant):
            return [f"room {client.peer}"]
        if isinstance(client, Talker):
            return [f"chat {client.person}", f"chat {client.peer}"]
        return [f"{'INBOX' if isinstance(client, Neighbour) else 'Drafts'} {client.person}"]

    async def _names(self, place: str) -> list[str]:
        kind, _, address = place.partition(" ")
        if kind in ("room", "chat"):
            return await self._archive(address if kind == "chat" else PEOPLE[-1], address)
        wire = Imap()
        await self._connect(wire, 143)
        await wire.log_in(address, PASSWORD)
        try:
            return await wire.subjects(kind.encode())
        finally:
            wire.close()

    async def _archive(self, person: str, owner: str) -> list[str]:
        """Every text of the load in a person's or a room's archive (XEP-0313), in its order."""
        stream = await self.stream(person)
        texts: list[str] = []
        last, is_complete = "", False
        while not is_complete:
            page, last, is_complete = await archive_page(stream, owner if owner != person else "", last)
            texts += page
        await stream.close()
        return texts

    async def _check_files(self, client: Uploader) -> list[str]:
        """Read from the other host than the one that took the last of them."""
        wrong = []
        wire = Http(client.person, PASSWORD)
        await self._connect(wire, 80, 1 - client.host)
        for name in client.acknowledged:
            answer = await wire.request("GET", f"/dav/files/{client.person}/{name}")
            if answer.status != 200 or answer.body != content(name):
                wrong.append(f"{client.name}: {name} is {answer.status} of {len(answer.body)} bytes")
        for name in client.unknown:
            answer = await wire.request("GET", f"/dav/files/{client.person}/{name}")
            if answer.status != 404 and answer.body != content(name):
                wrong.append(f"{client.name}: {name} is there in part")
        wire.close()
        return wrong

    async def _check_calendar(self, client: Rivals) -> list[str]:
        """One event for each UID; that of the one who was told so."""
        wrong = []
        wire = Http(client.person, PASSWORD)
        await self._connect(wire, 80, 1 - client.host)
        for uid, winner in client.made.items():
            there = ""
            for who in "ab":
                path = f"/dav/calendars/{client.person}/default/{uid}-{who}.ics"
                if (await wire.request("GET", path)).status == 200:
                    there += who
            if len(there) > 1 or (winner and there != winner):
                wrong.append(f"{client.name}: {uid} was granted to {winner!r}, there is that of {there!r}")
        wire.close()
        return wrong

    async def _connect(self, wire: Wire, port: int, host: int = 0) -> None:
        await wire.open(self.site.hosts[host].address, self.site.port(port))

    async def stream(self, person: str, host: int = 0) -> Stream:
        """A session without presence."""
        stream = Stream(self.site.hosts[host].address, self.site.port(5222), person, "")
        await stream.authenticated()
        await stream.bind()
        return stream


async def archive_page(stream: Stream, to: str, last: str) -> tuple[list[str], str, bool]:
    """The texts behind the id `last`, the last one's id, and whether there are no more for now."""
    after = f"<after>{last}</after>" if last else ""
    page = f"<set xmlns='http://jabber.org/protocol/rsm'><max>200</max>{after}</set>"
    answer = await stream.iq(f"<query xmlns='urn:xmpp:mam:2'>{page}</query>", "set", to)
    texts = [_text(stanza) for stanza in stream.stanzas if stanza.tag.endswith("}message")]
    stream.stanzas.clear()
    fin = find(answer, "mam:fin")
    last = fin.findtext("rsm:set/rsm:last", last, NAMESPACES)
    return texts, last, fin.get("complete") == "true"


def _unknown(client: Client) -> int:
    return len(client.unknown)


def _refused(client: Client) -> int:
    return client.refused


def _text(stanza: Element) -> str:
    return stanza.findtext("mam:result/forward:forwarded/c:message/c:body", "", NAMESPACES)


def _compared(client: Client, place: str, found: Counter[str]) -> list[str]:
    wrong = [
        f"{client.name}: {name} was acknowledged and is {found[name]} times in {place}"
        for name in client.acknowledged
        if found[name] != 1
    ]
    return wrong + [
        f"{client.name}: {name} had no answer and is {found[name]} times in {place}"
        for name in client.unknown
        if found[name] > 1
    ]
