# SPDX-License-Identifier: Apache-2.0
"""RETURN of SEARCH and SORT: ESEARCH (RFC 4731), SEARCHRES (RFC 5182), ESORT and contexts (RFC 5267), PARTIAL
(RFC 9394), RELEVANCY (RFC 6203).

Results come in the order of the answer: ascending for SEARCH, as sorted for SORT.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import bad, number_set, string

# CONTEXT is a hint (RFC 5267 §4.2); UPDATE is the caller's.
_OPTIONS = ("MIN", "MAX", "ALL", "COUNT", "SAVE", "RELEVANCY", "CONTEXT", "UPDATE")
# partial-range = partial-range-first / partial-range-last (RFC 9394 §3.3)
_RANGE = re.compile(rb"(-?)([1-9][0-9]{0,9}):(-?)([1-9][0-9]{0,9})")


@dataclass(frozen=True, slots=True)
class Partial:
    """Results by place, counted from the end where `from_end`; both ends are included."""

    low: int
    high: int
    from_end: bool
    text: str

    def of(self, results: Sequence[int]) -> Sequence[int]:
        if self.from_end:
            return results[max(len(results) - self.high, 0) : max(len(results) - self.low + 1, 0)]
        return results[self.low - 1 : self.high]


@dataclass(frozen=True, slots=True)
class Return:
    """What the client wants to know of the results."""

    options: frozenset[str]
    partial: Partial | None = None

    @property
    def is_quiet(self) -> bool:
        """RFC 5182 §2.1: with SAVE alone nothing is answered."""
        return self.options == {"SAVE"} and self.partial is None


ALL = Return(frozenset({"ALL"}))


def parse_partial(cursor: Cursor) -> Partial:
    found = cursor.match(_RANGE)
    if found is None or found[1] != found[3]:
        raise bad("range expected")
    low, high = sorted((int(found[2]), int(found[4])))
    return Partial(low, high, bool(found[1]), found[0].decode("ascii"))


def parse_return(cursor: Cursor) -> Return | None:
    """search-return-opts = "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")" """
    if not cursor.take_word("RETURN"):
        return None
    options: set[str] = set()
    partial: Partial | None = None

    def option() -> None:
        nonlocal partial
        name = cursor.atom()
        if name == "PARTIAL":
            cursor.space()
            partial = parse_partial(cursor)
        elif name in _OPTIONS:
            options.add(name)
        else:
            raise bad(f"no such return option: {name}")

    cursor.space()
    cursor.parenthesised(option)
    cursor.space()
    if partial is not None and "ALL" in options:  # RFC 9394 §3.1
        raise bad("PARTIAL and ALL exclude one another")
    asked = options - {"CONTEXT", "UPDATE"}
    if not asked and partial is None and "UPDATE" not in options:
        options.add("ALL")
    return Return(frozenset(options), partial)


def check_relevancy(wanted: Return | None, *, is_fuzzy: bool) -> None:
    """RFC 6203 §4: scores are of fuzzy searches."""
    if wanted is not None and "RELEVANCY" in wanted.options and not is_fuzzy:
        raise bad("RELEVANCY needs a FUZZY search key")


@dataclass(frozen=True, slots=True)
class Results:
    """Numbers or uids in their order, with their modseqs where the search asked for them, and their
    relevancy where it is fuzzy."""

    numbers: Sequence[int]
    modseqs: Sequence[int] = ()
    scores: Sequence[int] = ()


def esearch(tag: bytes, results: Results, wanted: Return, *, by_uid: bool, mailbox: bytes = b"") -> bytes:
    """esearch-response: MIN, MAX and ALL are left out where nothing matches (RFC 4731 §3.1)."""
    numbers, options = results.numbers, wanted.options
    pieces = [b"* ESEARCH (TAG %b%b)" % (string(tag), mailbox)]
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
    if wanted.partial is not None:
        chosen = number_set(wanted.partial.of(numbers)) or b"NIL"
        pieces.append(b"PARTIAL (%b %b)" % (wanted.partial.text.encode("ascii"), chosen))
    if "RELEVANCY" in options and numbers:  # RFC 6203 §4: in the order of the results
        pieces.append(b"RELEVANCY (%b)" % b" ".join([b"%d" % score for score in results.scores]))
    if results.modseqs:
        pieces.append(b"MODSEQ %d" % _modseq(results.modseqs, wanted))
    return b" ".join(pieces) + b"\r\n"


def _modseq(modseqs: Sequence[int], wanted: Return) -> int:
    """RFC 4731 §3.2: the highest of what is answered; with MIN or MAX alone of those only."""
    if wanted.options & {"ALL", "COUNT"} or wanted.partial is not None:
        return max(modseqs)
    ends = ([modseqs[0]] if "MIN" in wanted.options else []) + (
        [modseqs[-1]] if "MAX" in wanted.options else []
    )
    return max(ends or modseqs)


def saved(uids: Sequence[int], wanted: Return) -> Sequence[int]:
    """RFC 5182 §2.4: with MIN or MAX and without ALL or COUNT, only those are kept for "$"; with PARTIAL only
    what it means (RFC 9394 §3.2)."""
    if wanted.partial is not None:
        return wanted.partial.of(uids)
    if not uids or wanted.options & {"ALL", "COUNT"} or not wanted.options & {"MIN", "MAX"}:
        return uids
    kept = [uids[0]] if "MIN" in wanted.options else []
    if "MAX" in wanted.options and uids[-1] not in kept:
        kept.append(uids[-1])
    return kept
