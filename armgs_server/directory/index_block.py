# SPDX-License-Identifier: Apache-2.0
"""Texts of some principals, in which parts of them are found; and the form in which texts are compared."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from functools import lru_cache
from typing import Final, NamedTuple

from armgs_server.formats.stream_safe import stream_safe

BLOCK: Final = 128  # principals in one
SEPARATOR: Final = "\n"  # never part of what is looked for: see normal()
_NOT_DIGIT = re.compile(r"\D+")


class Line(NamedTuple):
    """What is known of a principal without asking the store; `unit` is a unit's parent."""

    id: int
    kind: str
    department: int
    unit: int


class Piece(NamedTuple):
    """One of the texts of a principal, ready to be compared."""

    text: str
    trigrams: frozenset[str]


class Block:
    """Some principals in the order of their numbers; None where one is gone."""

    __slots__ = ("_starts", "_text", "lines", "texts")

    def __init__(self) -> None:
        self.lines: list[Line | None] = []
        self.texts: list[str] | None = []  # only while the block is being filled or changed
        self._text = ""
        self._starts: list[int] = []

    def open(self) -> list[str]:
        """The texts, to be changed."""
        if self.texts is None:
            self.texts = self._text.split(SEPARATOR)[: len(self.lines)]
        return self.texts

    def find(self, needle: str) -> set[int]:
        """The places whose text contains the needle."""
        if self.texts is not None:
            self._close(self.texts)
        text, starts, found = self._text, self._starts, set()
        at = text.find(needle)
        while at >= 0:
            place = bisect_right(starts, at) - 1
            found.add(place)
            if place + 1 == len(starts):
                break
            at = text.find(needle, starts[place + 1])
        return found

    def _close(self, texts: list[str]) -> None:
        self._text, self._starts, at = SEPARATOR.join(texts), [], 0
        for text in texts:
            self._starts.append(at)
            at += len(text) + 1
        self.texts = None


def fold(text: str) -> str:
    """The form in which words are compared: letters of either case are the same, so are ё and е."""
    return unicodedata.normalize("NFKC", stream_safe(text)).casefold().replace("ё", "е")


def normal(text: str) -> str:
    """The form in which texts are compared: folded, one space for any white space, none around it."""
    return " ".join(fold(text).split())


def spaced(text: str) -> str:
    """Like the normal form, but letters stay as they are: what contains one contains its normal form, too."""
    return " ".join(unicodedata.normalize("NFKC", stream_safe(text)).split())


def digits(text: str) -> str:
    """The form in which telephone numbers are compared."""
    return _NOT_DIGIT.sub("", text)


def trigrams(text: str) -> frozenset[str]:
    """Every three letters in a row."""
    return frozenset(map("".join, zip(text, text[1:], text[2:], strict=False)))


def piece(text: str) -> Piece:
    """Of a text in its normal form."""
    return Piece(text, trigrams(text))


@lru_cache(maxsize=4096)
def repeated_piece(text: str) -> Piece:
    """Of a text as it was written that many have: a post, a unit, a family name."""
    return piece(normal(text))
