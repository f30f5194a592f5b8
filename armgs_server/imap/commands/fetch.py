# SPDX-License-Identifier: Apache-2.0
"""FETCH, UID FETCH: RFC 3501 §6.4.5, §7.4.2, CHANGEDSINCE and MODSEQ (RFC 7162 §3.1.4).

Rows are read in slices and answered by joining bytes that were made when the message arrived; between
slices the loop goes on, and a slow client holds only its own command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.imap.command import Ok
from armgs_server.imap.commands.fetch_body import inline_message, write_message
from armgs_server.imap.commands.fetch_items import SLICE, Items, Plan, parse_items
from armgs_server.imap.commands.qresync import write_vanished
from armgs_server.imap.commands.search_return import Partial, parse_partial
from armgs_server.imap.grammar import Cursor, SequenceSet
from armgs_server.imap.message_limit import limit_runs, say
from armgs_server.imap.responses import bad
from armgs_server.imap.view import View
from armgs_server.storage import mail_query
from armgs_server.storage.mail_query import Selection
from armgs_server.storage.tx import Row, Standing, Tx

if TYPE_CHECKING:
    from armgs_server.imap.session import Session


# Rows of one query at the most: `slices` goes beyond a slice by less than that.
LIMIT = 2 * SLICE


async def handle_fetch(session: Session, cursor: Cursor) -> Ok:
    return await _fetch(session, cursor, by_uid=False)


async def handle_uid_fetch(session: Session, cursor: Cursor) -> Ok:
    return await _fetch(session, cursor, by_uid=True)


async def _fetch(session: Session, cursor: Cursor, *, by_uid: bool) -> Ok:
    cursor.space()
    wanted = cursor.sequence_set()
    cursor.space()
    items = parse_items(cursor)
    changed_since, vanished, partial = 0, False, None
    if not cursor.is_at_end():
        cursor.space()
        changed_since, vanished, partial = _modifiers(cursor)
    cursor.end()
    if vanished and not (by_uid and changed_since and "QRESYNC" in session.enabled):
        raise bad("VANISHED is for UID FETCH with CHANGEDSINCE, where QRESYNC is enabled")
    collection, view = session.selected()
    if changed_since or items.has_modseq:
        session.enable_condstore()
    # RFC 7162 §3.2.4: with QRESYNC every FETCH response has the UID.
    with_uid = (by_uid or "QRESYNC" in session.enabled) and not view.uid_only
    plan = Plan.make(items, view, with_uid=with_uid, with_modseq=bool(changed_since))
    # RFC 4314 §4: without the right to set \Seen it stays as it is, silently.
    marks = plan.sets_seen and not session.read_only and Rights.SEEN in await session.reach.rights(collection)
    runs = view.runs(wanted, by_uid=by_uid)
    if partial is not None:  # RFC 9394 §3.3
        chosen = partial.of(view.uids_of(runs))
        runs = view.runs(SequenceSet(tuple((uid, uid) for uid in chosen)), by_uid=True)
    runs, limit_code = limit_runs(session, view, runs)
    if vanished:
        await write_vanished(session, changed_since, wanted)
    missing = sum(end - first for first, end in runs)
    for turn, selection in enumerate(slices(view, runs, plan.slice_size, changed_since)):
        if turn:  # not behind the last one, so that what ends the command goes out with it
            await asyncio.sleep(0)
        if marks:
            await _mark_seen(session, selection, view)
        rows = await _rows(session, plan, selection, marked=marks)
        missing -= len(rows)
        if plan.keywords_at:
            session.tell_keywords({row[plan.keywords_at] for row in rows})
        if plan.sections:
            await _write_bodies(session, plan, rows)
        else:
            session.write(b"".join(_answers(plan, view, rows)))
        await session.stream.drain()
    # RFC 2180 §4.1.3: what was expunged meanwhile is left out; RFC 5530 §3 says so.
    is_short = missing and not changed_since and not by_uid
    return say(session, Ok("FETCH completed", "EXPUNGEISSUED" if is_short else ""), limit_code)


def _modifiers(cursor: Cursor) -> tuple[int, bool, Partial | None]:
    """fetch-modifiers: CHANGEDSINCE (RFC 7162 §3.1.4.1), VANISHED (§3.2.6) and PARTIAL (RFC 9394 §3.3)."""
    since, vanished = 0, False
    partial: Partial | None = None

    def modifier() -> None:
        nonlocal since, vanished, partial
        name = cursor.atom()
        if name == "VANISHED":
            vanished = True
        elif name == "PARTIAL":
            cursor.space()
            partial = parse_partial(cursor)
        elif name == "CHANGEDSINCE":
            cursor.space()
            since = cursor.mod_sequence()
            if not since:
                raise bad("CHANGEDSINCE must be positive")
        else:
            raise bad(f"no such modifier: {name}")

    cursor.parenthesised(modifier)
    return since, vanished, partial


def slices(
    view: View, runs: Sequence[tuple[int, int]], size: int, changed_since: int = 0
) -> Iterator[Selection]:
    """The runs of places in pieces of at most `size` messages: long runs as ranges, short ones gathered."""
    uids = view.uids
    gathered: list[int] = []
    for first, end in runs:
        if end - first < size // 4:
            gathered += uids[first:end]
            if len(gathered) >= size:
                yield Selection(gathered[0], gathered[-1], gathered, changed_since)
                gathered = []
            continue
        if gathered:
            yield Selection(gathered[0], gathered[-1], gathered, changed_since)
            gathered = []
        for at in range(first, end, size):
            yield Selection(uids[at], uids[min(at + size, end) - 1], None, changed_since)
    if gathered:
        yield Selection(gathered[0], gathered[-1], gathered, changed_since)


async def _rows(session: Session, plan: Plan, selection: Selection, *, marked: bool) -> list[Row]:
    """From the state that the client knows, its own changes included, or a later one."""
    collection, view = session.selected()

    async def work(tx: Tx) -> list[Row]:
        return await mail_query.select(
            tx, collection.owner, collection.id, plan.columns, selection, limit=LIMIT
        )

    if marked:  # \Seen was set a moment ago: the answer must have it
        return await session.core.store.read(work)
    known = Standing(collection.owner, collection.id, max(view.modseq, *view.own, 0))
    return await session.core.store.read_aside(work, as_of=known)


def _numbered(view: View, rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
    """What the client calls them, and the rows; those that it does not know are left out."""
    if view.uid_only:
        return ((row[0], row) for row in rows if view.number(row[0]))
    first = view.number(rows[0][0]) if rows else 0
    # Rows side by side in the view are numbered by counting.
    if first and view.number(rows[-1][0]) == first + len(rows) - 1:
        return enumerate(rows, first)
    return ((number, row) for row in rows if (number := view.number(row[0])))


async def write_messages(session: Session, items: Items, uids: Sequence[int]) -> None:
    r"""What is asked of messages that nobody has asked for by name (RFC 5465 §5.2); \Seen stays as it is."""
    _, view = session.selected()
    plan = Plan.make(items, view, with_uid="QRESYNC" in session.enabled, with_modseq=False)
    for at in range(0, len(uids), plan.slice_size):
        part = uids[at : at + plan.slice_size]
        rows = await _rows(session, plan, Selection(part[0], part[-1], part), marked=True)
        if plan.sections:
            await _write_bodies(session, plan, rows)
        else:
            session.write(b"".join(_answers(plan, view, rows)))
        await session.stream.drain()


def _answers(plan: Plan, view: View, rows: Sequence[Row]) -> Iterator[bytes]:
    """One line for each row."""
    line, values = plan.line, plan.values
    for number, row in _numbered(view, rows):
        yield line % (number, *[value(row) for value in values])


def _header_answers(plan: Plan, view: View, rows: Sequence[Row]) -> Iterator[bytes]:
    """The same with sections of the header, for rows that brought it."""
    line, values, cuts = plan.line, plan.values, plan.cuts
    for number, row in _numbered(view, rows):
        header = row[-1]
        pieces: list[int | bytes] = []
        for cut in cuts:
            octets = cut(header)
            pieces += (len(octets), octets)
        yield line % (number, *[value(row) for value in values], *pieces)


async def _write_bodies(session: Session, plan: Plan, rows: Sequence[Row]) -> None:
    """Messages with their row at once, those in files one by one."""
    _, view = session.selected()
    if plan.header_only and all(row[-1] is not None for row in rows):
        session.write(b"".join(_header_answers(plan, view, rows)))
        return
    for row in rows:
        opening = view.opening(row[0])
        if opening and row[-1] is not None:
            session.write(b"%b%b)\r\n" % (opening, inline_message(plan, row)))
        elif opening:
            await write_message(session, plan, row, opening)
            await session.stream.drain()


async def _mark_seen(session: Session, selection: Selection, view: View) -> None:
    """Before the bodies go out: RFC 3501 §6.4.5 wants the flag in the same response."""
    collection, _ = session.selected()

    async def unseen(tx: Tx) -> list[int]:
        rows = await mail_query.select(
            tx,
            collection.owner,
            collection.id,
            "",
            selection,
            where=" AND (i.flags & 1) = 0",
            limit=LIMIT,
        )
        return [row[0] for row in rows]

    uids = await session.core.store.read(unseen)
    if uids:
        modseq = await session.core.store.write(lambda tx: mail_query.mark_seen(tx, collection, uids))
        if "CONDSTORE" not in session.enabled:  # else the new MODSEQ is told as an update
            view.own.add(modseq or 0)
