# SPDX-License-Identifier: Apache-2.0
"""Finds the messages that a query means: two passes over slices of rows.

What the index columns and the index of words decide, and only for what is left open the message itself, for
BODY, TEXT and HEADER of fields that have no column. A search that takes long says how far it is (INPROGRESS,
RFC 9585).
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from armgs_server.formats.base_subject import casemap
from armgs_server.imap.commands.fetch import slices
from armgs_server.imap.commands.search_content import CONTENT_COLUMNS, read_content
from armgs_server.imap.commands.search_lookup import look_up
from armgs_server.imap.commands.search_query import Query, Runs
from armgs_server.imap.commands.search_text import TextSearch
from armgs_server.imap.responses import status, string
from armgs_server.imap.view import View
from armgs_server.storage import mail_query, mail_words
from armgs_server.storage.collections import Collection
from armgs_server.storage.mail_query import Selection
from armgs_server.storage.mail_words import Kind
from armgs_server.storage.tx import Row

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# Rows looked at before the loop goes on; fewer where messages have to be read.
SLICE = 1000
CONTENT_SLICE = 50
# Seconds between two notes of progress (RFC 9585 §4).
PROGRESS_INTERVAL = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """What matches: uids ascending, and, where the search asks for MODSEQ, their modseqs."""

    uids: Sequence[int]
    modseqs: Sequence[int] = ()
    scores: Sequence[int] = ()  # of each, where the search is fuzzy (RFC 6203 §4)


class Finder:
    """One search over one mailbox."""

    def __init__(self, session: Session, collection: Collection, view: View, query: Query) -> None:
        self._session = session
        self._collection = collection
        self._view = view
        self._query = query
        self._loop = asyncio.get_running_loop()
        self._noted = self._loop.time()

    async def find(self) -> Found:
        query = self._query
        uids: list[int] = []
        modseqs: list[int] = []
        runs = await self._candidates() if query.texts else query.runs
        goal = sum(end - first for first, end in runs)
        done = 0
        for selection in slices(self._view, runs, SLICE):
            rows = await self._rows(selection)
            known = [(row, query.match(row, None)) for row in rows]
            unclear = [row[0] for row, decision in known if decision is None]
            clear = await self._read(unclear) if unclear else frozenset()
            for row, decision in known:
                if decision or row[0] in clear:
                    uids.append(row[0])
                    if query.has_modseq:
                        modseqs.append(row[query.modseq_column])
            done += len(rows)
            self._note_progress(min(done, goal), goal)
            await asyncio.sleep(0)
        return Found(uids, modseqs, [query.relevancy(uid) for uid in uids] if query.is_fuzzy else ())

    async def _candidates(self) -> Runs:
        """Asks the index of words; the places of the messages that can be meant."""
        query, session, collection = self._query, self._session, self._collection
        if session.settings.search_index:
            is_indexed = await look_up(session.core.store, collection.owner, collection.id, query.texts)
            if not is_indexed and len(self._view):
                await session.core.store.write(
                    lambda tx: mail_words.want(tx, collection.owner, collection.id)
                )
        uids, runs = self._view.uids, query.runs
        for search in query.required:
            if search.upto:
                runs = [run for first, end in runs for run in _places(uids, search, first, end)]
        return runs

    def _note_progress(self, done: int, goal: int) -> None:
        """RFC 9585 §4"""
        session = self._session
        if self._loop.time() - self._noted < PROGRESS_INTERVAL or done >= goal:
            return
        self._noted = self._loop.time()
        code = f"INPROGRESS ({string(session.tag).decode('ascii')} {done} {goal})"
        session.write(status(b"*", b"OK", "still searching", code))

    async def _rows(self, selection: Selection, more: str = "") -> list[Row]:
        """Rows (uid, the query's columns, more); what SQL can decide is decided."""
        query, collection = self._query, self._collection
        columns = ", ".join(filter(None, (query.columns, more)))
        return await self._session.core.store.read(
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

    async def _read(self, uids: Sequence[int]) -> frozenset[int]:
        """Which of the messages match when they are read."""
        query = self._query
        found: set[int] = set()
        for at in range(0, len(uids), CONTENT_SLICE):
            part = uids[at : at + CONTENT_SLICE]
            rows = await self._rows(Selection(part[0], part[-1], part), CONTENT_COLUMNS)
            attached = await self._attached([row[-5] for row in rows])
            for row in rows:
                content = await read_content(
                    self._session.core.store.blobs, row[-5:], query.needs_body, attached.get(row[-5], "")
                )
                if query.match(row, content):
                    found.add(row[0])
            self._note_progress(at, len(uids))
            await asyncio.sleep(0)
        return frozenset(found)

    async def _attached(self, hashes: Sequence[bytes]) -> Mapping[bytes, str]:
        """What was read out of attachments, for searches that look there."""
        if not any(Kind.ATTACHMENTS in search.kinds for search in self._query.texts):
            return {}
        found = await self._session.core.store.read(lambda tx: mail_words.attachment_text(tx, hashes))
        return {digest: casemap(zlib.decompress(data).decode("utf-8")) for digest, data in found.items()}


def _places(uids: Sequence[int], search: TextSearch, first: int, end: int) -> Iterator[tuple[int, int]]:
    """Those places in a run that a search leaves, in runs."""
    begin = -1
    for place in range(first, end):
        if search.may_match(uids[place]):
            if begin < 0:
                begin = place
        elif begin >= 0:
            yield begin, place
            begin = -1
    if begin >= 0:
        yield begin, end
