# SPDX-License-Identifier: Apache-2.0
"""The objects of everybody an invitation concerns, read and written inside one transaction.

Accounts are held in the order of their numbers before anything is read, so two organisers never wait for
each other. What turns out to be missing (an account not held, bytes kept outside of the database) is got
by `Again`: nothing is written, and the work starts anew with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from armgs_server.errors import Temporary
from armgs_server.formats.icalendar import CalendarObject, check
from armgs_server.formats.itip import data_of
from armgs_server.formats.itip_attendee import Test
from armgs_server.storage import Store, accounts, calindex, clock, collections, items, scheduling
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.calindex import Entry
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

T = TypeVar("T")
ATTEMPTS = 8  # an object that changes more often between two looks at it is somebody's loop
CONTENT_TYPE = "text/calendar; charset=utf-8"


class Again(Exception):
    """The work needs what was not prepared for it."""

    def __init__(self, owners: frozenset[int] = frozenset(), blob: bytes = b"") -> None:
        super().__init__("scheduling has to begin anew")
        self.owners = owners
        self.blob = blob


@dataclass(frozen=True, slots=True)
class Copy:
    """An owner's object."""

    item: Item
    object: CalendarObject


@dataclass(slots=True)
class Desk:
    """What is prepared for a transaction and kept from one attempt to the next."""

    store: Store
    owners: set[int]
    inbox_items: int
    blobs: dict[bytes, bytes] = field(default_factory=dict)
    _sent: set[bytes] = field(default_factory=set)
    _objects: dict[bytes, CalendarObject] = field(default_factory=dict)
    _entries: dict[int, tuple[CalendarObject, BlobRef, Entry]] = field(default_factory=dict)

    async def write(
        self, work: Callable[[Tx], Awaitable[T]], before_retry: Callable[[], Awaitable[None]]
    ) -> T:
        """Runs a work until everything it needs is there."""
        for _ in range(ATTEMPTS):
            try:
                return await self.store.write(lambda tx: self._hold(tx, work))
            except Again as again:
                self.owners |= again.owners
                if again.blob:
                    self.blobs[again.blob] = await self.store.blobs.read(again.blob)
                await before_retry()
        raise Temporary("The calendars change too fast.")

    async def _hold(self, tx: Tx, work: Callable[[Tx], Awaitable[T]]) -> T:
        self._sent.clear()
        await accounts.hold(tx, self.owners)
        return await work(tx)

    def _once(self, ref: BlobRef) -> BlobRef:
        """The bytes themselves go to the database once in a transaction, however many people get them."""
        if ref.hash in self._sent:
            return BlobRef(ref.hash, ref.size, None)
        self._sent.add(ref.hash)
        return ref

    async def copy(self, tx: Tx, owner: int, ical_uid: str) -> Copy | None:
        """The owner's object with a UID."""
        if owner not in self.owners:
            raise Again(frozenset((owner,)))
        for item, data in await scheduling.find(tx, owner, ical_uid):
            return Copy(item, self.parse(item.blob, data))
        return None

    def parse(self, blob: bytes, data: bytes | None) -> CalendarObject:
        """The object of stored bytes; many people's are the same."""
        known = self._objects.get(blob)
        if known is None:
            if data is None and blob not in self.blobs:
                raise Again(blob=blob)
            known = self._objects[blob] = check(data if data is not None else self.blobs[blob])
        return known

    async def keep(
        self, tx: Tx, owner: int, copy: Copy | None, changed: CalendarObject, declined: Test, *, tag: bool
    ) -> Item | None:
        """The owner's object with new content; `tag`: its schedule tag changes (RFC 6638 §3.2.10).

        None where the owner has no calendar for it. OverQuota.
        """
        whole, entry = self.entry(changed, declined)
        ref = self._once(whole)
        value = ref.hash.hex()[:32]
        if copy is not None:
            item = await items.replace(tx, copy.item, ref, CONTENT_TYPE)
            value = value if tag else copy.item.keywords or value
        else:
            calendar = await scheduling.default_calendar(tx, owner, changed.kind)
            if calendar is None:
                return None
            name = f"{clock.unique_id():x}.ics"
            item = await items.add(tx, calendar, ref, name=name, content_type=CONTENT_TYPE, keywords=value)
        if item.keywords != value:
            item = await scheduling.tag(tx, item, value)
        await calindex.put(tx, item, entry)
        return item

    def entry(self, changed: CalendarObject, is_free: Test) -> tuple[BlobRef, Entry]:
        """Bytes and index rows of an object; made once for all who get the same."""
        known = self._entries.get(id(changed))
        if known is None:
            ref = self.store.blobs.small(data_of(changed.calendar))
            known = self._entries[id(changed)] = changed, ref, calindex.entry(changed)
            self._objects[ref.hash] = changed
        _, ref, entry = known
        if any(is_free(member) for member in changed.members):
            return ref, calindex.entry(changed, is_free=is_free)
        return ref, entry

    async def notify(self, tx: Tx, owner: int, message: bytes) -> None:
        """Puts a scheduling message into the owner's inbox (RFC 6638 §4)."""
        inbox = await collections.by_role(tx, owner, scheduling.INBOX, "default")
        if inbox is not None:
            if inbox.items >= self.inbox_items:  # clients that never look into it leave everything there
                oldest = await items.scan(tx, owner, inbox.id, limit=inbox.items - self.inbox_items + 1)
                await items.remove(tx, inbox, [item.uid for item in oldest])
            ref = self._once(self.store.blobs.small(message))
            name = f"{clock.unique_id():x}.ics"
            await items.add(tx, inbox, ref, name=name, content_type=CONTENT_TYPE)
