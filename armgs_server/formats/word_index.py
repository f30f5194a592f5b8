# SPDX-License-Identifier: Apache-2.0
"""Which words are in which messages, as a few byte strings that are searched as they lie.

`words` is every word of a set of texts once, sorted, each between two line ends. A word is a longest run, in
UTF-8, of ASCII letters and digits, underscores and everything that is not ASCII, of a text as `casemap`
leaves it. So a needle made of such characters alone is in a text exactly when it is in one of its words, and
finding it is one search for bytes; of any other needle the pieces say which texts may have it.

Ids are kept as 16 bits above a base that is common to a list and everything it is ever merged with.
"""

from __future__ import annotations

import re
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate

from armgs_server.formats.base_subject import casemap

# Ids of one base: an offset is one item of array("H").
SPAN = 1 << 16
ITEM = 2
# Where one word in so many has what is searched for, looking at all of them is quicker.
_MANY = 10
_PIECE = re.compile(rb"[0-9A-Z_a-z\x80-\xff]+")
# Every octet that is in no word becomes a space.
_SPACED = bytes(octet if _PIECE.fullmatch(bytes([octet])) else 0x20 for octet in range(256))


def base_of(id_: int) -> int:
    """The base of an id."""
    return id_ - id_ % SPAN


def words_of(text: str) -> set[bytes]:
    """The words of a text that `casemap` has been over."""
    return set(encode(text).translate(_SPACED).split())


def encode(text: str) -> bytes:
    """Also of what no text should have: halves of surrogate pairs."""
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class WordIndex:
    """`ends[i]` is where the ids of the word i end in `ids`, `starts[i]` where the word begins in `words`."""

    words: bytes
    starts: Sequence[int]
    ends: Sequence[int]
    ids: bytes

    def __len__(self) -> int:
        return len(self.ends)

    def word(self, place: int) -> bytes:
        start = self.starts[place]
        return self.words[start : self.words.index(b"\n", start)]


def build(texts: Mapping[int, Set[bytes]]) -> WordIndex:
    """Of the words of each id; all ids have one base."""
    found: dict[bytes, bytes] = {}
    get = found.get
    for id_ in sorted(texts):
        offset = (id_ % SPAN).to_bytes(ITEM, sys.byteorder)
        for word in texts[id_]:
            found[word] = get(word, b"") + offset
    return _pack(found)


def merge(indexes: Sequence[WordIndex], gone: Set[int] = frozenset()) -> WordIndex:
    """One for several of the same base, without the offsets in `gone`."""
    found: dict[bytes, bytes] = {}
    for index in indexes:
        begin = 0
        for word, end in zip(index.words[1:].split(b"\n"), index.ends, strict=False):
            ids = index.ids[begin * ITEM : end * ITEM]
            begin = end
            if gone:
                ids = array("H", [each for each in array("H", ids) if each not in gone]).tobytes()
                if not ids:
                    continue
            found[word] = found[word] + ids if word in found else ids
    return _pack(found)


def _pack(found: Mapping[bytes, bytes]) -> WordIndex:
    ordered = sorted(found)
    packed = [found[word] for word in ordered]
    starts = array("I", accumulate((len(word) + 1 for word in ordered[:-1]), initial=1))
    ends = array("I", (end // ITEM for end in accumulate(map(len, packed))))
    return WordIndex(b"\n%b\n" % b"\n".join(ordered), starts, ends, b"".join(packed))


def hits(words: bytes, starts: Sequence[int], pattern: bytes) -> list[int]:
    """The places of the words in which a pattern begins; it may name the line ends around a word."""
    if b"\n" not in pattern and words.count(pattern) * _MANY > len(starts):
        return [place for place, word in enumerate(words[1:-1].split(b"\n")) if pattern in word]
    found: list[int] = []
    at = words.find(pattern)
    while at >= 0:
        # The line end before a word belongs to it here.
        found.append(max(bisect_right(starts, at + 1 if pattern[:1] == b"\n" else at) - 1, 0))
        end = words.find(b"\n", at + 1)
        if end < 0:
            break
        at = words.find(pattern, end)
    return found


@dataclass(frozen=True, slots=True)
class Needle:
    """What is searched for, casemapped, and what of it words can tell: every pattern has to be there. Where
    `is_exact`, they tell all."""

    text: str
    patterns: tuple[bytes, ...]
    is_exact: bool


def needle(text: str) -> Needle:
    """Of a text that is to be found as it stands."""
    mapped = casemap(text)
    octets = encode(mapped)
    patterns = []
    for match in _PIECE.finditer(octets):
        before = b"" if match.start() == 0 else b"\n"
        after = b"" if match.end() == len(octets) else b"\n"
        patterns.append(before + match[0] + after)
    return Needle(mapped, tuple(dict.fromkeys(patterns)), _PIECE.fullmatch(octets) is not None)


def ids(base: int, packed: bytes) -> Iterator[int]:
    """The ids of a piece of `WordIndex.ids`."""
    return (base + offset for offset in array("H", packed))
