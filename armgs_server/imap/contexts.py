# SPDX-License-Identifier: Apache-2.0
"""Searches whose results are kept up to date: CONTEXT=SEARCH and CONTEXT=SORT (RFC 5267 §4).

The client is told where it would be told of the causal change: of what goes away before its EXPUNGE, while
its number still means it; of what comes, or matches no more, after EXISTS and FETCH. A context is bounded: it
keeps one number a result, and of what has changed searches that alone.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from armgs_server.imap.responses import number_set, string

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# Which of these messages match now, and where one goes among others that are sorted.
Match: TypeAlias = Callable[[Sequence[int]], Awaitable[set[int]]]
Placing: TypeAlias = Callable[[Sequence[int], int], Awaitable[int]]


@dataclass(slots=True)
class Context:
    """One search with UPDATE. Without `placing` its results are in the order of the mailbox."""

    tag: bytes
    by_uid: bool
    results: array[int]
    match: Match
    placing: Placing | None = None

    def place(self, uid: int) -> int:
        """Where a uid is among the results, -1 where it is not."""
        if self.placing is not None:
            return self.results.index(uid) if uid in self.results else -1
        place = bisect_left(self.results, uid)
        return place if place < len(self.results) and self.results[place] == uid else -1


class Contexts:
    """Those of one session, for the selected mailbox."""

    __slots__ = ("_kept", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: dict[bytes, Context] = {}

    def __bool__(self) -> bool:
        return bool(self._kept)

    def keep(self, context: Context) -> bool:
        """False where there are too many already, or too many results."""
        others = [each for tag, each in self._kept.items() if tag != context.tag]
        results = sum(len(each.results) for each in (*others, context))
        settings = self._session.settings
        if len(others) >= settings.contexts or results > settings.context_results:
            return False
        self._kept[context.tag] = context
        return True

    def cancel(self, tag: bytes) -> bool:
        """RFC 5267 §4.3.5; False where there is none of that tag."""
        return self._kept.pop(tag, None) is not None

    def clear(self) -> None:
        """The mailbox is closed."""
        self._kept.clear()

    def without(self, gone: Iterable[int]) -> list[bytes]:
        """RFC 5267 §4.3.4: the lines that go before the messages do."""
        uids = sorted(gone)
        return [line for context in self._kept.values() for line in self._remove(context, uids)]

    async def changed(self, uids: Sequence[int]) -> list[bytes]:
        """RFC 5267 §4.3.3, §4.3.4: the lines behind those of new and changed messages, ascending ones."""
        lines: list[bytes] = []
        for context in self._kept.values():
            matching = await context.match(uids)
            lines += self._remove(context, [uid for uid in uids if uid not in matching])
            lines += await self._add(context, [uid for uid in uids if uid in matching])
        return lines

    def _remove(self, context: Context, uids: Sequence[int]) -> list[bytes]:
        changes: list[tuple[int, int]] = []
        for uid in uids:
            if (place := context.place(uid)) >= 0:
                del context.results[place]
                changes.append((place + 1, uid))
        return self._line(context, b"REMOVEFROM", changes)

    async def _add(self, context: Context, uids: Sequence[int]) -> list[bytes]:
        changes: list[tuple[int, int]] = []
        for uid in uids:
            if context.place(uid) >= 0:
                continue
            if context.placing is not None:
                place = await context.placing(context.results, uid)
            else:
                place = bisect_left(context.results, uid)
            context.results.insert(place, uid)
            changes.append((place + 1, uid))
        return self._line(context, b"ADDTO", changes)

    def _line(self, context: Context, item: bytes, changes: Sequence[tuple[int, int]]) -> list[bytes]:
        """Positions count where the client has asked for an order; else they are 0 (RFC 5267 §4.3.2)."""
        if not changes:
            return []
        number = self._session.selected()[1].number
        shown = [(place, uid if context.by_uid else number(uid)) for place, uid in changes]
        if context.placing is not None:
            pairs = b" ".join([b"%d %d" % pair for pair in shown])
        else:
            pairs = b"0 " + number_set(each for _, each in shown)
        uid = b" UID" if context.by_uid else b""
        return [b"* ESEARCH (TAG %b)%b %b (%b)\r\n" % (string(context.tag), uid, item, pairs)]
