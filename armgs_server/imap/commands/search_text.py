# SPDX-License-Identifier: Apache-2.0
"""BODY and TEXT as searches that the index of words answers (storage.mail_words), or the message itself.

As they stand they are searches for a part of the text (RFC 3501 §6.4.4), and what the index says is what
reading all messages would say. With FUZZY (RFC 6203) a message is found that has all words in any form,
wherever; or, where nobody has written a word in any form, one that differs by a letter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol

from armgs_server.formats import word_index
from armgs_server.formats.base_subject import casemap
from armgs_server.formats.word_index import Needle, encode
from armgs_server.imap.commands.search_content import Content
from armgs_server.storage import fulltext
from armgs_server.storage.mail_words import Kind
from armgs_server.storage.tx import Row

# Relevancy (RFC 6203 §4) of a word as it was asked for, of another form, of one that differs by a letter; and
# what of it is left by where the word is.
EXACT, FORM, SIMILAR = 100, 80, 40
PLACES = {Kind.HEADER: 1.0, Kind.BODY: 0.9, Kind.ATTACHMENTS: 0.8}
# Shorter words have too many that differ by a letter.
_SIMILAR_FROM = 5
# What is shorter has no forms: nearly every word has its letters.
_STEM_FROM = 3
# Words of one fuzzy key; more say nothing more.
MAX_WORDS = 20


class Term(Protocol):
    """One condition on the words of a text."""

    @property
    def patterns(self) -> tuple[bytes, ...]:
        """A text without any of them does not fulfil it."""

    def choose(self, words: bytes, starts: Sequence[int]) -> Mapping[int, Sequence[int]]:
        """The places of the words that fulfil it (see WordIndex), by relevancy."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the text."""

    patterns: tuple[bytes, ...]

    def choose(self, words: bytes, starts: Sequence[int]) -> Mapping[int, Sequence[int]]:
        return {EXACT: word_index.hits(words, starts, self.patterns[0])}


@dataclass(frozen=True, slots=True)
class Form:
    """A word in any form."""

    word: bytes
    stem: str
    patterns: tuple[bytes, ...]

    def choose(self, words: bytes, starts: Sequence[int]) -> Mapping[int, Sequence[int]]:
        chosen: dict[int, list[int]] = {EXACT: [], FORM: [], SIMILAR: []}
        places = {place for each in self.patterns for place in word_index.hits(words, starts, each)}
        for place in sorted(places):
            if relevancy := self.relevancy(words[starts[place] : words.index(b"\n", starts[place])]):
                chosen[relevancy].append(place)
        return chosen

    def relevancy(self, found: bytes) -> int:
        """Of a word of a text; 0 where it is another one."""
        if found == self.word:
            return EXACT
        text = found.decode("utf-8", "replace")
        if self.stem in fulltext.stems(text):
            return FORM
        return SIMILAR if is_similar(text, self.word.decode("utf-8", "replace")) else 0


def is_similar(first: str, second: str) -> bool:
    """Whether one letter more, less or another makes one of the other."""
    if min(len(first), len(second)) < _SIMILAR_FROM or abs(len(first) - len(second)) > 1:
        return False
    if len(first) > len(second):
        first, second = second, first
    same = 0
    while same < len(first) and first[same] == second[same]:
        same += 1
    return first[same + (len(first) == len(second)) :] == second[same + 1 :]


def forms(text: str) -> tuple[Form, ...]:
    """The words of a text that is to be found fuzzily."""
    found: dict[str, Form] = {}
    for word in word_index.words_of(casemap(text)):
        plain = word.decode("utf-8", "replace")
        for stem in fulltext.stems(plain):
            found[stem] = Form(word, stem, _patterns(plain, stem))
    return tuple(found[stem] for stem in sorted(found)[:MAX_WORDS])


def _patterns(word: str, stem: str) -> tuple[bytes, ...]:
    """What every word with that stem has, and every word that differs by a letter: one half of it."""
    mapped = casemap(stem)
    if len(mapped) < _STEM_FROM:
        return (b"\n%b\n" % encode(mapped),)
    start = encode(mapped[: max(3, len(mapped) - 2)])
    patterns = [start]
    if "\u0415" in mapped:  # fulltext takes ё for е, which casemap leaves two characters
        patterns.append(start.replace(encode("\u0415"), encode("\u0415\u0308"), 1))
    if len(word) >= _SIMILAR_FROM:
        half = len(word) // 2
        patterns += [encode(word[:half]), encode(word[half:])]
    return tuple(dict.fromkeys(patterns))


@dataclass(slots=True)
class TextSearch:
    """One BODY or TEXT key. Until the index has been asked only the message can tell."""

    needle: Needle
    kinds: tuple[Kind, ...]
    terms: Sequence[Term]
    is_fuzzy: bool
    upto: int = 0
    partial: Set[int] = frozenset()
    found: Set[int] = frozenset()
    scores: dict[int, int] = field(default_factory=dict)

    @property
    def is_exact(self) -> bool:
        """Whether the index tells who has it, or only who may have it."""
        return self.is_fuzzy or self.needle.is_exact

    def match(self, row: Row, content: Content | None) -> bool | None:
        uid = row[0]
        if content is not None:
            return self._fuzzily(uid, content) if self.is_fuzzy else self._literally(content)
        if uid > self.upto or uid in self.partial:
            return None
        if uid not in self.found:
            return False
        return True if self.is_exact else None

    def _literally(self, content: Content) -> bool:
        text = self.needle.text
        return text in content.body if self.kinds == (Kind.BODY,) else content.text_has(text)

    def _fuzzily(self, uid: int, content: Content) -> bool:
        if uid <= self.upto and uid not in self.partial:
            return uid in self.found
        texts = {Kind.BODY: content.body}
        if Kind.HEADER in self.kinds:
            texts |= {Kind.HEADER: content.header_text, Kind.ATTACHMENTS: content.attachments}
        best = [0.0] * len(self.terms)
        for kind, text in texts.items():
            for word in word_index.words_of(text):
                for place, term in enumerate(self.terms):
                    assert isinstance(term, Form)
                    best[place] = max(best[place], term.relevancy(word) * PLACES[kind])
        if not best or not all(best):
            return False
        self.scores[uid] = score(best)
        return True


@dataclass(slots=True)
class ColumnSearch:
    """SUBJECT, FROM … with FUZZY: all words in any form, or the text as it stands."""

    needle: str
    terms: Sequence[Form]
    scores: dict[int, int] = field(default_factory=dict)

    def match(self, uid: int, column: str) -> bool:
        mapped = casemap(column)
        best = [0.0 for _ in self.terms]
        for word in word_index.words_of(mapped):
            best = [max(old, term.relevancy(word)) for old, term in zip(best, self.terms, strict=True)]
        if self.needle not in mapped and not all(best):
            return False
        self.scores[uid] = score(best) if all(best) else EXACT
        return True


def score(relevancies: Sequence[float]) -> int:
    """RFC 6203 §4: 1 to 100."""
    return max(1, min(100, round(sum(relevancies) / len(relevancies))))


def text_search(kinds: tuple[Kind, ...], text: str, *, is_fuzzy: bool) -> TextSearch:
    """Of a key and its text."""
    needle = word_index.needle(text)
    if is_fuzzy and (words := forms(text)):
        return TextSearch(needle, kinds, words, True)
    return TextSearch(needle, kinds, [Piece((pattern,)) for pattern in needle.patterns], False)
