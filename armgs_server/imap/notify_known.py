# SPDX-License-Identifier: Apache-2.0
"""A mailbox as a client was told of it, held against what it is now: what NOTIFY tells (RFC 5465 §5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from armgs_server.imap.commands.list_entries import Entry
from armgs_server.imap.notify_groups import FLAG_CHANGE, MAILBOX_NAME, SUBSCRIPTION_CHANGE
from armgs_server.storage.collections import Collection
from armgs_server.storage.mailboxes import is_empty_name

Key: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Known:
    """A mailbox as the client was told of it."""

    name: str
    events: frozenset[str]
    collection: Collection
    has_children: bool
    is_selectable: bool
    is_subscribed: bool


def known_as(entry: Entry, collection: Collection, events: frozenset[str]) -> Known:
    """A mailbox as it is listed now, and what of it is told."""
    return Known(entry.name, events, collection, entry.has_children, entry.is_selectable, entry.is_subscribed)


def is_listed_anew(old: Known | None, new: Known) -> bool:
    """RFC 5465 §5.4, §5.5: made, renamed, with or without others below it, emptied to a name, subscribed to
    or not."""
    if old is None:
        return MAILBOX_NAME in new.events
    events = new.events | old.events
    is_other = (old.name, old.has_children, old.is_selectable) != (
        new.name,
        new.has_children,
        new.is_selectable,
    )
    return (MAILBOX_NAME in events and is_other) or (
        SUBSCRIPTION_CHANGE in events and old.is_subscribed != new.is_subscribed
    )


def status_items(old: Known, new: Known, *, has_modseq: bool) -> list[str]:
    """RFC 5465 §5.1 to §5.3: what STATUS says of messages that came, went or changed."""
    was, now = old.collection, new.collection
    wanted = []
    if (was.items, was.uid_next) != (now.items, now.uid_next):
        wanted += ["MESSAGES", "UIDNEXT"]
    if FLAG_CHANGE in new.events and was.unseen != now.unseen:
        wanted.append("UNSEEN")
    if has_modseq and was.modseq != now.modseq and (wanted or FLAG_CHANGE in new.events):
        wanted += ["UIDVALIDITY", "HIGHESTMODSEQ"]
    return wanted


def standing_of(collection: Collection) -> tuple[object, ...]:
    """What decides where a mailbox is in the tree, and who watches it."""
    where = (collection.parent, collection.name, collection.role, is_empty_name(collection))
    return (*where, collection.subscribed, collection.uid_validity)


def key_of(collection: Collection) -> Key:
    return collection.owner, collection.id
