# SPDX-License-Identifier: Apache-2.0
"""SEARCH, UID SEARCH: RFC 3501 §6.4.4, ESEARCH (RFC 4731), SEARCHRES (RFC 5182), MODSEQ (RFC 7162 §3.1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.imap.command import Ok
from armgs_server.imap.commands.search_find import Finder, Found
from armgs_server.imap.commands.search_keys import parse_query
from armgs_server.imap.commands.search_return import ALL, Results, Return, esearch, parse_return, saved
from armgs_server.imap.grammar import Cursor
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
    if cursor.take_word("CHARSET"):
        cursor.space()
        check_charset(cursor.astring())
        cursor.space()
    if wanted is None and session.is_rev2:  # RFC 9051 §7.3.4: there is no SEARCH response
        wanted = ALL
    collection, view = session.selected()
    query = parse_query(cursor, view, clock.now())
    cursor.end()
    if query.has_modseq:
        session.enable_condstore()
    if wanted is not None and "SAVE" in wanted.options:
        view.saved = ()  # RFC 5182 §2.1: stays empty if the search fails
    found = await Finder(session, collection, view, query).find()
    if wanted is None:
        _answer(session, shown(view, found, by_uid=by_uid))
        return Ok("SEARCH completed")
    if "SAVE" in wanted.options:
        view.saved = saved(found.uids, wanted)
    refuse_update(session, wanted)
    if not wanted.is_quiet:
        session.write(esearch(session.tag, shown(view, found, by_uid=by_uid), wanted, by_uid=by_uid))
    return Ok("SEARCH completed")


def check_charset(name: bytes) -> None:
    if name.decode("latin-1").upper() not in CHARSETS:
        raise no("charset not known", "BADCHARSET (US-ASCII UTF-8)")


def refuse_update(session: Session, wanted: Return) -> None:
    """RFC 5267 §4.3.1: results are as they are now; nobody is told of their changes."""
    if "UPDATE" in wanted.options:
        code = f"NOUPDATE {string(session.tag).decode('ascii')}"
        session.write(status(b"*", b"NO", "results are not kept up to date", code))


def shown(view: View, found: Found, *, by_uid: bool) -> Results:
    """The results as uids, or as numbers."""
    numbers = found.uids if by_uid else [view.number(uid) for uid in found.uids]
    return Results(numbers, found.modseqs)


def _answer(session: Session, results: Results) -> None:
    """mailbox-data = "SEARCH" *(SP nz-number) [SP "(MODSEQ" SP n ")"]"""
    pieces = [b"* SEARCH", *(b"%d" % number for number in results.numbers)]
    if results.modseqs:
        pieces.append(b"(MODSEQ %d)" % max(results.modseqs))
    session.write(b" ".join(pieces) + b"\r\n")
