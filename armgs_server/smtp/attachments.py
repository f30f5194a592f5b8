# SPDX-License-Identifier: Apache-2.0
"""Large attachments of submitted mail: kept among the sender's files, the message has links instead.

A message is rewritten only where it has such an attachment; the files and their links come to be in the
transaction that delivers it (records.py). Where the sender's quota has no room for them, where links are
switched off or need a password, mail goes as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from mmap import mmap

from armgs_server import log
from armgs_server.directory import sharelinks
from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid
from armgs_server.formats import mime, mime_detach
from armgs_server.formats.mime_detach import Attachment
from armgs_server.service import Core
from armgs_server.storage import accounts, clock, collections, free_names, items, mail
from armgs_server.storage import sharelinks as links
from armgs_server.storage.blobs import CHUNK, BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.sharelinks import Link
from armgs_server.storage.tx import Tx

FOLDER = "Mail attachments"
ROLE = "mail-attachments"

_log = log.get("smtp")


@dataclass(frozen=True, slots=True)
class Detached:
    """One attachment, decoded, and the token of its link."""

    name: str
    content_type: str
    ref: BlobRef
    token: str
    expires: int


async def detach(
    core: Core, author: Principal, refs: Sequence[BlobRef]
) -> tuple[Sequence[BlobRef], tuple[Detached, ...]]:
    """The copies of a message without its large attachments, and these; as they are where it has none."""
    least = core.config.smtp.attachment_links
    if not least or not core.config.http.link_days or core.config.http.link_password:
        return refs, ()
    if not refs or refs[0].size < least:
        return refs, ()
    taken = await _find(core, refs[0], least)
    if not taken or not await _has_room(core, author, sum(each.size for each in taken)):
        return refs, ()
    expires = clock.now() + core.config.http.link_days * clock.DAY
    files = await _take_out(core, refs[0], taken, expires)
    if not files:
        return refs, ()
    text = _text(core, files, expires)
    rewritten = [await _rewrite(core, ref, await _find(core, ref, least), text) for ref in refs]
    _log.info("attachments made links", author=author.address, count=len(files))
    return rewritten, files


async def keep(tx: Tx, author: int, files: Sequence[Detached], now: int) -> None:
    """The files and their links. OverQuota where the room has gone meanwhile."""
    folder = await _folder(tx, author)
    for each in files:
        name = await free_names.find(tx, folder, each.name)
        item = await items.add(tx, folder, each.ref, name=name, content_type=each.content_type)
        key = (links.hash_of(each.token), author, folder.id, item.uid, author)
        await links.add(tx, Link(*key, "", now, each.expires, 0, 0))


async def _find(core: Core, ref: BlobRef, least: int) -> list[Attachment]:
    index = await mail.read_index(core.store.blobs, ref)
    root = mime.unpack(index.parts, index.header_size, ref.size)
    data = await asyncio.to_thread(core.store.blobs.open, ref)
    try:
        return mime_detach.find(data, root, least)
    finally:
        _close(data)


async def _has_room(core: Core, author: Principal, size: int) -> bool:
    usage = await core.store.read(lambda tx: accounts.usage(tx, author.id))
    return not usage.quota or usage.bytes + size <= usage.quota


async def _take_out(
    core: Core, ref: BlobRef, taken: Sequence[Attachment], expires: int
) -> tuple[Detached, ...]:
    """Their octets into the blob store; none where one cannot be decoded."""
    data = await asyncio.to_thread(core.store.blobs.open, ref)
    files = []
    try:
        for each in taken:
            writer = core.store.blobs.writer()
            pieces = mime_detach.octets(data, each)
            try:
                while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                    await writer.write(piece)
                made = await writer.finish()
            except Invalid:
                return ()
            finally:
                writer.abort()
            files.append(Detached(each.name, each.content_type, made, sharelinks.new_token(), expires))
    finally:
        _close(data)
    return tuple(files)


async def _rewrite(core: Core, ref: BlobRef, taken: Sequence[Attachment], text: str) -> BlobRef:
    data = await asyncio.to_thread(core.store.blobs.open, ref)
    writer = core.store.blobs.writer()
    try:
        for piece in mime_detach.spliced(taken, ref.size, text):
            if isinstance(piece, bytes):
                await writer.write(piece)
                continue
            for start in range(*piece, CHUNK):
                await writer.write(bytes(data[start : min(start + CHUNK, piece[1])]))
        return await writer.finish()
    finally:
        writer.abort()
        _close(data)


def _text(core: Core, files: Sequence[Detached], expires: int) -> str:
    """What stands in the message instead, in both languages."""
    day = datetime.fromtimestamp(expires // clock.SECOND, UTC).strftime("%Y-%m-%d")
    lines = [
        f"Вложения этого письма можно скачать по ссылкам до {day}.",
        f"The attachments of this message can be downloaded until {day}.",
        "",
    ]
    for each in files:
        megabytes = max(each.ref.size / (1024 * 1024), 0.1)
        lines += [f"{each.name} ({megabytes:.1f} MiB)", sharelinks.url(core.config, each.token), ""]
    return "\r\n".join(lines)


async def _folder(tx: Tx, owner: int) -> Collection:
    """The person's folder for them, wherever it was moved to and however it is called."""
    folder = await collections.by_role(tx, owner, "files", ROLE)
    if folder is not None:
        return folder
    await accounts.hold(tx, [owner])  # another message of the same person makes it, too
    root = await collections.by_role(tx, owner, "files", "root")
    assert root is not None, "whoever may submit mail has files"
    name = await free_names.find(tx, root, FOLDER)
    return await collections.create(tx, owner, "files", name, parent=root.id, role=ROLE)


def _close(data: bytes | mmap) -> None:
    if isinstance(data, mmap):
        data.close()
