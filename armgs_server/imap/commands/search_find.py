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

from armgs_server import log
from armgs_server.errors import DomainError
from armgs_server.formats.base_subject import casemap
from armgs_server.imap.commands.fetch import slices
from armgs_server.imap.commands.search_content import CONTENT_COLUMNS, read_content
from armgs_server.imap.commands.search_lookup import look_up
from armgs_server.imap.commands.search_query import Query
from armgs_server.imap.responses import status, string
from armgs_server.imap.view import View
from armgs_server.storage import attachment_texts, mail_query, mail_words
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

_log = log.get("imap")


@dataclass(frozen=True, slots=True)
class Found:
    """What matches: uids ascending, and, where the search asks for MODSEQ, their modseqs."""

    uids: Sequence[int]
    modseqs: Sequence[int] = ()
    scores: Sequence[int] = ()  # of each, where the search is fuzzy (RFC 6203 §4)


class Finder:
    """One search over one mailbox."""

    def __init__(
        self, session: Session, collection: Collection, view: View, query: Query, *, ask_words: bool = True
    ) -> None:
        self._session = session
        self._collection = collection
        self._view = view
        self._query = query
        self._wants_words = ask_words
        self._loop = asyncio.get_running_loop()
        self._noted = self._loop.time()

    async def find(self) -> Found:
        query = self._query
        if query.texts and self._wants_words:
            await self._ask_words()
            if await self._is_known():
                [search] = query.required
                return self._found([uid for uid in self._view.uids_of(query.runs) if uid in search.found], [])
        uids: list[int] = []
        modseqs: list[int] = []
        goal = sum(end - first for first, end in query.runs)
        done = 0
        for selection in self._selections():
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
        return self._found(uids, modseqs)

    def _found(self, uids: Sequence[int], modseqs: Sequence[int]) -> Found:
        query = self._query
        return Found(uids, modseqs, [query.relevancy(uid) for uid in uids] if query.is_fuzzy else ())

    async def _ask_words(self) -> None:
        """Asks the index of words; from the first such search on, the mailbox has one."""
        session, owner, number = self._session, self._collection.owner, self._collection.id
        store = session.core.store
        if not session.settings.search_index or not len(self._view):
            return
        if await look_up(store, owner, number, self._query.texts):
            return
        try:
            await store.write(lambda tx: mail_words.want(tx, owner, number))
        except DomainError as error:  # a full disk: what is there is found all the same
            _log.warning("mailbox not to be indexed yet", error=error.text, connection=session.stream.id)

    async def _is_known(self) -> bool:
        """Whether the index has said all: there is one text to find, every message is indexed, and those that
        the client knows are those that are there."""
        view, query, collection = self._view, self._query, self._collection
        if not query.is_text_only or not len(view):
            return False
        [search] = query.required
        if not search.is_exact or search.partial or view.uids[-1] > search.upto or view.gone:
            return False
        modseq = await self._session.core.store.read(
            lambda tx: mail_query.modseq(tx, collection.owner, collection.id)
        )
        return modseq == view.modseq

    def _selections(self) -> Iterator[Selection]:
        """The messages that can be meant, in slices."""
        view, query = self._view, self._query
        wanted = [search for search in query.required if search.upto]
        if not wanted:
            yield from slices(view, query.runs, SLICE)
            return
        uids = view.uids_of(query.runs)
        for search in wanted:
            found, partial, upto = search.found, search.partial, search.upto
            uids = [uid for uid in uids if uid in found or uid > upto or uid in partial]
        for at in range(0, len(uids), SLICE):
            part = uids[at : at + SLICE]
            yield Selection(part[0], part[-1], part)

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
        found = await self._session.core.store.read(lambda tx: attachment_texts.of(tx, hashes))
        return {digest: casemap(zlib.decompress(data).decode("utf-8")) for digest, data in found.items()}
