# SPDX-License-Identifier: Apache-2.0
"""Messages: an item of a mailbox with what IMAP asks of it, read once from the bytes when it arrives."""

from __future__ import annotations

import asyncio
from mmap import mmap

from armgs_server.formats import mime
from armgs_server.formats.mime import MessageIndex
from armgs_server.storage import clock, items
from armgs_server.storage.blobs import BlobRef, Blobs
from armgs_server.storage.collections import INDEX_COLUMNS, Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx, Value

# A hostile header costs about a microsecond an octet: longer messages are read in a thread.
INDEXED_ON_THE_LOOP = 16 * 1024
CONTENT_TYPE = "message/rfc822"


async def read_index(blobs: Blobs, ref: BlobRef) -> MessageIndex:
    """Indexes a message that `blobs` has just taken; a large one off the loop, without reading it whole."""
    if ref.data is not None and ref.size <= INDEXED_ON_THE_LOOP:
        return mime.index(ref.data)

    def read() -> MessageIndex:
        data = blobs.open(ref)
        try:
            return mime.index(data)
        finally:
            if isinstance(data, mmap):
                data.close()

    return await asyncio.to_thread(read)


async def append(
    tx: Tx,
    collection: Collection,
    ref: BlobRef,
    index: MessageIndex,
    *,
    flags: int = 0,
    keywords: str = "",
    created: int | None = None,
) -> Item:
    """Adds a message to a mailbox. `created` is its INTERNALDATE, now by default. OverQuota, NotFound."""
    arrived = clock.now() if created is None else created
    item = await items.add(
        tx, collection, ref, content_type=CONTENT_TYPE, created=arrived, flags=flags, keywords=keywords
    )
    await put_index(tx, item, index)
    return item


async def put_index(tx: Tx, item: Item, index: MessageIndex) -> None:
    """What IMAP asks of a message, beside the item that was just added."""
    await tx.execute(
        f"INSERT INTO message (owner, collection, uid, {INDEX_COLUMNS['message']})"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        item.owner,
        item.collection,
        item.uid,
        *index_row(index, item.created),
    )


def index_row(index: MessageIndex, arrived: int) -> tuple[Value, ...]:
    """The columns INDEX_COLUMNS["message"]."""
    return (
        index.envelope,
        index.bodystructure,
        index.body,
        index.parts,
        index.header_size,
        arrived if index.sent is None else index.sent,
        index.subject,
        index.sender,
        index.recipients,
        index.cc,
        index.bcc,
        index.message_id,
        index.refs,
    )
