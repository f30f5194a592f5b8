# SPDX-License-Identifier: Apache-2.0
"""What a URL names, copied into a message: CATENATE (RFC 4469 §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.formats.mime import unpack
from armgs_server.formats.mime_section import header_fields, section_range
from armgs_server.imap.commands.fetch_items import Section, parse_section
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import ImapError, no
from armgs_server.imap.urls import MessageUrl, parse_url
from armgs_server.storage import mail_query
from armgs_server.storage.blobs import BlobWriter
from armgs_server.storage.mail_query import Selection

if TYPE_CHECKING:
    from armgs_server.imap.session import Session


async def copy_url(session: Session, url: bytes, writer: BlobWriter) -> None:
    """NO [BADURL] where it names nothing that the person may read (RFC 4469 §4)."""
    text = url.decode("utf-8", "replace")
    named = parse_url(text)
    shown = "".join(char for char in text if char.isascii() and char.isprintable() and char not in '"\\[]')
    refusal = no("nothing to be read there", f'BADURL "{shown}"')
    if named is None:
        raise refusal
    try:
        section = parse_section(Cursor((named.section.encode("ascii") + b"]",)), peek=True)
        await _copy(session, named, section, writer, refusal)
    except ImapError as error:
        if error.code == "TOOBIG":
            raise
        raise refusal from error


async def _copy(
    session: Session, url: MessageUrl, section: Section, writer: BlobWriter, refusal: ImapError
) -> None:
    collection = await session.reach.find(url.mailbox, Rights.READ)
    if url.uid_validity and url.uid_validity != collection.uid_validity:
        raise refusal
    rows = await session.core.store.read(
        lambda tx: mail_query.select(
            tx,
            collection.owner,
            collection.id,
            "i.blob, i.size, m.header_size, m.parts",
            Selection(url.uid, url.uid),
            limit=1,
        )
    )
    if not rows:
        raise refusal
    _, digest, size, header_size, parts = rows[0]
    found = section_range(unpack(parts, header_size, size), section.path, section.text)
    if found is None:
        raise refusal
    blobs = session.core.store.blobs
    start, end = found
    if section.fields is not None:
        octets = header_fields(section.fields, section.negate)(await blobs.read(digest, start, end))
        await writer.write(octets[url.first : url.first + url.count if url.count else None])
        return
    start = min(start + url.first, end)
    end = min(start + url.count, end) if url.count else end
    if writer.size + end - start > session.settings.message_size:
        raise no("the message becomes too large", "TOOBIG")
    async for chunk in blobs.stream(digest, start, end):
        await writer.write(chunk)
