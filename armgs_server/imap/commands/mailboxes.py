# SPDX-License-Identifier: Apache-2.0
"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE: RFC 3501 §6.3.3–§6.3.7, CREATE-SPECIAL-USE (RFC 6154)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.directory.access import EVERYTHING, READ_WRITE
from armgs_server.errors import AlreadyExists, Conflict, Denied, NotFound
from armgs_server.imap.command import Ok
from armgs_server.imap.commands.list import ROLES
from armgs_server.imap.commands.list_entries import is_shown
from armgs_server.imap.commands.object_ids import mailbox_id
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.mailbox_names import DELIMITER, INBOX, segments
from armgs_server.imap.namespaces import OTHER_USERS, SHARED, Place
from armgs_server.imap.responses import bad, no
from armgs_server.storage import (
    accounts,
    chat_folders,
    collections,
    items,
    mailboxes,
    restored,
    subscriptions,
    transfer,
    trees,
)
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

KIND = "mail"
# Mailboxes of one account.
MAX_MAILBOXES = 10_000
# Messages moved in one transaction when INBOX is renamed.
BATCH = 1000


async def handle_create(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.3.3: levels above that are missing are made; a name may end in the delimiter."""
    cursor.space()
    name = cursor.mailbox()
    role = ""
    if not cursor.is_at_end():
        cursor.space()
        role = _use(cursor)
    cursor.end()
    place = await session.reach.place(name.removesuffix(DELIMITER), "CANNOT")
    path = segments(DELIMITER.join(place.path))
    if place.prefix and role:
        raise no("special uses are of the person's own mailboxes", "USEATTR")
    await _check_above(session, place, path)
    owner, person = place.owner.id, session.owner
    is_new_top = bool(place.prefix) and place.owner.kind != "person" and len(path) == 1

    async def work(tx: Tx) -> Collection:
        found = await collections.by_path(tx, owner, KIND, path)
        if found is not None and not mailboxes.is_empty_name(found):
            raise AlreadyExists("the mailbox exists")
        if len(await collections.all_of(tx, owner, KIND)) + len(path) > MAX_MAILBOXES:
            raise no(f"more than {MAX_MAILBOXES} mailboxes", "LIMIT")
        if role and await collections.by_role(tx, owner, KIND, role) is not None:
            raise no("another mailbox has that use", "USEATTR")  # RFC 6154 §3
        subscribed = await _was_subscribed(tx, place, path)
        if found is not None:
            return await mailboxes.revive(tx, found, role, subscribed)
        if place.owner.kind != "person":
            await accounts.provide(tx, owner)
        parent = await _make(tx, owner, path[:-1])
        made = await collections.create(
            tx, owner, KIND, path[-1], parent=parent, role=role, subscribed=subscribed
        )
        if is_new_top:  # a shared mailbox is its group's, and of who made it
            await session.core.directory.access.grant(tx, made, owner, READ_WRITE)
            await session.core.directory.access.grant(tx, made, person, EVERYTHING)
        return made

    made = await session.core.store.write(work)
    session.updates.named(name.removesuffix(DELIMITER))
    return Ok("CREATE completed", f"MAILBOXID ({mailbox_id(made)})")  # RFC 8474 §4.1


async def _was_subscribed(tx: Tx, place: Place, path: Sequence[str]) -> int:
    """Whether a mailbox that comes back was subscribed to (RFC 3501 §6.3.6); of others the names are kept."""
    if place.prefix:
        return 0
    return int(await subscriptions.discard(tx, place.owner.id, DELIMITER.join(path)))


async def _check_above(session: Session, place: Place, path: Sequence[str]) -> None:
    """RFC 4314 §4: CREATE, on the nearest mailbox above that there is. Who may not see it, learns nothing."""
    if not place.prefix:
        if path[0] in (OTHER_USERS, SHARED):
            raise no("that name is a namespace's", "CANNOT")
        top = await session.core.store.read(lambda tx: collections.find(tx, place.owner.id, KIND, path[0]))
        if top is not None and (restored.is_inside(top) or chat_folders.is_inside(top)):
            raise no("what is there comes by itself", "CANNOT")
        return

    async def work(tx: Tx) -> Collection | None:
        above = None
        for end in range(1, len(path)):
            found = await collections.by_path(tx, place.owner.id, KIND, path[:end])
            above = found or above
        return above

    above = await session.core.store.read(work)
    if above is not None:
        await session.reach.check(above, Rights.CREATE)
    elif Rights.CREATE not in await session.reach.account_rights(place.owner.id):
        raise Denied()


def _use(cursor: Cursor) -> str:
    """create-param = "USE" SP "(" [use-attr *(SP use-attr)] ")" """
    cursor.expect(b"(")
    if cursor.atom() != "USE":
        raise bad("USE expected")
    cursor.space()
    roles = [ROLES.get(attribute, "") for attribute in cursor.parenthesised(cursor.use_attribute)]
    cursor.expect(b")")
    if len(roles) > 1 or "" in roles:
        raise no("not a use that a mailbox can have here", "USEATTR")
    return roles[0] if roles else ""


async def _make(tx: Tx, owner: int, path: Sequence[str]) -> int:
    """The collection of a path, made level by level where it is missing."""
    parent = 0
    for name in path:
        found = await collections.find(tx, owner, KIND, name, parent)
        if found is None:
            found = await collections.create(tx, owner, KIND, name, parent=parent)
        parent = found.id
    return parent


async def handle_delete(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.3.4: with others below it a mailbox loses its messages, and its name is kept."""
    cursor.space()
    name = cursor.mailbox()
    cursor.end()
    if name == INBOX:
        raise no("INBOX cannot be deleted", "CANNOT")
    found = await session.reach.find(name, Rights.DELETE_COLLECTION, may_be_empty_name=True)
    if found.role == "inbox":
        raise no("INBOX cannot be deleted", "CANNOT")
    if session.collection is not None and _key(session.collection) == _key(found):
        await session.leave()

    async def work(tx: Tx) -> None:
        mailbox = await collections.get(tx, found.owner, found.id)
        if mailbox.subscribed and found.owner == session.owner:  # RFC 3501 §6.3.6: stays subscribed
            await subscriptions.add(tx, found.owner, name)
        if session.settings.undelete_days:
            await restored.throw_all(tx, mailbox)
        try:
            await mailboxes.delete(tx, mailbox)
        except Conflict as error:  # RFC 9051 §6.3.5
            raise no(error.text, "HASCHILDREN") from error

    await session.core.store.write(work)
    session.updates.named(name)
    return Ok("DELETE completed")


def _key(collection: Collection) -> tuple[int, int]:
    return collection.owner, collection.id


async def handle_rename(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.3.5, within one owner's mailboxes."""
    cursor.space()
    old = cursor.mailbox()
    cursor.space()
    new = cursor.mailbox()
    cursor.end()
    place = await session.reach.place(new.removesuffix(DELIMITER), "CANNOT")
    path = segments(DELIMITER.join(place.path))
    found = await session.reach.find(old, Rights.DELETE_COLLECTION, may_be_empty_name=True)
    owner = place.owner.id
    if found.owner != owner:
        raise no("a mailbox stays with its owner", "CANNOT")
    await _check_above(session, place, path)
    is_inbox = found.role == "inbox"

    async def work(tx: Tx) -> Collection:
        if await collections.by_path(tx, owner, KIND, path) is not None:
            raise AlreadyExists("the mailbox exists")
        source = await collections.get(tx, found.owner, found.id)
        parent = await _make(tx, owner, path[:-1])
        if is_inbox:  # its messages move to the new name, INBOX stays, empty
            return await collections.create(tx, owner, KIND, path[-1], parent=parent)
        renamed = await trees.rename(tx, source, parent=parent, name=path[-1])
        await mailboxes.prune(tx, owner, source.parent)
        return renamed

    target = await session.core.store.write(work)
    session.updates.named(old, new.removesuffix(DELIMITER))
    if is_inbox:
        await _move_all(session, found, target)
    return Ok("RENAME completed")


async def _move_all(session: Session, source: Collection, target: Collection) -> None:
    async def work(tx: Tx) -> int:
        batch = await items.scan(tx, source.owner, source.id, limit=BATCH)
        await transfer.move(tx, batch, source, target)
        return len(batch)

    while await session.core.store.write(work) == BATCH:
        pass


async def handle_subscribe(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.3.6"""
    return await _subscribe(session, cursor, 1)


async def handle_unsubscribe(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.3.7"""
    return await _subscribe(session, cursor, 0)


async def _subscribe(session: Session, cursor: Cursor, subscribed: int) -> Ok:
    cursor.space()
    name = cursor.mailbox()
    cursor.end()
    person = session.owner
    done = Ok("SUBSCRIBE completed" if subscribed else "UNSUBSCRIBE completed")
    if not subscribed and await session.core.store.write(lambda tx: subscriptions.discard(tx, person, name)):
        return done
    found = await session.reach.find(name, Rights.LOOKUP, may_be_empty_name=True)

    async def work(tx: Tx) -> None:
        try:
            current = await collections.get(tx, found.owner, found.id)
        except NotFound:
            raise no("no such mailbox", "NONEXISTENT") from None
        if found.owner != person:  # of others' mailboxes each person keeps the names
            if subscribed:
                await subscriptions.add(tx, person, name)
            elif is_shown(name, current):
                raise no("it is shown to all who reach it", "CANNOT")
        elif current.subscribed != subscribed:
            await collections.update(tx, current, subscribed=subscribed)

    await session.core.store.write(work)
    session.updates.named(name)
    return done
