# SPDX-License-Identifier: Apache-2.0
"""The words of a mailbox's messages, so that a search need not read them (decision 45).

They lie in segments, each of the messages of a range of uids (formats.word_index), for each kind of text one.
Small segments are merged into larger ones, so there are few of them; nothing else ever changes one. A segment
says nothing of who is still there: words of a message that was removed stay until the next merge, at most.

Segments are made by whoever holds the lease (imap.search_upkeep) for mailboxes that are in `mail_index`, up
to `mail_index.last`; whoever searches asks, reads what is newer, and reads what is `partial`.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from armgs_server.errors import NotFound
from armgs_server.formats import word_index
from armgs_server.formats.word_index import ITEM, WordIndex, base_of
from armgs_server.storage.tx import Row, Tx

TOPIC = "mail-index"
PART = 1 << 16  # octets of ids in one row
MERGED = 8  # segments of a size that become one
SIZES = (64, 512, 4096)  # messages; larger ones are of one size, up to word_index.SPAN
MAX_PARTS = 500  # rows named in one statement
RANGES = 500  # words whose ids are looked at together


class Kind(IntEnum):
    """Which text of a message."""

    BODY = 0
    HEADER = 1
    ATTACHMENTS = 2


@dataclass(frozen=True, slots=True)
class Segment:
    """Messages with uids from `first` to `last`; `partial` are those whose words are not all there."""

    first: int
    last: int
    messages: int
    partial: frozenset[int]

    @property
    def base(self) -> int:
        return base_of(self.first)

    @property
    def size(self) -> int:
        """Its class of size, from 0."""
        return sum(self.messages >= size for size in SIZES)


async def want(tx: Tx, owner: int, collection: int) -> bool:
    """The mailbox is to be indexed from now on; whether that is new. TOPIC tells."""
    is_new = await tx.execute(
        "INSERT INTO mail_index (owner, collection, last) VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
        owner,
        collection,
    )
    if is_new:
        tx.publish(TOPIC, b"%d %d" % (owner, collection))
    return bool(is_new)


async def last(tx: Tx, owner: int, collection: int) -> int | None:
    """Up to which uid it is indexed; None where it is not to be."""
    found = await tx.value(
        "SELECT last FROM mail_index WHERE owner = ? AND collection = ?", owner, collection
    )
    return None if found is None else int(found)


async def behind(tx: Tx, after: tuple[int, int], limit: int) -> list[tuple[int, int]]:
    """The next mailboxes with messages that are not indexed yet."""
    rows = await tx.rows(
        "SELECT i.owner, i.collection FROM mail_index i"
        " JOIN collection c ON c.owner = i.owner AND c.id = i.collection"
        " WHERE i.last < c.uid_next - 1 AND (i.owner, i.collection) > (CAST(? AS BIGINT), CAST(? AS BIGINT))"
        " ORDER BY i.owner, i.collection LIMIT ?",
        *after,
        limit,
    )
    return [(row[0], row[1]) for row in rows]


async def segments(tx: Tx, owner: int, collection: int) -> list[Segment]:
    """In the order of their uids."""
    rows = await tx.rows(
        "SELECT first, last, messages, partial FROM mail_words"
        " WHERE owner = ? AND collection = ? AND kind = ? ORDER BY first",
        owner,
        collection,
        Kind.BODY,
    )
    return [
        Segment(first, last, messages, frozenset(word_index.ids(base_of(first), bytes(partial))))
        for first, last, messages, partial in rows
    ]


async def put(tx: Tx, owner: int, collection: int, segment: Segment, indexes: Sequence[WordIndex]) -> None:
    """Adds a segment; `indexes` are in the order of Kind."""
    partial = array("H", sorted(uid - segment.base for uid in segment.partial)).tobytes()
    for kind, index in zip(Kind, indexes, strict=True):
        await tx.execute(
            "INSERT INTO mail_words (owner, collection, kind, first, last, messages, partial, words, starts,"
            " ends) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            owner,
            collection,
            kind,
            segment.first,
            segment.last,
            segment.messages,
            partial,
            index.words,
            array("I", index.starts).tobytes(),
            array("I", index.ends).tobytes(),
        )
        await tx.executemany(
            "INSERT INTO mail_words_ids (owner, collection, kind, first, part, data)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [
                (owner, collection, kind, segment.first, at // PART, index.ids[at : at + PART])
                for at in range(0, len(index.ids), PART)
            ],
        )


async def advance(tx: Tx, owner: int, collection: int, old: int, new: int) -> bool:
    """Everything up to `new` is indexed; False where somebody else was faster, or the mailbox is gone."""
    return bool(
        await tx.execute(
            "UPDATE mail_index SET last = ? WHERE owner = ? AND collection = ? AND last = ?",
            new,
            owner,
            collection,
            old,
        )
    )


async def load(tx: Tx, owner: int, collection: int, kind: Kind, segment: Segment) -> WordIndex:
    """A whole segment."""
    row = await tx.row(
        "SELECT words, starts, ends FROM mail_words"
        " WHERE owner = ? AND collection = ? AND kind = ? AND first = ?",
        owner,
        collection,
        kind,
        segment.first,
    )
    if row is None:
        raise NotFound()
    rows = await tx.rows(
        "SELECT data FROM mail_words_ids WHERE owner = ? AND collection = ? AND kind = ? AND first = ?"
        " ORDER BY part",
        owner,
        collection,
        kind,
        segment.first,
    )
    words, starts, ends = map(bytes, row)
    ids = b"".join([bytes(data) for (data,) in rows])
    return WordIndex(words, array("I", starts), array("I", ends), ids)


async def remove(tx: Tx, owner: int, collection: int, segments: Sequence[Segment]) -> bool:
    """Takes segments away; False where they were not there, with their mailbox."""
    there = True
    for segment in segments:
        key = (owner, collection, segment.first)
        words = await tx.execute(
            "DELETE FROM mail_words WHERE owner = ? AND collection = ? AND first = ?", *key
        )
        await tx.execute("DELETE FROM mail_words_ids WHERE owner = ? AND collection = ? AND first = ?", *key)
        there = there and bool(words)
    return there


async def alive(tx: Tx, owner: int, collection: int, first: int, last: int) -> set[int]:
    """The uids that are there, of a range."""
    rows = await tx.rows(
        "SELECT uid FROM item WHERE owner = ? AND collection = ? AND uid >= ? AND uid <= ?",
        owner,
        collection,
        first,
        last,
    )
    return {row[0] for row in rows}


async def words(tx: Tx, owner: int, collection: int, kind: Kind, segment: Segment) -> bytes | None:
    """The words of a segment; None where it is there no more."""
    found = await _columns(tx, owner, collection, kind, segment, "words")
    return None if found is None else bytes(found[0])


async def places(
    tx: Tx, owner: int, collection: int, kind: Kind, segment: Segment
) -> tuple[array[int], array[int]] | None:
    """`starts` and `ends` of a segment; None where it is there no more."""
    found = await _columns(tx, owner, collection, kind, segment, "starts, ends")
    return None if found is None else (array("I", bytes(found[0])), array("I", bytes(found[1])))


async def _columns(
    tx: Tx, owner: int, collection: int, kind: Kind, segment: Segment, columns: str
) -> Row | None:
    """Of this very segment: one that has taken its place has another end, or other messages."""
    return await tx.row(
        f"SELECT {columns} FROM mail_words"
        " WHERE owner = ? AND collection = ? AND kind = ? AND first = ? AND last = ? AND messages = ?",
        owner,
        collection,
        kind,
        segment.first,
        segment.last,
        segment.messages,
    )


async def uids(
    tx: Tx, owner: int, collection: int, kind: Kind, segment: Segment, ranges: Sequence[tuple[int, int]]
) -> set[int] | None:
    """The uids in ranges [begin, end) of a segment's ids; None where it is there no more."""
    if await _columns(tx, owner, collection, kind, segment, "first") is None:
        return None
    # The longest first: they are of the words that many messages have, and soon it is all of them.
    ranges = sorted(ranges, key=lambda each: each[0] - each[1])
    whole = segment.messages - len(segment.partial)
    found: set[int] = set()
    for at in range(0, len(ranges), RANGES):
        if len(found) >= whole:
            break
        some = ranges[at : at + RANGES]
        parts = await _parts(tx, (owner, collection, kind, segment.first), some)
        for begin, end in some:
            _gather(parts, begin * ITEM, end * ITEM, found)
    return {segment.base + offset for offset in found} if segment.base else found


