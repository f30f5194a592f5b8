# SPDX-License-Identifier: Apache-2.0
"""ESEARCH: one search in several mailboxes (RFC 7377). Each that has results is answered for by itself."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.imap.command import Ok
from armgs_server.imap.commands.list_entries import Entry, read_entries
from armgs_server.imap.commands.search import parse_charset, refuse_update
from armgs_server.imap.commands.search_find import Finder
from armgs_server.imap.commands.search_keys import parse_query
from armgs_server.imap.commands.search_return import (
    ALL,
    Results,
    Return,
    check_relevancy,
    esearch,
    parse_return,
    saved,
)
from armgs_server.imap.commands.select import read_uids
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.mailbox_filter import SELECTED, SELECTED_DELAYED, MailboxFilter, parse_filter
from armgs_server.imap.responses import bad
from armgs_server.imap.view import View
from armgs_server.storage import clock

if TYPE_CHECKING:
    from armgs_server.imap.session import Session


async def handle_esearch(session: Session, cursor: Cursor) -> Ok:
    """esearch = "ESEARCH" [SP esearch-source-opts] [SP search-return-opts] SP search-program"""
    cursor.space()
    filters = _sources(session, cursor)
    wanted = parse_return(cursor) or ALL
    parse_charset(cursor)
    is_selected_only = all(each.kind == SELECTED for each in filters)
    if "SAVE" in wanted.options and not is_selected_only:
        raise bad("results are saved of the selected mailbox alone")  # RFC 5182: "$" is of one mailbox
    if any(each.kind == SELECTED for each in filters) and session.view is None:
        raise bad("no mailbox is selected")  # RFC 7377 §2.2
    checked = parse_query(copy.copy(cursor), View((), 0), clock.now(), by_number=is_selected_only)
    check_relevancy(wanted, is_fuzzy=checked.is_fuzzy)
    if checked.has_modseq:
        session.enable_condstore()
    refuse_update(session, wanted)
    for entry in await _mailboxes(session, filters):
        await _search(session, entry, copy.copy(cursor), wanted)
    return Ok("ESEARCH completed")


def _sources(session: Session, cursor: Cursor) -> Sequence[MailboxFilter]:
    """esearch-source-opts = "IN" SP "(" source-mbox [SP "(" scope-options ")"] ")"; there are no scope
    options yet. Without it the selected mailbox is meant."""
    if not cursor.take_word("IN"):
        return [MailboxFilter(SELECTED)]
    cursor.space()
    filters = cursor.parenthesised(lambda: parse_filter(cursor, subtree_one=True))
    cursor.space()
    if not filters or any(each.kind == SELECTED_DELAYED for each in filters):
        raise bad("mailbox filter expected")
    if sum(1 + len(each.names) for each in filters) > session.settings.notify_groups:
        raise bad("too many mailbox filters")
    return filters


async def _mailboxes(session: Session, filters: Sequence[MailboxFilter]) -> list[Entry]:
    """Each once (RFC 7377 §2.2), if the person may read it; what is not there is ignored."""
    selected = session.collection
    found = []
    for entry in await read_entries(session):
        collection = entry.collection
        if collection is None or not entry.is_selectable:
            continue
        is_selected = selected is not None and (selected.owner, selected.id) == (
            collection.owner,
            collection.id,
        )
        if any((each.kind == SELECTED and is_selected) or each.is_match(entry) for each in filters):
            if Rights.READ in await session.reach.rights(collection):
                found.append(entry)
    return found


async def _search(session: Session, entry: Entry, cursor: Cursor, wanted: Return) -> None:
    """Of the selected mailbox what the client knows of it is searched; results are always UIDs."""
    collection, view = entry.collection, session.view
    assert collection is not None
    selected = session.collection
    is_selected = selected is not None and (selected.owner, selected.id) == (collection.owner, collection.id)
    if view is None or not is_selected:
        view = View((), collection.modseq)
        view.uids = await read_uids(session, collection)
    query = parse_query(cursor, view, clock.now())
    cursor.end()
    if "SAVE" in wanted.options:
        view.saved = ()
    found = await Finder(session, collection, view, query).find()
    if "SAVE" in wanted.options:
        view.saved = saved(found.uids, wanted)
    if found.uids and not wanted.is_quiet:
        where = b" MAILBOX %b UIDVALIDITY %d" % (session.name(entry.name), collection.uid_validity)
        results = Results(found.uids, found.modseqs, found.scores)
        session.write(esearch(session.tag, results, wanted, by_uid=True, mailbox=where))
        await session.stream.drain()
