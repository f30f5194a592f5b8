# SPDX-License-Identifier: Apache-2.0
"""What a search is made of: keys that say yes, no, or None where they would need the content and have none.

None goes through AND, OR and NOT as "not known yet" does (Kleene), so that a message is read only where
what its row says leaves the answer open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from armgs_server.imap.commands.search_content import Content
from armgs_server.imap.commands.search_text import TextSearch
from armgs_server.storage.tx import Row, Value

Match: TypeAlias = Callable[[Row, Content | None], bool | None]
Runs: TypeAlias = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Key:
    """One search key; `where` is set where SQL decides it alone, `runs` where it is a set of messages, `text`
    where the index of words may know."""

    match: Match
    where: str = ""
    arguments: tuple[Value, ...] = ()
    runs: Runs | None = None
    text: TextSearch | None = None


@dataclass(slots=True)
class Query:
    """A whole search: where to look, what to read, and what decides."""

    runs: Runs = ()
    where: str = ""
    arguments: list[Value] = field(default_factory=list)
    match: Match = field(default=lambda row, content: True)
    needs_body: bool = False
    texts: list[TextSearch] = field(default_factory=list)
    required: list[TextSearch] = field(default_factory=list)  # those that every result fulfils
    is_text_only: bool = False  # one of them, and nothing else but a set of messages
    is_fuzzy: bool = False  # FUZZY was there (RFC 6203)
    is_fleeting: bool = False  # other results later, though nothing changes
    scores: list[Callable[[int], int | None]] = field(default_factory=list)  # of fuzzy keys, by uid
    has_modseq: bool = False
    modseq_column: int = 0
    selected: list[str] = field(default_factory=list)

    @property
    def columns(self) -> str:
        return ", ".join(self.selected)

    def relevancy(self, uid: int) -> int:
        """RFC 6203 §4: the mean of what the fuzzy keys say; 100 where none of them has a word."""
        known = [value for each in self.scores if (value := each(uid)) is not None]
        return round(sum(known) / len(known)) if known else 100

    def column(self, name: str) -> int:
        """The place of a column in the rows; the uid has place 0."""
        if name not in self.selected:
            self.selected.append(name)
        return self.selected.index(name) + 1


def intersect(first: Runs, second: Runs) -> Runs:
    """Places that both have."""
    both = []
    for low, high in first:
        for other_low, other_high in second:
            if max(low, other_low) < min(high, other_high):
                both.append((max(low, other_low), min(high, other_high)))
    return both


def every(matches: Sequence[Match]) -> Match:
    """AND"""
    if len(matches) == 1:
        return matches[0]

    def match(row: Row, content: Content | None) -> bool | None:
        result: bool | None = True
        for each in matches:
            decision = each(row, content)
            if decision is False:
                return False
            if decision is None:
                result = None
        return result

    return match


def either(first: Match, second: Match) -> Match:
    """OR"""

    def match(row: Row, content: Content | None) -> bool | None:
        decision = first(row, content)
        if decision:
            return True
        other = second(row, content)
        return True if other else None if decision is None or other is None else False

    return match


def negated(key: Match) -> Match:
    """NOT"""

    def match(row: Row, content: Content | None) -> bool | None:
        decision = key(row, content)
        return None if decision is None else not decision

    return match


def always(row: Row, content: Content | None) -> bool:
    return True
