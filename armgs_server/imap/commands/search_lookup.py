# SPDX-License-Identifier: Apache-2.0
"""Asks the index of words (storage.mail_words) who has what searches are for, a segment at a time.

A segment that was merged in between is there no more; then all is asked again.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Mapping, Sequence, Set

from armgs_server.imap.commands.search_text import PLACES, SIMILAR, Term, TextSearch, score
from armgs_server.storage import Store, mail_words
from armgs_server.storage.mail_words import Kind, Segment
from armgs_server.storage.tx import Tx

ATTEMPTS = 3
# A term that so many words may fulfil is held against them on a thread.
ON_THE_LOOP = 1000


class _Gone(Exception):
    """A segment was merged while it was read."""


async def look_up(store: Store, owner: int, collection: int, searches: Sequence[TextSearch]) -> bool:
    """Tells each of the searches what the index knows; False where the mailbox is not indexed."""

    async def overview(tx: Tx) -> tuple[int | None, list[Segment]]:
        last = await mail_words.last(tx, owner, collection)
        return last, await mail_words.segments(tx, owner, collection) if last else []

    for _ in range(ATTEMPTS):
        last, segments = await store.read(overview)
        if last is None:
            return False
        answers = [_Answer(search) for search in searches]
        try:
            for segment in segments:
                for kind in Kind:
                    if asked := [answer for answer in answers if kind in answer.search.kinds]:
                        reader = _Reader(store, owner, collection, kind, segment)
                        for answer in asked:
                            await answer.ask(reader)
                await asyncio.sleep(0)
        except _Gone:
            continue
        partial = frozenset(uid for segment in segments for uid in segment.partial)
        for answer in answers:
            answer.give(last, partial)
        break
    return True


class _Reader:
    """One kind of text in one segment; read as far as it is asked for."""

    def __init__(self, store: Store, owner: int, collection: int, kind: Kind, segment: Segment) -> None:
        self.kind = kind
        self._store = store
        self._key = (owner, collection, kind, segment)
        self._words: bytes | None = None
        self._places: tuple[array[int], array[int]] | None = None

    async def find(self, term: Term) -> Mapping[int, Set[int]]:
        """The uids of the texts that fulfil a term, by relevancy."""
        if self._words is None:
            self._words = await self._store.read(lambda tx: mail_words.words(tx, *self._key))
            if self._words is None:
                raise _Gone
        if not any(pattern in self._words for pattern in term.patterns):
            return {}
        if self._places is None:
            self._places = await self._store.read(lambda tx: mail_words.places(tx, *self._key))
            if self._places is None:
                raise _Gone
        is_long = sum(map(self._words.count, term.patterns)) > ON_THE_LOOP
        chosen = await asyncio.to_thread(self._choose, term) if is_long else self._choose(term)

        async def read(tx: Tx) -> dict[int, set[int] | None]:
            return {
                relevancy: await mail_words.uids(tx, *self._key, ranges)
                for relevancy, ranges in chosen.items()
            }

        found: dict[int, Set[int]] = {}
        for relevancy, uids in (await self._store.read(read)).items():
            if uids is None:
                raise _Gone
            found[relevancy] = uids
        return found

    def _choose(self, term: Term) -> dict[int, list[tuple[int, int]]]:
        assert self._words is not None and self._places is not None
        starts, ends = self._places
        return {
            relevancy: _ranges(places, ends)
            for relevancy, places in term.choose(self._words, starts).items()
            if places
        }


def _ranges(places: Sequence[int], ends: Sequence[int]) -> list[tuple[int, int]]:
    """Where the ids of words lie, words side by side taken together."""
    ranges: list[tuple[int, int]] = []
    for place in places:
        begin, end = ends[place - 1] if place else 0, ends[place]
        if ranges and ranges[-1][1] == begin:
            ranges[-1] = (ranges[-1][0], end)
        else:
            ranges.append((begin, end))
    return ranges


class _Answer:
    """What has been found for one search so far."""

    def __init__(self, search: TextSearch) -> None:
        self.search = search
        self._found: set[int] = set()
        # Of a fuzzy search: for each of its terms, uids by what they are worth.
        self._worth: list[dict[float, set[int]]] = [{} for _ in search.terms]

    async def ask(self, reader: _Reader) -> None:
        if self.search.is_fuzzy:
            for term, worth in zip(self.search.terms, self._worth, strict=True):
                for relevancy, uids in (await reader.find(term)).items():
                    worth.setdefault(relevancy * PLACES[reader.kind], set()).update(uids)
            return
        having: Set[int] | None = None  # all terms, in this kind of text
        for term in self.search.terms:
            found: set[int] = set().union(*(await reader.find(term)).values())
            having = found if having is None else having & found
            if not having:
                return
        self._found |= having or set()

    def give(self, upto: int, partial: Set[int]) -> None:
        """To the search."""
        search = self.search
        if search.is_fuzzy:
            terms = [_best(worth) for worth in self._worth]
            self._found = set(terms[0]).intersection(*terms[1:])
            search.scores.update((uid, score([each[uid] for each in terms])) for uid in self._found)
        elif not search.terms:  # no letter in it: nothing that the index knows
            upto = 0
        search.upto, search.partial, search.found = upto, partial, self._found


def _best(worth: Mapping[float, Set[int]]) -> dict[int, float]:
    """What each uid is worth at most; what is only similar counts where there is nothing better."""
    is_any = any(uids and value > SIMILAR for value, uids in worth.items())
    best: dict[int, float] = {}
    for value in sorted(worth):
        if value > SIMILAR or not is_any:
            best.update(dict.fromkeys(worth[value], value))
    return best
