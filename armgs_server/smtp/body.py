# SPDX-License-Identifier: Apache-2.0
"""A message on its way in: gathered in memory while small, streamed into the blob store beyond that.

`inspect` sees the header once, before anything is kept: it answers with the prefixes under which the
message is kept (one for each copy), or with the reply that refuses it. A refused message is read to its
end and forgotten; its reply waits until then. Where there is a `judge`, it sees the whole message before
`inspect` does, and may replace the header; a large message is then written once to be judged, and again
under its prefixes. Without one, `revise` may take out of a header what must not be there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from mmap import mmap
from typing import TypeAlias

from armgs_server import log
from armgs_server.errors import DomainError
from armgs_server.formats import mime
from armgs_server.smtp import replies
from armgs_server.smtp.replies import Reply
from armgs_server.storage.blobs import CHUNK, BlobRef, Blobs, BlobWriter

_log = log.get("smtp")

Inspect: TypeAlias = Callable[[bytes], Awaitable[Sequence[bytes] | Reply]]
# The whole message and where its header ends: the header to keep, or the reply that refuses the message.
Judge: TypeAlias = Callable[[bytes | mmap, int], Awaitable[bytes | Reply]]

# A header must end within this; what is held in memory before a message goes to the blob store.
HEADER_LIMIT = mime.MAX_HEADER


class Body:
    """Takes the text of one message; `finish` gives references to its copies."""

    def __init__(
        self,
        blobs: Blobs,
        limit: int,
        inspect: Inspect,
        judge: Judge | None = None,
        revise: Callable[[bytes], bytes] = lambda head: head,
    ) -> None:
        self._blobs = blobs
        self._limit = limit
        self._inspect = inspect
        self._judge = judge
        self._revise = revise
        self._header_size = 0  # of a large message that is yet to be judged
        self._parts: list[bytes] = []
        self._writers: list[BlobWriter] = []
        self._refusal: Reply | None = None
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Takes a piece; what cannot be kept is refused at the end."""
        self.size += len(data)
        if self._refusal is not None:
            return
        if self.size > self._limit:
            self._refuse(replies.TOO_LARGE_552)
            return
        try:
            if self._writers:
                for writer in self._writers:
                    await writer.write(data)
            else:
                self._parts.append(data)
                if self.size > HEADER_LIMIT:
                    await self._open_writers()
        except DomainError as error:
            _log.warning("message not kept", error=error, cause=error.__cause__)
            self._refuse(replies.STORE_FAILED_451)

    async def finish(self) -> Sequence[BlobRef] | Reply:
        """The copies in the order of the prefixes, durable or small; or why the message is refused."""
        if self._refusal is None and not self._writers:
            return await self._keep_small()
        if self._refusal is not None:
            return self._refusal
        if self._judge is not None:
            return await self._keep_judged(self._judge, await self._writers[0].finish())
        return [await writer.finish() for writer in self._writers]

    def abort(self) -> None:
        """Forgets everything."""
        self._parts.clear()
        for writer in self._writers:
            writer.abort()
        self._writers.clear()

    def _refuse(self, reply: Reply) -> None:
        self._refusal = reply
        self.abort()

    async def _keep_small(self) -> Sequence[BlobRef] | Reply:
        text = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        end = mime.header_end(text, 0, len(text))
        head = self._revise(text[:end]) if self._judge is None else await self._judge(text, end)
        if isinstance(head, Reply):
            return head
        if head != text[:end]:
            text = head + text[end:]
        prefixes = await self._inspect(head)
        if isinstance(prefixes, Reply):
            return prefixes
        return [await self._blobs.put(prefix + text) for prefix in prefixes]

    async def _open_writers(self) -> None:
        text = b"".join(self._parts)
        end = mime.header_end(text, 0, len(text))
        if end == len(text):
            self._refuse(replies.HEADER_TOO_LARGE_552)
            return
        head = self._revise(text[:end]) if self._judge is None else text[:end]
        prefixes = await self._inspect(head) if self._judge is None else (b"",)
        if isinstance(prefixes, Reply):
            self._refuse(prefixes)
            return
        self._header_size = end
        self._parts.clear()
        for prefix in prefixes:
            writer = self._blobs.writer()
            self._writers.append(writer)
            await writer.write(prefix + head + text[end:])

    async def _keep_judged(self, judge: Judge, whole: BlobRef) -> Sequence[BlobRef] | Reply:
        """Nothing refers to `whole` afterwards: it is collected like all that no transaction has named."""
        text = await asyncio.to_thread(self._blobs.open, whole)
        try:
            head = await judge(text, self._header_size)
            if isinstance(head, Reply):
                return head
            prefixes = await self._inspect(head)
            if isinstance(prefixes, Reply):
                return prefixes
            self._writers = [self._blobs.writer() for _ in prefixes]
            for writer, prefix in zip(self._writers, prefixes, strict=True):
                await writer.write(prefix + head)
                for start in range(self._header_size, len(text), CHUNK):
                    await writer.write(bytes(text[start : start + CHUNK]))
            return [await writer.finish() for writer in self._writers]
        finally:
            if isinstance(text, mmap):
                text.close()