async def _parts(
    tx: Tx, key: tuple[int, int, int, int], ranges: Sequence[tuple[int, int]]
) -> Mapping[int, bytes]:
    """The rows in which ranges lie, by their numbers."""
    wanted = sorted(
        {part for begin, end in ranges for part in range(begin * ITEM // PART, (end * ITEM - 1) // PART + 1)}
    )
    parts: dict[int, bytes] = {}
    for at in range(0, len(wanted), MAX_PARTS):
        some = wanted[at : at + MAX_PARTS]
        rows = await tx.rows(
            "SELECT part, data FROM mail_words_ids WHERE owner = ? AND collection = ? AND kind = ?"
            f" AND first = ? AND part IN ({', '.join('?' * len(some))})",
            *key,
            *some,
        )
        parts.update((part, bytes(data)) for part, data in rows)
    return parts


def _gather(parts: Mapping[int, bytes], at: int, end: int, found: set[int]) -> None:
    """Adds the offsets that lie in octets [at, end) over the parts."""
    while at < end:
        part, offset = divmod(at, PART)
        size = min(end - at, PART - offset)
        found.update(array("H", parts[part][offset : offset + size]))
        at += size


def to_merge(found: Sequence[Segment]) -> Sequence[Segment]:
    """Segments that lie side by side and should be one; none where all is well."""
    run: list[Segment] = []
    for segment in found:
        if run and (segment.base != run[0].base or segment.size != run[0].size):
            run = []
        run.append(segment)
        if len(run) == MERGED:
            return run
    return ()
