# SPDX-License-Identifier: Apache-2.0
"""Rooms that a phone can sleep through: who belongs to a room and has not seen it for long is told by mail.

Who is in a room sees it: each process notes that now and then, and when somebody leaves. One process, the one
that holds the lease, looks through the rooms for what was said longer ago than `[xmpp] digest_after` and not
seen by those who belong there (members and above, or the people of the unit), and puts one mail a person into
the inbox. What a client has marked as displayed elsewhere (XEP-0490) counts as seen. Who does not want such
mails says so (room_wishes).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from armgs_server import log
from armgs_server.directory import Principal
from armgs_server.errors import DomainError
from armgs_server.storage import archive, clock, collections, leases, mail, pubsub, room_seen, rooms
from armgs_server.storage.archive import ArchiveQuery
from armgs_server.storage.leases import Lease
from armgs_server.storage.rooms import RoomRecord
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import missed_mail, room_wishes
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.missed_mail import Line, Unread
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.xeps import xep_0045_config, xep_0045_structure
from armgs_server.xmpp.xeps.xep_0045_room import Affiliation

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server
    from armgs_server.xmpp.xeps.xep_0045_muc import Rooms

LEASE: Final = "room-digests"
NOTING: Final = 300.0  # seconds between notes of who is where
INTERVAL: Final = 1800.0  # seconds between looks at what was missed
WINDOW: Final = 7 * 24 * 3600 * clock.SECOND  # nobody is told of what is older
LINES: Final = 5  # messages of a room shown in a mail
PAGE: Final = 100  # rooms read at once
DISPLAYED: Final = "urn:xmpp:mds:displayed:0"  # XEP-0490
_HOUR: Final = 3600 * clock.SECOND
_STANZA_ID: Final = re.compile(rb"<stanza-id\b[^>]*?\bid=['\"](\d{1,19})['\"]")

_log = log.get("xmpp")


class Missed:
    """From `start` to `stop`."""

    def __init__(self, server: Server, host: Rooms) -> None:
        self._server = server
        self._host = host
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        holder = f"xmpp:{self._server.process}"
        digests = leases.hold(self._server.store, LEASE, holder, self._digest_always)
        self._tasks = [
            loop.create_task(self._note_always(), name="room-sightings"),
            loop.create_task(digests, name=LEASE),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._try_note()

    # Who has seen what

    async def _note_always(self) -> None:
        while True:
            await asyncio.sleep(NOTING)
            await self._try_note()

    async def _try_note(self) -> None:
        try:
            await self.note()
        except DomainError as error:
            _log.warning("who is in which room was not noted", error=error)

    async def note(self) -> None:
        """Notes what the people in the rooms of this process have seen, and those who have just left."""
        rows = []
        for (room, bare), id_ in self._host.sightings().items():
            person = await self._server.person(parse(bare))
            if person is not None:
                rows.append((person.id, room, id_))
        if rows:
            await self._server.store.write(lambda tx: room_seen.see(tx, rows))

    # What was missed

    async def _digest_always(self, _: Lease) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                count = await self.digest()
            except DomainError as error:
                _log.warning("unread rooms were not told by mail", error=error)
            else:
                _log.info("unread rooms told by mail", people=count)

    async def digest(self) -> int:
        """Mails to all who have missed something; to how many."""
        hours = self._server.config.xmpp.digest_after
        if not hours:
            return 0
        now = clock.now()
        found: dict[int, list[Unread]] = defaultdict(list)
        after = 0
        while True:
            start = after
            records = await self._server.store.read(
                lambda tx, start=start: rooms.page(tx, start, PAGE)  # type: ignore[misc]
            )
            for record in records:
                await self._look(record, now, now - int(hours * _HOUR), found)
                after = record.owner
            if len(records) < PAGE:
                break
        count = 0
        for person_id, unread in found.items():
            person = await self._server.directory.by_id(person_id)
            if person is not None and await room_wishes.is_wanted(
                self._server.directory, person, room_wishes.DIGEST
            ):
                count += await self._send(person, unread)
        return count

    async def _look(self, record: RoomRecord, now: int, before: int, found: dict[int, list[Unread]]) -> None:
        """What those who belong to one room have not seen of it."""
        store = self._server.store
        last = await store.read(lambda tx: archive.bounds(tx, record.owner))
        since = archive.first_id(now - WINDOW)
        if last is None or last[1].id < since:
            return
        seen = await store.read(lambda tx: room_seen.of_room(tx, record.owner))
        by_start: dict[int, Unread | None] = {}
        for person in await self._people(record):
            start = max(seen.get(person.id, 0), since)
            if start >= last[1].id:
                continue
            displayed = await store.read(lambda tx, owner=person.id: _displayed(tx, owner, record.address))  # type: ignore[misc]
            start = max(start, displayed)
            if start not in by_start:
                by_start[start] = await self._unread(record, start, before)
            unread = by_start[start]
            if unread is not None:
                found[person.id].append(unread)

    async def _people(self, record: RoomRecord) -> Sequence[Principal]:
        """The people of ours who belong to a room."""
        place = await xep_0045_structure.place_of(self._server, parse(record.address))
        kept = await self._server.store.read(lambda tx: rooms.affiliations(tx, record.owner))
        jids = [each.jid for each in kept if _AFFILIATIONS[each.affiliation] >= Affiliation.MEMBER]
        return await xep_0045_structure.people(self._server, place, jids)

    async def _unread(self, record: RoomRecord, start: int, before: int) -> Unread | None:
        """What was said after an archive id; None where nothing of it is old enough to be told."""
        store, room = self._server.store, record.owner
        everything = ArchiveQuery(after=start)
        first = await store.read(lambda tx: archive.page(tx, room, ArchiveQuery(after=start, limit=1)))
        if not first.messages or first.messages[0].sent > before:
            return None
        count = await store.read(lambda tx: archive.count(tx, room, everything))
        wanted = ArchiveQuery(after=start, backwards=True, limit=LINES)
        page = await store.read(lambda tx: archive.page(tx, room, wanted))
        lines = []
        for message in page.messages:
            stanza = parse_stanza(message.stanza)
            body = stanza.text("body")
            if body:
                lines.append(Line(message.sent, parse(stanza.from_).resource, body))
        if not lines:
            return None
        config = xep_0045_config.from_data(record.data)
        place = await xep_0045_structure.place_of(self._server, parse(record.address))
        name = config.name or record.address.partition("@")[0]
        if place is not None:
            name = await xep_0045_structure.name_of(self._server, place)
        return Unread(room, record.address, name, count, lines, page.messages[-1].id)

    async def _send(self, person: Principal, unread: Sequence[Unread]) -> int:
        store = self._server.store
        language = self._server.config.xmpp.language
        ref = await store.blobs.put(missed_mail.compose(person.address, unread, language))
        index = await mail.read_index(store.blobs, ref)

        async def work(tx: Tx) -> None:
            inbox = await collections.by_role(tx, person.id, "mail", "inbox")
            if inbox is not None:
                await mail.append(tx, inbox, ref, index)
            await room_seen.tell(tx, person.id, [(each.room, each.last) for each in unread])

        try:
            await store.write(work)
        except DomainError as error:
            _log.warning("unread rooms were not told by mail", person=person.address, error=error)
            return 0
        return 1


_AFFILIATIONS: Final = {affiliation.text: affiliation for affiliation in Affiliation}


async def _displayed(tx: Tx, owner: int, room: str) -> int:
    """XEP-0490 §3.1: the archive id up to which some client of the person has shown the room."""
    found = await pubsub.items(tx, owner, DISPLAYED, ids=[room])
    match = _STANZA_ID.search(found[0].payload) if found else None
    return int(match[1]) if match is not None else 0
