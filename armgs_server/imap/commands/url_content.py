# SPDX-License-Identifier: Apache-2.0
"""What a URL names: copied into a message by CATENATE (RFC 4469 §3), sent by URLFETCH (RFC 4467 §6.3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.formats.mime import unpack
from armgs_server.formats.mime_section import header_fields, section_range
from armgs_server.imap.commands.fetch_items import parse_section
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import ImapError, no
from armgs_server.imap.urls import MessageUrl, parse_url
from armgs_server.storage import Store, mail_query
from armgs_server.storage.blobs import BlobWriter
from armgs_server.storage.collections import Collection
from armgs_server.storage.mail_query import Selection

if TYPE_CHECKING:
    from armgs_server.imap.session import Session


@dataclass(frozen=True, slots=True)
class Named:
    """Octets of a message: a range of its blob, or those at hand."""

    digest: bytes
    start: int
    end: int
    data: bytes | None = None

    @property
    def size(self) -> int:
        return self.end - self.start if self.data is None else len(self.data)

    async def chunks(self, store: Store) -> AsyncIterator[bytes]:
        if self.data is not None:
            yield self.data
            return
        async for chunk in store.blobs.stream(self.digest, self.start, self.end):
            yield chunk


async def resolve(store: Store, mailbox: Collection, url: MessageUrl) -> Named | None:
    """What the URL names in a mailbox that the reader may read; None where there is nothing."""
    if url.uid_validity and url.uid_validity != mailbox.uid_validity:
        return None
    section = parse_section(Cursor((url.section.encode("ascii") + b"]",)), peek=True)
    rows = await store.read(
        lambda tx: mail_query.select(
            tx,
            mailbox.owner,
            mailbox.id,
            "i.blob, i.size, m.header_size, m.parts",
            Selection(url.uid, url.uid),
            limit=1,
        )
    )
    if not rows:
        return None
    _, digest, size, header_size, parts = rows[0]
    found = section_range(unpack(parts, header_size, size), section.path, section.text)
    if found is None:
        return None
    start, end = found
    if section.fields is not None:
        octets = header_fields(section.fields, section.negate)(await store.blobs.read(digest, start, end))
        return Named(digest, 0, 0, octets[url.first : url.first + url.count if url.count else None])
    start = min(start + url.first, end)
    return Named(digest, start, min(start + url.count, end) if url.count else end)


async def copy_url(session: Session, url: bytes, writer: BlobWriter) -> None:
    """NO [BADURL] where it names nothing that the person may read (RFC 4469 §4)."""
    text = url.decode("utf-8", "replace")
    parsed = parse_url(text)
    shown = "".join(char for char in text if char.isascii() and char.isprintable() and char not in '"\\[]')
    refusal = no("nothing to be read there", f'BADURL "{shown}"')
    if parsed is None:
        raise refusal
    store = session.core.store
    try:
        mailbox = await session.reach.find(parsed.mailbox, Rights.READ)
        named = await resolve(store, mailbox, parsed)
    except ImapError as error:
        raise refusal from error
    if named is None:
        raise refusal
    if writer.size + named.size > session.settings.message_size:
        raise no("the message becomes too large", "TOOBIG")
    async for chunk in named.chunks(store):
        await writer.write(chunk)
