# SPDX-License-Identifier: Apache-2.0
"""The bytes of what comes back: those that the store has lost are brought, the rest is only named."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from armgs_server.errors import NotFound, Temporary
from armgs_server.storage import Store
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.items import places
from armgs_server.storage.tx import Tx


class Bodies:
    """Between the store of a backup and the one that is served."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source = source
        self._target = target

    async def refs(self, wanted: Iterable[tuple[bytes, int]], *, anew: bool = False) -> dict[bytes, BlobRef]:
        """What a transaction may name, by hash; what the backup has lost is left out.

        With `anew` even what seems to be there is brought: it may be collected in between.
        """
        sizes = dict(wanted)
        there = set() if anew else await self._there(list(sizes))
        found = {}
        for digest, size in sizes.items():
            if digest in there:
                found[digest] = BlobRef(digest, size, None)
            elif (ref := await self._bring(digest)) is not None:
                found[digest] = ref
        return found

    async def _there(self, digests: list[bytes]) -> set[bytes]:
        async def work(tx: Tx) -> set[bytes]:
            found: set[bytes] = set()
            for start in range(0, len(digests), 500):
                part = digests[start : start + 500]
                rows = await tx.rows(
                    f"SELECT hash FROM blob WHERE hash IN ({places([0] * len(part))})"
                    " AND (data IS NOT NULL OR place IS NOT NULL)",
                    *part,
                )
                found |= {bytes(row[0]) for row in rows}
            return found

        return await self._target.read(work)

    async def _bring(self, digest: bytes) -> BlobRef | None:
        """Into the store, checked; None where the backup has not got it, or other bytes."""
        writer = self._target.blobs.writer()
        chunks = self._source.blobs.stream(digest)
        try:
            while (chunk := await self._next(chunks)) is not None:
                await writer.write(chunk)
        except _Lost:
            writer.abort()
            return None
        except BaseException:
            writer.abort()
            raise
        ref = await writer.finish()
        return ref if ref.hash == digest else None

    async def _next(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        """What cannot be read there is lost; what cannot be written here is another matter."""
        try:
            return await anext(chunks, None)
        except (NotFound, Temporary) as error:
            raise _Lost from error


class _Lost(Exception):
    """The backup has not got the bytes, or not all of them."""
