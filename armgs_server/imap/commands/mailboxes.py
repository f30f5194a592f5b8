# SPDX-License-Identifier: Apache-2.0
"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE: RFC 3501 §6.3.3–§6.3.7, CREATE-SPECIAL-USE (RFC 6154)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.errors import AlreadyExists, NotFound
from armgs_server.imap.command import Ok
from armgs_server.imap.commands.list import ROLES
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.mailbox_names import DELIMITER, INBOX, segments
from armgs_server.imap.responses import bad, no
from armgs_server.storage import collections, items, subscriptions, transfer, trees
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
    path = segments(name.removesuffix(DELIMITER))
    owner = session.owner

    async def work(tx: Tx) -> None:
        if await collections.by_path(tx, owner, KIND, path) is not None:
            raise AlreadyExists("the mailbox exists")
        if len(await collections.all_of(tx, owner, KIND)) + len(path) > MAX_MAILBOXES:
            raise no(f"more than {MAX_MAILBOXES} mailboxes", "LIMIT")
        if role and await collections.by_role(tx, owner, KIND, role) is not None:
            raise no("another mailbox has that use", "USEATTR")  # RFC 6154 §3
        parent = await _make(tx, owner, path[:-1])
        subscribed = await subscriptions.discard(tx, owner, DELIMITER.join(path))
        await collections.create(
            tx, owner, KIND, path[-1], parent=parent, role=role, subscribed=int(subscribed)
        )

    await session.core.store.write(work)
    return Ok("CREATE completed")


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
    """RFC 3501 §6.3.4. A mailbox with others below it is not deleted (RFC 9051 §6.3.5, HASCHILDREN)."""
    cursor.space()
    name = cursor.mailbox()
    cursor.end()
    if name == INBOX:
        raise no("INBOX cannot be deleted", "CANNOT")
    found = await session.mailbox(name, Rights.DELETE_COLLECTION)
    if session.collection is not None and session.collection.id == found.id:
        await session.leave()

    async def work(tx: Tx) -> None:
        if await collections.children(tx, found.owner, found.id, KIND):
            raise no("there are mailboxes below it", "HASCHILDREN")
        mailbox = await collections.get(tx, found.owner, found.id)
        if mailbox.subscribed:  # RFC 3501 §6.3.6: the name stays subscribed
            await subscriptions.add(tx, found.owner, name)
        await trees.delete(tx, mailbox)

    await session.core.store.write(work)
    return Ok("DELETE completed")


async def handle_rename(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.3.5"""
    cursor.space()
    old = cursor.mailbox()
    cursor.space()
    new = cursor.mailbox()
    cursor.end()
    path = segments(new.removesuffix(DELIMITER))
    found = await session.mailbox(old, Rights.DELETE_COLLECTION)
    owner = session.owner

    async def work(tx: Tx) -> Collection:
        if await collections.by_path(tx, owner, KIND, path) is not None:
            raise AlreadyExists("the mailbox exists")
        source = await collections.get(tx, found.owner, found.id)
        parent = await _make(tx, owner, path[:-1])
        if old == INBOX:  # its messages move to the new name, INBOX stays, empty
            return await collections.create(tx, owner, KIND, path[-1], parent=parent)
        return await trees.rename(tx, source, parent=parent, name=path[-1])

    target = await session.core.store.write(work)
    if old == INBOX:
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
    if not subscribed:
        owner = session.owner
        if await session.core.store.write(lambda tx: subscriptions.discard(tx, owner, name)):
            return Ok("UNSUBSCRIBE completed")
    found = await session.mailbox(name, Rights.LOOKUP)

    async def work(tx: Tx) -> None:
        try:
            current = await collections.get(tx, found.owner, found.id)
        except NotFound:
            raise no("no such mailbox", "NONEXISTENT") from None
        if current.subscribed != subscribed:
            await collections.update(tx, current, subscribed=subscribed)

    await session.core.store.write(work)
    return Ok("SUBSCRIBE completed" if subscribed else "UNSUBSCRIBE completed")
