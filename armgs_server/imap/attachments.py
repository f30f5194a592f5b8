# SPDX-License-Identifier: Apache-2.0
"""The text of a message's attachments, read by a process that may fail (attachment_process)."""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import AsyncIterator

from armgs_server import log
from armgs_server.attachment_process import REPLY, REQUEST
from armgs_server.config import ImapSettings
from armgs_server.formats.documents import IN_BASE64, PDF, ZIP
from armgs_server.formats.mime import Kind, Part, unpack
from armgs_server.formats.mime_section import decoded_body, text_parts
from armgs_server.storage import Store, attachment_texts
from armgs_server.storage.tx import Row

# Octets of a part that show what it is.
_LOOKED_AT = 2048
_log = log.get("imap")


class AttachmentReader:
    """Starts the process when there is something to read; `stop` ends it."""

    def __init__(self, store: Store, settings: ImapSettings) -> None:
        self._store = store
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None

    async def text(self, row: Row) -> str:
        """Of a row of CONTENT_COLUMNS. What was read once is kept for all who have the message."""
        digest, size, header_size, parts, data = row
        places = [place async for place in self._documents(digest, size, header_size, parts, data)]
        if not places:
            return ""
        kept = await self._store.read(lambda tx: attachment_texts.of(tx, [digest]))
        if digest in kept:
            return zlib.decompress(kept[digest]).decode("utf-8")
        found: list[str] = []
        left = self._settings.attachment_text
        for part in places:
            if left > 0:
                document = await self._octets(digest, data, part.start, part.end)
                body = decoded_body(document[: part.body - part.start], document[part.body - part.start :])
                found.append(await self._read(body or b"", left))
                left -= len(found[-1])
        text = "\n".join(found)
        packed = zlib.compress(text.encode("utf-8"))
        await self._store.write(lambda tx: attachment_texts.put(tx, digest, packed))
        return text

    async def _documents(
        self, digest: bytes, size: int, header_size: int, parts: bytes, data: bytes | None
    ) -> AsyncIterator[Part]:
        """The parts that can be documents, by how they begin."""
        for part in text_parts(unpack(parts, header_size, size)):
            if part.kind is Kind.LEAF and part.end - part.body <= self._settings.attachment_size:
                head = await self._octets(digest, data, part.body, min(part.end, part.body + _LOOKED_AT))
                if head.lstrip().startswith((*IN_BASE64, PDF, ZIP)):
                    yield part

    async def _octets(self, digest: bytes, data: bytes | None, start: int, end: int) -> bytes:
        return data[start:end] if data is not None else await self._store.blobs.read(digest, start, end)

    async def _read(self, document: bytes, limit: int) -> str:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "armgs_server.attachment_process",
                str(self._settings.attachment_memory),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        source, target = self._process.stdout, self._process.stdin
        assert source is not None and target is not None
        try:
            async with asyncio.timeout(self._settings.attachment_time):
                target.write(REQUEST.pack(len(document), limit) + document)
                await target.drain()
                [size] = REPLY.unpack(await source.readexactly(REPLY.size))
                return (await source.readexactly(size)).decode("utf-8")
        except (TimeoutError, EOFError, ConnectionError) as error:
            _log.warning("attachment not read", size=len(document), error=type(error).__name__)
            await self.stop()
            return ""
        except asyncio.CancelledError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()
