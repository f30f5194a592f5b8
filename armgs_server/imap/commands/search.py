# SPDX-License-Identifier: Apache-2.0
"""SEARCH, UID SEARCH: RFC 3501 §6.4.4, ESEARCH (RFC 4731), SEARCHRES (RFC 5182), MODSEQ (RFC 7162 §3.1.5).

Two passes over slices of rows: what the index columns decide, and only for what is left open the message
itself, for BODY, TEXT and HEADER of fields that have no column.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from armgs_server.imap.command import Ok
from armgs_server.imap.commands.fetch import slices
from armgs_server.imap.commands.search_content import CONTENT_COLUMNS, read_content
from armgs_server.imap.commands.search_keys import parse_query
from armgs_server.imap.commands.search_query import Query
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import bad, no, number_set, string
from armgs_server.imap.view import View
from armgs_server.storage import clock, mail_query
from armgs_server.storage.mail_query import Selection
from armgs_server.storage.tx import Row

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# Rows looked at before the loop goes on; fewer where messages have to be read.
SLICE = 1000
CONTENT_SLICE = 50
_RETURN_OPTIONS = ("MIN", "MAX", "ALL", "COUNT", "SAVE")
CHARSETS = ("US-ASCII", "UTF-8")


@dataclass(frozen=True, slots=True)
class Found:
    """What matches: uids ascending, and the highest modseq among them."""

    uids: Sequence[int]
    modseq: int


async def handle_search(session: Session, cursor: Cursor) -> Ok:
    return await _search(session, cursor, by_uid=False)


async def handle_uid_search(session: Session, cursor: Cursor) -> Ok:
    return await _search(session, cursor, by_uid=True)


async def _search(session: Session, cursor: Cursor, *, by_uid: bool) -> Ok:
    cursor.space()
    options = _return_options(cursor)
    if cursor.take_word("CHARSET"):
        cursor.space()
        if cursor.astring().decode("latin-1").upper() not in CHARSETS:
            raise no("charset not known", "BADCHARSET (US-ASCII UTF-8)")
        cursor.space()
    if options is None and session.is_rev2:  # RFC 9051 §7.3.4: there is no SEARCH response
        options = {"ALL"}
    _, view = session.selected()
    query = parse_query(cursor, view, clock.now())
    cursor.end()
    if query.has_modseq:
        session.enabled.add("CONDSTORE")
    if options is not None and "SAVE" in options:
        view.saved = ()  # RFC 5182 §2.1: stays empty if the search fails
    found = await _find(session, query)
    if options is None:
        _answer(session, found, query, by_uid=by_uid)
        return Ok("SEARCH completed")
    if "SAVE" in options:
        view.saved = _saved(found.uids, options)
    if options != {"SAVE"}:
        _answer_extended(session, found, query, options, by_uid=by_uid)
    return Ok("SEARCH completed")


def _return_options(cursor: Cursor) -> set[str] | None:
    """search-return-opts = "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")" """
    if not cursor.take_word("RETURN"):
        return None
    cursor.space()
    options = set(cursor.parenthesised(cursor.atom))
    cursor.space()
    if unknown := options - set(_RETURN_OPTIONS):
        raise bad(f"no such return option: {min(unknown)}")
    return options or {"ALL"}


async def _find(session: Session, query: Query) -> Found:
    _, view = session.selected()
    uids: list[int] = []
    highest = 0
    for selection in slices(view, query.runs, SLICE):
        rows = await _rows(session, query, selection)
        known = [(row, query.match(row, None)) for row in rows]
        unclear = [row[0] for row, decision in known if decision is None]
        clear = await _read(session, query, unclear) if unclear else frozenset()
        for row, decision in known:
            if decision or row[0] in clear:
                uids.append(row[0])
                highest = max(highest, row[query.modseq_column] if query.has_modseq else 0)
        await asyncio.sleep(0)
    return Found(uids, highest)


async def _rows(session: Session, query: Query, selection: Selection, more: str = "") -> list[Row]:
    """Rows (uid, the query's columns, more); what SQL can decide is decided."""
    collection, _ = session.selected()
    columns = ", ".join(filter(None, (query.columns, more)))
    return await session.core.store.read(
        lambda tx: mail_query.select(
            tx,
            collection.owner,
            collection.id,
            columns,
            selection,
            where=query.where,
            arguments=query.arguments,
            limit=2 * SLICE,
        )
    )


async def _read(session: Session, query: Query, uids: Sequence[int]) -> frozenset[int]:
    """Which of the messages match when they are read."""
    found: set[int] = set()
    for at in range(0, len(uids), CONTENT_SLICE):
        part = uids[at : at + CONTENT_SLICE]
        rows = await _rows(session, query, Selection(part[0], part[-1], part), CONTENT_COLUMNS)
        for row in rows:
            content = await read_content(session.core.store.blobs, row[-5:], query.needs_body)
            if query.match(row, content):
                found.add(row[0])
        await asyncio.sleep(0)
    return frozenset(found)


def _numbers(view: View, uids: Sequence[int], *, by_uid: bool) -> Sequence[int]:
    return uids if by_uid else [number for uid in uids if (number := view.number(uid))]


def _answer(session: Session, found: Found, query: Query, *, by_uid: bool) -> None:
    """mailbox-data = "SEARCH" *(SP nz-number) [SP "(MODSEQ" SP n ")"]"""
    numbers = _numbers(session.selected()[1], found.uids, by_uid=by_uid)
    pieces = [b"* SEARCH", *(b"%d" % number for number in numbers)]
    if query.has_modseq and numbers:
        pieces.append(b"(MODSEQ %d)" % found.modseq)
    session.write(b" ".join(pieces) + b"\r\n")


def _answer_extended(
    session: Session, found: Found, query: Query, options: set[str], *, by_uid: bool
) -> None:
    """esearch-response (RFC 4731 §3.1): MIN, MAX and ALL are left out where nothing matches."""
    numbers = _numbers(session.selected()[1], found.uids, by_uid=by_uid)
    pieces = [b"* ESEARCH (TAG %b)" % string(session.tag)]
    if by_uid:
        pieces.append(b"UID")
    if numbers:
        if "MIN" in options:
            pieces.append(b"MIN %d" % numbers[0])
        if "MAX" in options:
            pieces.append(b"MAX %d" % numbers[-1])
        if "ALL" in options:
            pieces.append(b"ALL %b" % number_set(numbers))
    if "COUNT" in options:
        pieces.append(b"COUNT %d" % len(numbers))
    if query.has_modseq and numbers:
        pieces.append(b"MODSEQ %d" % found.modseq)
    session.write(b" ".join(pieces) + b"\r\n")


def _saved(uids: Sequence[int], options: set[str]) -> Sequence[int]:
    """RFC 5182 §2.4: with MIN or MAX and without ALL or COUNT, only those are kept."""
    if not uids or options & {"ALL", "COUNT"} or not options & {"MIN", "MAX"}:
        return uids
    kept = [uids[0]] if "MIN" in options else []
    if "MAX" in options and uids[-1] not in kept:
        kept.append(uids[-1])
    return kept
