# SPDX-License-Identifier: Apache-2.0
"""COPY, MOVE and their UID forms: RFC 3501 §6.4.7, RFC 6851, COPYUID (RFC 4315 §3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.directory.access import EVERYTHING
from armgs_server.imap.command import Ok
from armgs_server.imap.flag_rights import permitted
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.message_limit import limit_uids, say
from armgs_server.imap.responses import no, number_set, status
from armgs_server.storage import collections, items, training, transfer
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.imap.session import Session


async def handle_copy(session: Session, cursor: Cursor) -> Ok:
    return await _transfer(session, cursor, by_uid=False, is_move=False)


async def handle_uid_copy(session: Session, cursor: Cursor) -> Ok:
    return await _transfer(session, cursor, by_uid=True, is_move=False)


async def handle_move(session: Session, cursor: Cursor) -> Ok:
    return await _transfer(session, cursor, by_uid=False, is_move=True)


async def handle_uid_move(session: Session, cursor: Cursor) -> Ok:
    return await _transfer(session, cursor, by_uid=True, is_move=True)


async def _transfer(session: Session, cursor: Cursor, *, by_uid: bool, is_move: bool) -> Ok:
    cursor.space()
    wanted = cursor.sequence_set()
    cursor.space()
    name = cursor.mailbox()
    cursor.end()
    origin, view = session.writable() if is_move else session.selected()
    await session.reach.check(
        origin, Rights.READ | (Rights.DELETE_ITEMS | Rights.EXPUNGE if is_move else Rights(0))
    )
    target = await session.reach.find(name, Rights.INSERT, missing="TRYCREATE")
    held = await session.reach.rights(target)
    uids, limit_code = limit_uids(session, view.uids_of(view.runs(wanted, by_uid=by_uid)))
    if limit_code and not is_move:  # RFC 3501 §6.4.7: all or nothing
        raise no("too many messages", limit_code)

    is_taught = bool(session.core.config.trust.rspamd_controller)
    lesson = training.lesson_of_move(origin, target) if is_taught else None

    # RFC 3501 §6.4.7: all or nothing, so one transaction whatever the number.
    async def work(tx: Tx) -> tuple[Sequence[int], Sequence[Item]]:
        into = await collections.get(tx, target.owner, target.id)
        source = await items.by_uids(tx, origin.owner, origin.id, uids)
        if len(source) < len(uids) and not by_uid:  # RFC 2180 §4.4.1
            raise no("some of the messages were expunged", "EXPUNGEISSUED")
        if is_move and held == EVERYTHING:
            arrived = await transfer.move(tx, source, origin, into)
        else:
            shown = [_with_flags(item, *permitted(held, item.flags, item.keywords)) for item in source]
            arrived = await transfer.copy(tx, shown, into)
            if is_move:
                await items.remove(tx, origin, uids)
        if lesson is not None and source:
            await training.add(tx, origin.owner, [item.blob for item in source], is_spam=lesson)
        return [item.uid for item in source], arrived

    source_uids, arrived = await session.core.store.write(work)
    session.updates.wrote(arrived)
    if not source_uids:
        return Ok("no messages")
    sets = b"%b %b" % (number_set(source_uids), number_set(item.uid for item in arrived))
    code = f"COPYUID {target.uid_validity} {sets.decode('ascii')}"
    if is_move:
        # RFC 6851 §4.3: COPYUID goes before the EXPUNGE responses
        session.write(status(b"*", b"OK", "moved", code))
        return say(session, Ok("MOVE completed"), limit_code)
    return Ok("COPY completed", code)


def _with_flags(item: Item, flags: int, keywords: str) -> Item:
    return item._replace(flags=flags, keywords=keywords)
