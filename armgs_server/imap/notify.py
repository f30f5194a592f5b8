# SPDX-License-Identifier: Apache-2.0
"""What a client has asked to be told of, and what it has been told: RFC 5465.

Of the selected mailbox `updates` tells; of all others this does, by holding what the store says against what
the client was told last. So nothing is queued: whatever happened meanwhile becomes one response a mailbox, a
slow client costs no memory, and a lost hint costs time only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from armgs_server.directory import Rights
from armgs_server.directory.access import TOPIC as GRANTS
from armgs_server.directory.model import TOPIC as DIRECTORY
from armgs_server.errors import DomainError, NotFound
from armgs_server.imap.commands.fetch import write_messages
from armgs_server.imap.commands.list import Request, entry_lines
from armgs_server.imap.commands.list_entries import KIND, Entry, read_entries
from armgs_server.imap.commands.status import status_line
from armgs_server.imap.notify_groups import (
    FLAG_CHANGE,
    MAILBOX_METADATA,
    MAILBOX_NAME,
    MESSAGE_EVENTS,
    MESSAGE_NEW,
    SERVER_METADATA,
    EventGroup,
    Selected,
    events_of,
    selected_of,
)
from armgs_server.imap.notify_known import (
    Key,
    Known,
    is_listed_anew,
    key_of,
    known_as,
    standing_of,
    status_items,
)
from armgs_server.imap.responses import status
from armgs_server.storage import collections, mail_metadata
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# Entries of metadata that wait to be told; of more the client hears that it was too much.
MAX_ENTRIES: Final = 1000


class Notify:
    """One NOTIFY; the next one replaces it."""

    def __init__(self, session: Session, groups: Sequence[EventGroup]) -> None:
        self._session = session
        self._groups = [group for group in groups if not group.filter.is_of_selected]
        self.selected = selected_of(groups)
        self.stale = False
        # What has changed: mailboxes by their hints, or who sees which of them at all.
        self._changed: set[Key] = set()
        self._is_structural = False
        self._standing: dict[Key, tuple[object, ...]] = {}  # of every mailbox, what `_standing_of` says
        self._known: dict[Key, Known] = {}
        # What the client did itself: modseqs of the first and last message it put somewhere, and names.
        self._written: dict[Key, tuple[int, int]] = {}
        self.own_names: set[str] = set()
        self._metadata: dict[Key, dict[str, None]] = {}
        self._topics: dict[str, Callable[[], None]] = {}

    async def begin(self, *, with_status: bool) -> None:
        """From now on. `with_status`: first how each mailbox stands (RFC 5465 §3.1)."""
        if not self._groups:
            return
        self._listen("metadata", self._session.owner)
        self._listen("changes", self._session.owner)
        for topic in (GRANTS, DIRECTORY):
            self._subscribe(topic, self._on_rights)
        known = await self._snapshot(await read_entries(self._session))
        if known is None:
            return
        self._known = known
        if with_status:
            for each in known.values():
                if MESSAGE_NEW in each.events and not self._is_selected(each.collection):
                    wanted = ["MESSAGES", "UIDNEXT", "UIDVALIDITY"]
                    if FLAG_CHANGE in each.events:
                        wanted += ["UNSEEN", "HIGHESTMODSEQ"]
                    self._session.write(self._status(each, wanted))

    def close(self) -> None:
        """Nothing is told any more."""
        for unsubscribe in self._topics.values():
            unsubscribe()
        self._topics.clear()

    async def tell(self) -> None:
        """What is not as the client knows it."""
        self.stale = False
        changed, self._changed = self._changed, set()
        is_structural, self._is_structural = self._is_structural, False
        try:
            if is_structural or not await self._tell_of_few(changed):
                await self._tell_of_all()
        except DomainError:  # what could not be read is asked for again
            self.stale = self._is_structural = True
            raise
        self._tell_of_metadata()

    async def _tell_of_few(self, changed: Iterable[Key]) -> bool:
        """Of mailboxes that are where they were: the way of new messages and flags. False where one is not,
        and who may see it has to be asked."""
        for key in changed:
            try:
                collection = await self._collection(key)
            except NotFound:
                return False
            if collection.kind != KIND:
                continue
            standing = self._standing.get(key)
            if standing is None and Rights.LOOKUP not in await self._session.reach.rights(collection):
                continue
            if standing != standing_of(collection):
                return False
            if (old := self._known.get(key)) is not None:
                self._known[key] = new = replace(old, collection=collection)
                if not self._is_selected(collection):
                    self._tell_of_messages(old, new)
        return True

    async def _collection(self, key: Key) -> Collection:
        return await self._session.core.store.read(lambda tx: collections.get(tx, *key))

    async def _tell_of_all(self) -> None:
        entries = await read_entries(self._session)
        known = await self._snapshot(entries)
        if known is None:
            return
        before, self._known = self._known, known
        by_key = {key_of(entry.collection): entry for entry in entries if entry.collection is not None}
        names = {each.name for each in known.values()}
        for key, old in before.items():
            if key in known:
                continue
            if (entry := by_key.get(key)) is not None:  # still there, and watched no more
                await self._tell_of_name(old, known_as(entry, old.collection, frozenset()), entry)
            elif MAILBOX_NAME in old.events and old.name not in names and not self._is_own_name(old.name):
                name = self._session.name(old.name)
                self._session.write(b'* LIST (\\NonExistent) "/" %b\r\n' % name)
        former = {each.name for key, each in before.items() if key not in known}
        for key, new in known.items():
            await self._tell_of_name(before.get(key), new, by_key[key])
            if key not in before and new.name in former and MESSAGE_NEW in new.events:
                # Another mailbox of the same name: its uids are others (RFC 5465 §5.1).
                self._session.write(self._status(new, ("MESSAGES", "UIDNEXT", "UIDVALIDITY")))
            if not self._is_selected(new.collection):
                self._tell_of_messages(before.get(key), new)

    def wrote(self, written: Sequence[Item]) -> None:
        """Messages that one command of the client has put into a mailbox."""
        key = (written[0].owner, written[0].collection)
        self._written[key] = (written[0].modseq, written[-1].modseq)

    async def fetch_new(self, uids: Sequence[int]) -> None:
        """RFC 5465 §5.2: what the client wants of new messages in the selected mailbox."""
        if self.selected.items is not None and uids:
            await write_messages(self._session, self.selected.items, uids)

    # What has changed.

    async def _tell_of_name(self, old: Known | None, new: Known, entry: Entry) -> None:
        """RFC 5465 §5.4, §5.5: made, renamed, moved, with or without others below it, subscribed."""
        if self._is_own_name(new.name) or not is_listed_anew(old, new):
            return
        [line, *_] = await entry_lines(
            self._session, Request(show_subscribed=True), entry, has_child_info=False
        )
        if old is not None and old.name != new.name:  # RFC 5465 §5.4, oldname-extended-item
            line = b'%b ("OLDNAME" (%b))\r\n' % (line.removesuffix(b"\r\n"), self._session.name(old.name))
        self._session.write(line)

    def _tell_of_messages(self, old: Known | None, new: Known) -> None:
        """RFC 5465 §5.1 to §5.3, for mailboxes that are not selected."""
        if old is None or MESSAGE_NEW not in new.events:
            return
        was, now = old.collection, new.collection
        first, last = self._written.pop(key_of(now), (0, 0))
        if (was.modseq, now.modseq) == (first - 1, last):  # nothing but what the client has put there
            return
        wanted = status_items(old, new, has_modseq="CONDSTORE" in self._session.enabled)
        if wanted:
            self._session.write(self._status(new, wanted))

    def _tell_of_metadata(self) -> None:
        """RFC 5465 §5.6, §5.7, with the names of the entries (RFC 5464 §4.4.2)."""
        pending, self._metadata = self._metadata, {}
        for key, entries in pending.items():
            name = None
            if not key[1]:
                if any(SERVER_METADATA in group.events for group in self._groups):
                    name = ""
            elif (known := self._known.get(key)) is not None and MAILBOX_METADATA in known.events:
                name = known.name
            if name is not None:
                shown = " ".join(entries).encode("ascii")
                self._session.write(b"* METADATA %b %b\r\n" % (self._session.name(name), shown))

    def _status(self, known: Known, wanted: Sequence[str]) -> bytes:
        return status_line(self._session.name(known.name), known.collection, wanted, {})

    # What is known.

    async def _snapshot(self, entries: Iterable[Entry]) -> dict[Key, Known] | None:
        """The mailboxes that are watched. None where they are too many: then nothing is (RFC 5465 §5.8)."""
        found: dict[Key, Known] = {}
        self._standing = {}
        for entry in entries:
            collection = entry.collection
            if collection is None:
                continue
            self._standing[key_of(collection)] = standing_of(collection)
            if not (events := events_of(entry, self._groups)):
                continue
            if Rights.READ not in await self._session.reach.rights(collection):
                events -= {*MESSAGE_EVENTS, MAILBOX_METADATA}
            self._listen("changes", collection.owner)
            self._listen("metadata", collection.owner)
            found[key_of(collection)] = known_as(entry, collection, events)
            if len(found) > self._session.settings.notify_mailboxes:
                self._overflow()
                return None
        return found

    def _overflow(self) -> None:
        """RFC 5465 §5.8: as after NOTIFY NONE."""
        self.close()
        self._groups.clear()
        self._known.clear()
        self._metadata.clear()
        self.selected = Selected()
        text = "too much to watch; nothing is told any more"
        self._session.write(status(b"*", b"OK", text, "NOTIFICATIONOVERFLOW"))

    def _is_own_name(self, name: str) -> bool:
        """Whether the command being handled is about it, or about what is above or below it."""
        return any(f"{name}/".startswith(f"{own}/") or own.startswith(f"{name}/") for own in self.own_names)

    def _is_selected(self, collection: Collection) -> bool:
        selected = self._session.collection
        return selected is not None and key_of(selected) == key_of(collection)

    # What is heard.

    def _listen(self, kind: str, owner: int) -> None:
        if kind == "changes":
            self._subscribe(f"changes:{owner}", lambda hint: self._on_change(owner, hint))
        elif any({MAILBOX_METADATA, SERVER_METADATA} & group.events for group in self._groups):
            self._subscribe(mail_metadata.topic(owner), lambda data: self._on_metadata(owner, data))

    def _subscribe(self, topic: str, callback: Callable[[bytes], None]) -> None:
        if topic not in self._topics:
            self._topics[topic] = self._session.core.store.bus.subscribe(topic, callback)

    def _on_change(self, owner: int, hint: bytes) -> None:
        if hint:
            self._changed.add((owner, int(hint.split(b" ", 1)[0])))
        else:
            self._is_structural = True
        self._push()

    def _on_rights(self, _: bytes) -> None:
        self._is_structural = True
        self._push()

    def _push(self) -> None:
        self.stale = True
        self._session.updates.push()

    def _on_metadata(self, owner: int, data: bytes) -> None:
        collection, principal, entries = mail_metadata.parse_hint(data)
        if principal not in (0, self._session.owner) or (not collection and owner != self._session.owner):
            return
        pending = self._metadata.setdefault((owner, collection), {})
        prefix = "/private" if principal else "/shared"
        pending.update(dict.fromkeys(prefix + entry for entry in entries))
        if sum(map(len, self._metadata.values())) > MAX_ENTRIES:
            self._overflow()
        else:
            self._push()
