# SPDX-License-Identifier: Apache-2.0
"""SELECT, EXAMINE, CLOSE (RFC 3501 §6.3.1, §6.3.2, §6.4.2), UNSELECT (RFC 3691), CONDSTORE (RFC 7162)."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.imap.command import Ok
from armgs_server.imap.commands.expunge import expunge_deleted
from armgs_server.imap.commands.object_ids import mailbox_id
from armgs_server.imap.commands.qresync import Known, parse_parameter, write_changes
from armgs_server.imap.flag_rights import permitted
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import SYSTEM_FLAGS, defined_flags
from armgs_server.imap.updates import claim_recent
from armgs_server.imap.view import View
from armgs_server.storage import collections, mail_query
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# RFC 4314 §5.2: with none of these a mailbox is read-only.
_CHANGING = Rights.SEEN | Rights.WRITE | Rights.INSERT | Rights.DELETE_ITEMS | Rights.EXPUNGE
# Uids read before the loop goes on.
PAGE = 5000


async def handle_select(session: Session, cursor: Cursor) -> Ok:
    return await _select(session, cursor, read_only=False)


async def handle_examine(session: Session, cursor: Cursor) -> Ok:
    return await _select(session, cursor, read_only=True)


async def _select(session: Session, cursor: Cursor, *, read_only: bool) -> Ok:
    cursor.space()
    name = cursor.mailbox()
    known: list[Known | None] = []
    if not cursor.is_at_end():
        cursor.space()
        known = cursor.parenthesised(lambda: parse_parameter(session, cursor))
    cursor.end()
    # RFC 3501 §6.3.1: whatever becomes of this command, the mailbox before it is closed.
    was_selected = session.view is not None
    await session.leave()
    if was_selected and (session.is_rev2 or "QRESYNC" in session.enabled):
        session.write(b"* OK [CLOSED] the mailbox before is closed\r\n")  # RFC 9051 §7.1, RFC 7162 §3.2.11
    if known:
        session.enable_condstore()
    found = await session.reach.find(name, Rights.READ)

    async def work(tx: Tx) -> tuple[Collection, int | None, list[str]]:
        collection = await collections.get(tx, found.owner, found.id)
        return (
            collection,
            await mail_query.first_unseen(tx, collection),
            await mail_query.keywords(tx, found.owner, found.id),
        )

    collection, unseen, keywords = await session.core.store.read(work)
    uids = await read_uids(session, collection)
    view = View((), collection.modseq, keywords)
    view.recents = None if session.is_rev2 else []
    view.uid_only = "UIDONLY" in session.enabled
    rights = await session.reach.rights(collection)
    session.enter(collection, view, read_only=read_only or not rights & _CHANGING)
    if uids:
        await claim_recent(session, collection, view, uids[-1])
    view.uids = uids
    flags = defined_flags(keywords)
    permanent = b"" if session.read_only else _permanent(rights, keywords)
    lines = [b"* FLAGS (%b)\r\n* OK [PERMANENTFLAGS (%b)] kept\r\n" % (flags, permanent), view.exists()]
    tells_unseen = not session.is_rev2 and not view.uid_only
    if tells_unseen and unseen is not None and (number := view.number(unseen)):
        lines.append(b"* OK [UNSEEN %d] first unseen\r\n" % number)
    if session.is_rev2:  # RFC 9051 §6.3.2
        lines.append(b'* LIST () "/" %b\r\n' % session.name(name))
    lines.append(b"* OK [UIDVALIDITY %d] UIDs valid\r\n" % collection.uid_validity)
    lines.append(b"* OK [UIDNEXT %d] next UID\r\n" % collection.uid_next)
    lines.append(b"* OK [HIGHESTMODSEQ %d] highest\r\n" % collection.modseq)
    lines.append(b"* OK [MAILBOXID (%b)] its id\r\n" % mailbox_id(collection).encode("ascii"))
    session.write(b"".join(lines))
    for each in known:
        if each is not None and each.uid_validity == collection.uid_validity:
            await write_changes(session, each)
    return Ok("selected", "READ-ONLY" if session.read_only else "READ-WRITE")


def _permanent(rights: Rights, keywords: Iterable[str]) -> bytes:
    """RFC 4314 §5.2: the flags that the person may change."""
    names = [name for bit, name in SYSTEM_FLAGS if permitted(rights, bit, "")[0]]
    if Rights.WRITE in rights:
        names += [*(keyword.encode("ascii") for keyword in keywords), b"\\*"]
    return b" ".join(names)


async def read_uids(session: Session, collection: Collection) -> array[int]:
    """All uids, page by page. The view's modseq is older than they are: what happened meanwhile is told."""
    found = array("I")
    while True:
        page = await _page(session, collection, found[-1] if found else 0)
        found.extend(page)
        if len(page) < PAGE:
            return found
        await asyncio.sleep(0)


async def _page(session: Session, collection: Collection, after: int) -> list[int]:
    return await session.core.store.read(
        lambda tx: mail_query.uids(tx, collection.owner, collection.id, after, PAGE)
    )


async def handle_close(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.4.2: expunges without a word, where it may."""
    cursor.end()
    code = ""
    if not session.read_only:
        collection, _ = session.selected()
        rights = await session.reach.rights(collection)
        if Rights.EXPUNGE in rights:
            code = await expunge_deleted(session, None)
    await session.leave()
    return Ok("CLOSE completed", code)


async def handle_unselect(session: Session, cursor: Cursor) -> Ok:
    """RFC 3691"""
    cursor.end()
    await session.leave()
    return Ok("UNSELECT completed")
