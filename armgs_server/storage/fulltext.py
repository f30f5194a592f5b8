# SPDX-License-Identifier: Apache-2.0
"""Full-text search: which words are in which of an owner's texts, the same on both engines.

A text is cut into words, each word into its stem (Russian for Cyrillic letters, English for Latin ones),
and a row is kept for each stem. A text is found when it has all stems of the query, so any form of a word
finds any other. A text belongs to a scope: 0 is the owner's chat archive, any other number a collection.

Rows are made after the texts, in slices (`begin`, `put`, `advance`), so that no message waits for them.
Whoever indexes or takes a text away calls `begin` first: it holds the scope until the commit, so a text
that is taken away is not indexed at the same moment.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

from armgs_server.formats.stream_safe import stream_safe
from armgs_server.storage.tx import Tx, Value

CHAT = 0  # the scope of the chat archive
MAX_TERMS = 5000  # of one text: a longer one is found by its beginning
MAX_ROWS = 10_000  # of the words that begin as the query says: some 30 ms
_LONGEST = 64  # characters of a word that count
_WORD = re.compile(r"[^\W_]+")
_QUERIED = re.compile(r"([^\W_]+)(\*?)")
_CYRILLIC = re.compile("[\u0400-\u04ff]")
_LATIN = re.compile("[a-z]")
# Words that are in nearly every text find nothing: they are neither indexed nor searched.
_COMMON = frozenset(
    "а без бы был была были было быть в вам вас весь во вот все всего всех вы где да для до его ее если есть"
    " еще же за и из или им их к как ко когда кто ли либо мне может мы на над надо наш не него нее нет ни них"
    " но ну о об однако он она они оно от очень по под при с со так также там те тем то того тоже той только"
    " том ты у уже хотя чего чей чем что чтобы чье чья эта эти это я"
    " a an and are as at be but by for from had has have he her his i if in is it its me my no not of on or"
    " our she so that the their them then there these they this to was we were what which who will with you"
    " your".split()
)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition of a query; with `is_prefix` any stem that begins so will do."""

    stem: str
    is_prefix: bool = False


def stems(text: str) -> set[str]:
    """What a text is found by."""
    found: set[str] = set()
    for match in _WORD.finditer(_normalised(text)):
        if match[0] not in _COMMON:
            found.add(_stem(match[0][:_LONGEST]))
        if len(found) == MAX_TERMS:
            break
    return found


def parse_query(text: str) -> tuple[Term, ...]:
    """Words that must all be there, in any form; `word*` is the beginning of one."""
    terms = (
        Term(_stem(word[:_LONGEST]), bool(star))
        for word, star in _QUERIED.findall(_normalised(text))
        if star or word not in _COMMON
    )
    return tuple(dict.fromkeys(terms))


def _normalised(text: str) -> str:
    return unicodedata.normalize("NFKC", stream_safe(text)).casefold().replace("ё", "е")


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    """A stemmer of its own for each word: one keeps state, and threads call this."""
    if _CYRILLIC.search(word):
        return str(snowballstemmer.stemmer("russian").stemWord(word))
    if _LATIN.search(word):
        return str(snowballstemmer.stemmer("english").stemWord(word))
    return word


async def begin(tx: Tx, owner: int, scope: int) -> int:
    """The greatest id indexed so far; nobody else goes on until the commit."""
    last = await tx.value(
        "INSERT INTO fulltext_end (owner, scope, last) VALUES (?, ?, 0)"
        " ON CONFLICT (owner, scope) DO UPDATE SET last = fulltext_end.last RETURNING last",
        owner,
        scope,
    )
    return int(last)


async def end(tx: Tx, owner: int, scope: int) -> int:
    """The greatest id indexed so far, just read."""
    last = await tx.value("SELECT last FROM fulltext_end WHERE owner = ? AND scope = ?", owner, scope)
    return int(last or 0)


async def advance(tx: Tx, owner: int, scope: int, last: int) -> None:
    """Everything up to `last` is indexed; or, where that is less than before, must be looked at again."""
    await tx.execute("UPDATE fulltext_end SET last = ? WHERE owner = ? AND scope = ?", last, owner, scope)


async def put(tx: Tx, owner: int, scope: int, texts: Iterable[tuple[int, str]]) -> None:
    """Indexes texts by their ids; once more does no harm."""
    await tx.executemany(
        "INSERT INTO fulltext (owner, scope, term, id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        # In the order of the key: rows of one word lie together.
        sorted((owner, scope, stem, id_) for id_, text in texts for stem in stems(text)),
    )


async def remove(tx: Tx, owner: int, scope: int, texts: Iterable[tuple[int, str]]) -> None:
    """Takes texts, as they were indexed, out again."""
    await tx.executemany(
        "DELETE FROM fulltext WHERE owner = ? AND scope = ? AND term = ? AND id = ?",
        [(owner, scope, stem, id_) for id_, text in texts for stem in stems(text)],
    )


async def are_too_many(tx: Tx, owner: int, scope: int, terms: Iterable[Term]) -> bool:
    """Whether the beginning of a word is that of so many that finding the texts would take too long."""
    for term in terms:
        if term.is_prefix:
            condition_, values = _condition_of(owner, scope, term)
            some = f"SELECT id FROM fulltext WHERE {condition_} LIMIT ?"
            if await tx.value(f"SELECT COUNT(*) FROM ({some}) AS found", *values, MAX_ROWS + 1) > MAX_ROWS:
                return True
    return False


def condition(column: str, owner: int, scope: int, terms: Iterable[Term]) -> tuple[str, list[Value]]:
    """SQL that holds for rows whose `column` is the id of a text with all terms; its arguments."""
    parts: list[str] = []
    arguments: list[Value] = []
    for term in terms:
        test, values = _condition_of(owner, scope, term)
        parts.append(f"{column} IN (SELECT id FROM fulltext WHERE {test})")
        arguments += values
    return " AND ".join(parts) or "1 = 0", arguments


def _condition_of(owner: int, scope: int, term: Term) -> tuple[str, list[Value]]:
    if not term.is_prefix:
        return "owner = ? AND scope = ? AND term = ?", [owner, scope, term.stem]
    bounds: list[Value] = [owner, scope, term.stem, term.stem + "\U0010ffff"]
    return "owner = ? AND scope = ? AND term >= ? AND term < ?", bounds
