# SPDX-License-Identifier: Apache-2.0
"""The words of one mailbox, made slice by slice and merged (storage.mail_words)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set

from armgs_server.errors import NotFound
from armgs_server.formats import word_index
from armgs_server.formats.base_subject import casemap
from armgs_server.formats.word_index import SPAN, WordIndex, base_of
from armgs_server.imap.attachments import AttachmentReader
from armgs_server.imap.commands.search_content import CONTENT_COLUMNS, Content, read_content
from armgs_server.storage import Store, collections, leases, mail_query, mail_words
from armgs_server.storage.leases import Lease
from armgs_server.storage.mail_query import Selection
from armgs_server.storage.mail_words import Kind, Segment
from armgs_server.storage.tx import Row, Tx

SLICE = 200  # messages of a transaction
PAGE = 20  # of them, read at once
SLICE_SIZE = 8 * 1024 * 1024  # octets of them, or one message
# A message with more text, or with more words, is read by who searches it.
MAX_TEXT = 4 * 1024 * 1024
MAX_WORDS = 50_000


class Mailbox:
    """One mailbox, in the hands of the holder of the lease."""

    def __init__(self, store: Store, lease: Lease, owner: int, collection: int) -> None:
        self._store = store
        self._lease = lease
        self._key = (owner, collection)

    async def index(self, reader: AttachmentReader) -> int | None:
        """A slice of what is not indexed yet; how many messages, None where nothing is left."""

        async def read(tx: Tx) -> tuple[int, int, list[Row]] | None:
            last = await mail_words.last(tx, *self._key)
            if last is None:
                return None
            end = (await collections.get(tx, *self._key)).uid_next - 1
            upto = min(end, base_of(last + 1) + SPAN - 1)
            selection = Selection(last + 1, upto)
            rows = await mail_query.select(tx, *self._key, "i.size", selection, limit=SLICE)
            return last, upto if len(rows) < SLICE else rows[-1][0], rows

        try:
            found = await self._store.read(read)
        except NotFound:  # the mailbox was deleted
            return None
        if found is None or found[0] >= found[1]:
            return None
        last, upto, sizes = found
        words: dict[int, Sequence[Set[bytes]] | None] = {}
        uids: list[int] = []
        total = 0
        for uid, size in sizes:
            total += size
            if uids and total > SLICE_SIZE:
                upto = uids[-1]
                break
            uids.append(uid)
        for at in range(0, len(uids), PAGE):
            words |= await self._words(uids[at : at + PAGE], reader)
        partial = frozenset(uid for uid, each in words.items() if each is None)
        whole = {uid: each for uid, each in words.items() if each is not None}
        indexes = await asyncio.to_thread(_build, whole)

        async def write(tx: Tx) -> None:
            await leases.check(tx, self._lease)
            if await mail_words.advance(tx, *self._key, last, upto) and words:
                segment = Segment(min(words), upto, len(words), partial)
                await mail_words.put(tx, *self._key, segment, indexes)

        await self._store.write(write)
        return len(words)

    async def _words(
        self, uids: Sequence[int], reader: AttachmentReader
    ) -> dict[int, Sequence[Set[bytes]] | None]:
        """Of each message that is still there, by Kind; None where there are too many."""
        selection = Selection(uids[0], uids[-1], uids)
        rows = await self._store.read(
            lambda tx: mail_query.select(tx, *self._key, CONTENT_COLUMNS, selection, limit=PAGE)
        )
        contents: dict[int, Content] = {}
        for row in rows:
            try:
                attached = casemap(await reader.text(row[1:]))
                contents[row[0]] = await read_content(self._store.blobs, row[1:], True, attached)
            except NotFound:  # deleted meanwhile
                continue
        return await asyncio.to_thread(lambda: {uid: _words_of(content) for uid, content in contents.items()})

    async def merge(self) -> None:
        """Puts segments together as long as there are too many, and takes out words of what is gone."""
        while run := await self._store.read(self._to_merge):
            await self._merge(run)

    async def _to_merge(self, tx: Tx) -> Sequence[Segment]:
        """Several that are to be one, or one of which most messages are gone."""
        found = await mail_words.segments(tx, *self._key)
        if run := mail_words.to_merge(found):
            return run
        for each in found:
            if len(await mail_words.alive(tx, *self._key, each.first, each.last)) * 2 < each.messages:
                return [each]
        return ()

    async def _merge(self, run: Sequence[Segment]) -> None:
        first, last, base = run[0].first, run[-1].last, run[0].base

        async def read(tx: Tx) -> tuple[set[int], list[list[WordIndex]]]:
            alive = await mail_words.alive(tx, *self._key, first, last)
            return alive, [
                [await mail_words.load(tx, *self._key, kind, each) for each in run] for kind in Kind
            ]

        alive, loaded = await self._store.read(read)
        gone: Set[int] = frozenset()
        if len(alive) < sum(each.messages for each in run):
            gone = {uid - base for uid in range(first, last + 1) if uid not in alive}
        indexes = await asyncio.to_thread(lambda: [word_index.merge(each, gone) for each in loaded])
        partial = frozenset(uid for each in run for uid in each.partial if uid in alive)
        merged = Segment(first, last, len(alive), partial)

        async def write(tx: Tx) -> None:
            await leases.check(tx, self._lease)
            if await mail_words.remove(tx, *self._key, run) and alive:
                await mail_words.put(tx, *self._key, merged, indexes)

        await self._store.write(write)


def _words_of(content: Content) -> Sequence[Set[bytes]] | None:
    """By Kind; None where there is too much of it."""
    texts = {
        Kind.BODY: content.body,
        Kind.HEADER: content.header_text,
        Kind.ATTACHMENTS: content.attachments,
    }
    if sum(map(len, texts.values())) > MAX_TEXT:
        return None
    words = [word_index.words_of(texts[kind]) for kind in Kind]
    return None if sum(map(len, words)) > MAX_WORDS else words


def _build(words: Mapping[int, Sequence[Set[bytes]]]) -> list[WordIndex]:
    return [word_index.build({uid: each[kind] for uid, each in words.items()}) for kind in Kind]
