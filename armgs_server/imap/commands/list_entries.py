# SPDX-License-Identifier: Apache-2.0
"""The mailboxes that a person sees, by their whole names: the person's own, and those of others on which
there is the right to LOOKUP (RFC 4314 §4), below their namespaces (RFC 2342)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.imap.chats import discover, is_hidden
from armgs_server.imap.mailbox_names import DELIMITER, INBOX
from armgs_server.imap.namespaces import SHARED, prefix_of
from armgs_server.storage import collections, subscriptions
from armgs_server.storage.collections import Collection
from armgs_server.storage.mailboxes import is_empty_name

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

KIND = "mail"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name; `collection` is None where it is a level of a namespace and no mailbox."""

    name: str
    collection: Collection | None
    has_children: bool
    is_subscribed: bool
    subscribed_below: bool

    @property
    def is_selectable(self) -> bool:
        return self.collection is not None and not is_empty_name(self.collection)


async def read_entries(session: Session) -> list[Entry]:
    """In the order of the names, INBOX first."""
    await discover(session)
    owner = session.owner
    own = await session.core.store.read(lambda tx: collections.all_of(tx, owner, KIND))
    found = dict(_named(each for each in own if not is_hidden(session.core, each)))
    subscribed = {name for name, each in found.items() if each.subscribed}
    others = await _of_others(session)
    if others:
        found.update(others)
        names = await session.core.store.read(lambda tx: subscriptions.names(tx, owner))
        subscribed.update(name for name in names if name in others)
        subscribed.update(name for name, each in others.items() if is_shown(name, each))
    return entries(found, subscribed)


def is_shown(name: str, mailbox: Collection) -> bool:
    """Whether a mailbox is subscribed to by all who reach it: those of a post are (directory.posts)."""
    return bool(mailbox.subscribed) and name.startswith(SHARED + DELIMITER)


def entries(mailboxes: Mapping[str, Collection], subscribed: Iterable[str]) -> list[Entry]:
    """Every mailbox and every level above one."""
    chosen = set(subscribed)
    names: dict[str, Collection | None] = dict(mailboxes)
    parents: set[str] = set()
    below: set[str] = set()
    for name in mailboxes:
        for above in levels_above(name):
            parents.add(above)
            names.setdefault(above, None)
            if name in chosen:
                below.add(above)
    found = [
        Entry(name, collection, name in parents, name in chosen, name in below)
        for name, collection in names.items()
    ]
    found.sort(key=lambda entry: (entry.name != INBOX, entry.name.casefold(), entry.name))
    return found


def levels_above(name: str) -> Iterable[str]:
    """The names that a name is below, the nearest first."""
    while DELIMITER in name:
        name = name.rpartition(DELIMITER)[0]
        yield name


def _named(mailboxes: Iterable[Collection]) -> Iterable[tuple[str, Collection]]:
    """Whole names within one owner's tree."""
    by_id = {each.id: each for each in mailboxes}
    names: dict[int, str] = {}

    def name_of(number: int) -> str:
        if number not in names:
            each = by_id[number]
            above = name_of(each.parent) + DELIMITER if each.parent in by_id else ""
            names[number] = above + each.name
        return names[number]

    return [(name_of(each.id), each) for each in by_id.values()]


async def _of_others(session: Session) -> dict[str, Collection]:
    """What others have shared with the person, and what is shared below it."""
    directory, store = session.core.directory, session.core.store
    found: dict[str, Collection] = {}
    for owner in {top.owner for top in await directory.access.shared_with(session.person, KIND)}:
        principal = await directory.by_id(owner)
        if principal is None or not principal.address:
            continue
        prefix = prefix_of(principal)
        for name, each in _named(await store.read(lambda tx, of=owner: collections.all_of(tx, of, KIND))):  # type: ignore[misc]
            if Rights.LOOKUP in await session.reach.rights(each):
                found[prefix + name] = each
    return found
