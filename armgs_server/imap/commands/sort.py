# SPDX-License-Identifier: Apache-2.0
"""SORT, THREAD and their UID forms: RFC 5256, SORT=DISPLAY (RFC 5957), ESORT and UPDATE (RFC 5267), RELEVANCY
(RFC 6203 §6).

A search first; then the columns of what was found are read, page by page.
"""

from __future__ import annotations

import asyncio
import copy
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from armgs_server.formats.base_subject import base_subject, casemap
from armgs_server.formats.mime_address import parse_address_list
from armgs_server.imap import message_limit, threads
from armgs_server.imap.command import Ok
from armgs_server.imap.commands.search import check_charset, matching, refuse_update, shown
from armgs_server.imap.commands.search_find import Finder, Found
from armgs_server.imap.commands.search_keys import parse_query
from armgs_server.imap.commands.search_query import Query
from armgs_server.imap.commands.search_return import check_relevancy, esearch, parse_return, saved
from armgs_server.imap.contexts import Context
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import bad
from armgs_server.imap.threads import Message
from armgs_server.storage import clock, mail_query
from armgs_server.storage.mail_query import Selection
from armgs_server.storage.tx import Row

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

PAGE = 500
# Criteria of one SORT.
MAX_CRITERIA = 20

Key: TypeAlias = Callable[[Any], Any]


def _subject(text: str) -> str:
    return casemap(base_subject(text)[0])


def _mailbox(text: str) -> str:
    """The local part of the first address (RFC 5256 §3: addr-mailbox)."""
    found = parse_address_list(text.encode("utf-8"))
    return casemap((found[0].mailbox or b"").decode("utf-8", "replace")) if found else ""


def _display(text: str) -> str:
    """The name of the first address, or the address (RFC 5957 §2)."""
    found = parse_address_list(text.encode("utf-8"))
    if not found:
        return ""
    name, _, mailbox, host = found[0]
    return casemap((name or b"@".join((mailbox or b"", host or b""))).decode("utf-8", "replace"))


# sort-key (RFC 5256 §5): the column, and what of it is compared.
CRITERIA: Mapping[str, tuple[str, Key | None]] = {
    "ARRIVAL": ("i.created", None),
    "CC": ("m.cc", _mailbox),
    "DATE": ("m.sent", None),
    "DISPLAYFROM": ("m.sender", _display),
    "DISPLAYTO": ("m.recipients", _display),
    "FROM": ("m.sender", _mailbox),
    "SIZE": ("i.size", None),
    "SUBJECT": ("m.subject", _subject),
    "TO": ("m.recipients", _mailbox),
}
RELEVANCY = "RELEVANCY"


async def handle_sort(session: Session, cursor: Cursor) -> Ok:
    return await _sort(session, cursor, by_uid=False)


async def handle_uid_sort(session: Session, cursor: Cursor) -> Ok:
    return await _sort(session, cursor, by_uid=True)


async def handle_thread(session: Session, cursor: Cursor) -> Ok:
    return await _thread(session, cursor, by_uid=False)


async def handle_uid_thread(session: Session, cursor: Cursor) -> Ok:
    return await _thread(session, cursor, by_uid=True)


async def _sort(session: Session, cursor: Cursor, *, by_uid: bool) -> Ok:
    """sort = ["UID" SP] "SORT" [SP return] SP sort-criteria SP search-criteria"""
    cursor.space()
    wanted = parse_return(cursor)
    criteria = cursor.parenthesised(lambda: _criterion(cursor))
    if not 1 <= len(criteria) <= MAX_CRITERIA:
        raise bad("sort key expected")
    query, program, found = await _found(session, cursor)
    is_by_relevancy = any(name == RELEVANCY for name, _ in criteria)
    check_relevancy(wanted, is_fuzzy=query.is_fuzzy)
    if is_by_relevancy and not query.is_fuzzy:
        raise bad("RELEVANCY needs a FUZZY search key")
    ordered = await _sorted(session, found, criteria)
    view = session.selected()[1]
    results = shown(view, ordered, by_uid=by_uid)
    if wanted is None:
        session.write(b" ".join([b"* SORT", *(b"%d" % number for number in results.numbers)]) + b"\r\n")
        return Ok("SORT completed")
    if "SAVE" in wanted.options:
        view.saved = saved(ordered.uids, wanted)
    if "UPDATE" in wanted.options:
        context = Context(
            session.tag,
            by_uid,
            array("I", ordered.uids),
            matching(session, program),
            lambda among, uid: place_of(session, among, uid, criteria),
        )
        if query.is_fleeting or is_by_relevancy or not session.updates.contexts.keep(context):
            refuse_update(session, wanted)
    if not wanted.is_quiet:
        session.write(esearch(session.tag, results, wanted, by_uid=by_uid))
    return Ok("SORT completed")


