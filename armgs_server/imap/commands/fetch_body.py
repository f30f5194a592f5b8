# SPDX-License-Identifier: Apache-2.0
"""BODY[…] of one message: RFC 3501 §6.4.5. Bytes go out as they came in, by offset.

Small messages come with their row. Of large ones only the octets asked for are read, and what is longer
than STREAMED goes to the client in pieces, so that memory stays bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.formats.mime import unpack
from armgs_server.formats.mime_section import header_fields, section_range
from armgs_server.imap.commands.fetch_items import Plan, Section
from armgs_server.imap.responses import literal
from armgs_server.storage.tx import Row

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

STREAMED = 256 * 1024


async def write_message(session: Session, plan: Plan, number: int, row: Row) -> None:
    """One FETCH response with its sections."""
    digest, size, header_size, parts, data = row[-5:]
    tree = unpack(parts, header_size, size)
    pieces = [b"* %d FETCH (" % number]
    separator = b""
    if plan.has_attributes:
        pieces.append(plan.answer(row))
        separator = b" "
    for section in plan.sections:
        pieces.append(separator + section.label + b" ")
        separator = b" "
        found = section_range(tree, section.path, section.text)
        if found is None:
            pieces.append(b"NIL")
            continue
        if section.fields is not None:
            header = await _octets(session, digest, data, *found)
            chosen = header_fields(section.fields, section.negate)(header)
            pieces.append(literal(_partial(chosen, section)))
            continue
        start, end = _bounds(found, section)
        if data is not None or end - start <= STREAMED:
            pieces.append(literal(await _octets(session, digest, data, start, end)))
            continue
        session.writelines([*pieces, b"{%d}\r\n" % (end - start)])
        pieces = []
        async for chunk in session.core.store.blobs.stream(digest, start, end):
            session.write(chunk)
            await session.stream.drain()
    session.writelines([*pieces, b")\r\n"])


def _partial(octets: bytes, section: Section) -> bytes:
    if section.partial is None:
        return octets
    first, count = section.partial
    return octets[first : first + count]


def _bounds(found: tuple[int, int], section: Section) -> tuple[int, int]:
    start, end = found
    if section.partial is not None:
        first, count = section.partial
        start = min(start + first, end)
        end = min(start + count, end)
    return start, end


async def _octets(session: Session, digest: bytes, data: bytes | None, start: int, end: int) -> bytes:
    """From the row where it brought them (the header alone, or all), else from the blob's file."""
    if data is not None:
        return data[start:end]
    return await session.core.store.blobs.read(digest, start, end)
