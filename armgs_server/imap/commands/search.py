# SPDX-License-Identifier: Apache-2.0
"""SEARCH, UID SEARCH: RFC 3501 §6.4.4, ESEARCH (RFC 4731), SEARCHRES (RFC 5182), MODSEQ (RFC 7162 §3.1.5),
UPDATE (RFC 5267 §4.3)."""

from __future__ import annotations

import copy
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server.imap.command import Ok
from armgs_server.imap.commands.search_find import Finder, Found
from armgs_server.imap.commands.search_keys import parse_query
from armgs_server.imap.commands.search_query import intersect
from armgs_server.imap.commands.search_return import (
    ALL,
    Results,
    Return,
    check_relevancy,
    esearch,
    parse_return,
    saved,
)
from armgs_server.imap.contexts import Context, Match
from armgs_server.imap.grammar import Cursor, SequenceSet
from armgs_server.imap.message_limit import limit_runs, say
from armgs_server.imap.responses import no, status, string
from armgs_server.imap.view import View
from armgs_server.storage import clock

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

CHARSETS = ("US-ASCII", "UTF-8")


async def handle_search(session: Session, cursor: Cursor) -> Ok:
    return await _search(session, cursor, by_uid=False)


async def handle_uid_search(session: Session, cursor: Cursor) -> Ok:
    return await _search(session, cursor, by_uid=True)


async def _search(session: Session, cursor: Cursor, *, by_uid: bool) -> Ok:
    cursor.space()
    wanted = parse_return(cursor)
    parse_charset(cursor)
    if wanted is None and session.is_rev2:  # RFC 9051 §7.3.4: there is no SEARCH response
        wanted = ALL
    collection, view = session.selected()
    program = copy.copy(cursor)
    query = parse_query(cursor, view, clock.now())
    cursor.end()
    check_relevancy(wanted, is_fuzzy=query.is_fuzzy)
    if query.has_modseq:
        session.enable_condstore()
    if wanted is not None and "SAVE" in wanted.options:
        view.saved = ()  # RFC 5182 §2.1: stays empty if the search fails
    query.runs, limit_code = limit_runs(session, view, query.runs)
    done = say(session, Ok("SEARCH completed"), limit_code)
    found = await Finder(session, collection, view, query).find()
    if wanted is None:
        _answer(session, shown(view, found, by_uid=by_uid))
        return done
    if "SAVE" in wanted.options:
        view.saved = saved(found.uids, wanted)
    if "UPDATE" in wanted.options:
        context = Context(session.tag, by_uid, array("I", found.uids), matching(session, program))
        if query.is_fleeting or not session.updates.contexts.keep(context):
            refuse_update(session, wanted)
    if not wanted.is_quiet:
        session.write(esearch(session.tag, shown(view, found, by_uid=by_uid), wanted, by_uid=by_uid))
    return done


def matching(session: Session, program: Cursor) -> Match:
    """Looks again at messages that have come or changed. `program` stands before the keys."""

    async def match(uids: Sequence[int]) -> set[int]:
        collection, view = session.selected()
        query = parse_query(copy.copy(program), view, clock.now())
        changed = view.runs(SequenceSet(tuple((uid, uid) for uid in uids)), by_uid=True)
        query.runs = intersect(query.runs, changed)
        return set((await Finder(session, collection, view, query, ask_words=False).find()).uids)

    return match


def parse_charset(cursor: Cursor) -> None:
    """["CHARSET" SP charset SP], before the keys."""
    if cursor.take_word("CHARSET"):
        cursor.space()
        check_charset(cursor.astring())
        cursor.space()


def check_charset(name: bytes) -> None:
    if name.decode("latin-1").upper() not in CHARSETS:
        raise no("charset not known", "BADCHARSET (US-ASCII UTF-8)")


def refuse_update(session: Session, wanted: Return) -> None:
    """RFC 5267 §4.3.1: these results are as they are now; nobody is told of their changes."""
    if "UPDATE" in wanted.options:
        code = f"NOUPDATE {string(session.tag).decode('ascii')}"
        session.write(status(b"*", b"NO", "these results are not kept up to date", code))


def shown(view: View, found: Found, *, by_uid: bool) -> Results:
    """The results as uids, or as numbers."""
    numbers = found.uids if by_uid else [view.number(uid) for uid in found.uids]
    return Results(numbers, found.modseqs, found.scores)


def _answer(session: Session, results: Results) -> None:
    """mailbox-data = "SEARCH" *(SP nz-number) [SP "(MODSEQ" SP n ")"]"""
    pieces = [b"* SEARCH", *(b"%d" % number for number in results.numbers)]
    if results.modseqs:
        pieces.append(b"(MODSEQ %d)" % max(results.modseqs))
    session.write(b" ".join(pieces) + b"\r\n")