def _criterion(cursor: Cursor) -> tuple[str, bool]:
    """sort-criterion = ["REVERSE" SP] sort-key"""
    name = cursor.atom()
    reverse = name == "REVERSE"
    if reverse:
        cursor.space()
        name = cursor.atom()
    if name not in CRITERIA and name != RELEVANCY:
        raise bad(f"no such sort key: {name}")
    return name, reverse


async def _found(session: Session, cursor: Cursor) -> tuple[Query, Cursor, Found]:
    """search-criteria = charset 1*(SP search-key); the keys are also given back unread."""
    cursor.space()
    check_charset(cursor.astring())
    cursor.space()
    collection, view = session.selected()
    program = copy.copy(cursor)
    query = parse_query(cursor, view, clock.now())
    cursor.end()
    if query.has_modseq:
        session.enable_condstore()
    message_limit.check(session, sum(end - first for first, end in query.runs))
    return query, program, await Finder(session, collection, view, query).find()


async def _columns(session: Session, uids: Sequence[int], columns: str) -> list[Row]:
    collection, _ = session.selected()
    rows: list[Row] = []
    for at in range(0, len(uids), PAGE):
        part = uids[at : at + PAGE]
        chosen = Selection(part[0], part[-1], part)
        rows += await session.core.store.read(
            lambda tx, chosen=chosen: mail_query.select(  # type: ignore[misc]
                tx, collection.owner, collection.id, columns, chosen, limit=PAGE
            )
        )
        await asyncio.sleep(0)
    return rows


async def _sorted(session: Session, found: Found, criteria: Sequence[tuple[str, bool]]) -> Found:
    """From the last criterion to the first, each sort keeping the order of what is equal; messages that are
    equal in all stay in the order of the mailbox (RFC 5256 §3)."""
    columns = list(dict.fromkeys(CRITERIA[name][0] for name, _ in criteria if name != RELEVANCY))
    rows = await _columns(session, found.uids, ", ".join(columns))
    scores = dict(zip(found.uids, found.scores, strict=True)) if found.scores else {}
    for name, reverse in reversed(criteria):
        if name == RELEVANCY:  # RFC 6203 §6: the most relevant first
            rows.sort(key=lambda row: scores[row[0]], reverse=not reverse)
            continue
        column, key = CRITERIA[name]
        place = 1 + columns.index(column)
        if key is None:
            rows.sort(key=lambda row, place=place: row[place], reverse=reverse)  # type: ignore[misc]
        else:
            made = {text: key(text) for text in {row[place] for row in rows}}
            rows.sort(
                key=lambda row, made=made, place=place: made[row[place]],  # type: ignore[misc]
                reverse=reverse,
            )
    modseqs = dict(zip(found.uids, found.modseqs, strict=True)) if found.modseqs else {}
    uids = [row[0] for row in rows]
    return Found(uids, [modseqs[uid] for uid in uids if modseqs], [scores[uid] for uid in uids if scores])


async def place_of(
    session: Session, ordered: Sequence[int], uid: int, criteria: Sequence[tuple[str, bool]]
) -> int:
    """Where a message goes among others that are sorted: some of them are read, no more than have to be.
    Those that are gone, though the client does not know it yet, tell nothing: the next one is asked."""
    low, high = 0, len(ordered)
    while low < high:
        middle = (low + high) // 2
        for place in (*range(middle, high), *range(middle - 1, low - 1, -1)):
            pair = (await _sorted(session, Found(sorted((ordered[place], uid))), criteria)).uids
            if uid not in pair:
                return low
            if len(pair) == 2:
                break
        else:
            return low
        if pair[0] == uid:
            high = place
        else:
            low = place + 1
    return low


async def _thread(session: Session, cursor: Cursor, *, by_uid: bool) -> Ok:
    """thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria"""
    cursor.space()
    name = cursor.atom()
    algorithm = threads.ALGORITHMS.get(name)
    if algorithm is None:
        raise bad(f"no such algorithm: {name}")
    _, _, found = await _found(session, cursor)
    view = session.selected()[1]
    rows = await _columns(session, found.uids, "m.sent, m.subject, m.message_id, m.refs")
    messages = [
        Message(uid if by_uid else view.number(uid), sent, subject, message_id, refs.split())
        for uid, sent, subject, message_id, refs in rows
    ]
    shown_threads = await asyncio.to_thread(lambda: threads.serialise(algorithm(messages)))
    session.write(b"* THREAD %b\r\n" % shown_threads if shown_threads else b"* THREAD\r\n")
    return Ok("THREAD completed")
