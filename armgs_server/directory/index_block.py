# SPDX-License-Identifier: Apache-2.0
"""Texts of some principals, in which parts of them are found; and the form in which texts are compared."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final, NamedTuple

from armgs_server.directory.people_search import fold

BLOCK: Final = 128  # principals in one
SEPARATOR: Final = "\n"  # never part of what is looked for: see normal()
_SPACE = re.compile(r"\s+")
_NOT_DIGIT = re.compile(r"\D+")


class Line(NamedTuple):
    """What is known of a principal without asking the store; `unit` is a unit's parent."""

    id: int
    kind: str
    department: int
    unit: int


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


def normal(text: str) -> str:
    """The form in which texts are compared: folded, one space for any white space, none around it."""
    return _SPACE.sub(" ", fold(text)).strip()


def digits(text: str) -> str:
    """The form in which telephone numbers are compared."""
    return _NOT_DIGIT.sub("", text)


def trigrams(text: str) -> set[str]:
    """Every three letters in a row."""
    return {text[at : at + 3] for at in range(len(text) - 2)}
