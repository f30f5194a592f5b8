# SPDX-License-Identifier: Apache-2.0
"""REPLACE, UID REPLACE: RFC 8508. The new message is there and the old one is gone, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.imap.command import Ok
from armgs_server.imap.commands.message_input import MessageInput
from armgs_server.imap.grammar import STAR, Cursor, SequenceSet
from armgs_server.imap.responses import bad, no, status
from armgs_server.storage import items
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.imap.session import Session


async def handle_replace(session: Session, cursor: Cursor) -> Ok:
    return await _replace(session, cursor, by_uid=False)


async def handle_uid_replace(session: Session, cursor: Cursor) -> Ok:
    return await _replace(session, cursor, by_uid=True)


async def _replace(session: Session, cursor: Cursor, *, by_uid: bool) -> Ok:
    cursor.space()
    wanted = _one(cursor)
    cursor.space()
    name = cursor.mailbox()
    origin, view = session.writable()
    await session.reach.check(origin, Rights.DELETE_ITEMS | Rights.EXPUNGE)
    uids = view.uids_of(view.runs(wanted, by_uid=by_uid))
    if len(uids) != 1:  # RFC 8508 §3.3
        raise no("no such message", "NONEXISTENT")
    target, [message] = await MessageInput(session, cursor).read(name, Rights.INSERT, limit=1)

    async def work(tx: Tx) -> int:
        if await items.get(tx, origin.owner, origin.id, uids[0]) is None:
            raise no("the message was expunged", "EXPUNGEISSUED")
        # first the old one goes, so that it does not count against the quota
        await items.remove(tx, origin, uids)
        return (await message.append(tx, target)).uid

    uid = await session.core.store.write(work)
    # RFC 8508 §3.4: APPENDUID goes before the EXPUNGE of the old one
    session.write(status(b"*", b"OK", "replacement", f"APPENDUID {target.uid_validity} {uid}"))
    return Ok("REPLACE completed")


def _one(cursor: Cursor) -> SequenceSet:
    """seq-number: one message."""
    wanted = cursor.sequence_set()
    if wanted.saved or len(wanted.ranges) != 1 or wanted.ranges[0][0] != wanted.ranges[0][1]:
        raise bad("one message is replaced by one")
    assert wanted.ranges[0][0] <= STAR
    return wanted
