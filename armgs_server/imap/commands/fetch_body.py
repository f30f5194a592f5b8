# SPDX-License-Identifier: Apache-2.0
"""BODY[…] of one message: RFC 3501 §6.4.5. Bytes go out as they came in, by offset.

Small messages come with their row and are answered from it. Of large ones only the octets asked for are
read, and what is longer than STREAMED goes to the client in pieces, so that memory stays bounded.
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


def inline_message(plan: Plan, number: int, row: Row) -> bytes:
    """One FETCH response from a row that brought the bytes along."""
    _, size, header_size, parts, data = row[-5:]
    pieces = [plan.attributes(row)] if plan.values else []
    tree = None if plan.header_only else unpack(parts, header_size, size)
    for section in plan.sections:
        found = (0, header_size) if tree is None else section_range(tree, section.path, section.text)
        pieces.append(b"%b %b" % (section.label, b"NIL" if found is None else _cut(section, data, found)))
    return b"* %d FETCH (%b)\r\n" % (number, b" ".join(pieces))


def _cut(section: Section, data: bytes, found: tuple[int, int]) -> bytes:
    """The literal of a section that lies at `found`."""
    if section.fields is not None:
        return literal(_chosen(section, data[found[0] : found[1]]))
    start, end = _bounds(section, found)
    return literal(data[start:end])


def _chosen(section: Section, header: bytes) -> bytes:
    """HEADER.FIELDS, and what a partial fetch wants of it."""
    assert section.fields is not None
    octets = header_fields(section.fields, section.negate)(header)
    if section.partial is None:
        return octets
    first, count = section.partial
    return octets[first : first + count]


def _bounds(section: Section, found: tuple[int, int]) -> tuple[int, int]:
    start, end = found
    if section.partial is not None:
        first, count = section.partial
        start = min(start + first, end)
        end = min(start + count, end)
    return start, end


async def write_message(session: Session, plan: Plan, number: int, row: Row) -> None:
    """One FETCH response of a message whose bytes are in a file."""
    digest, size, header_size, parts, _ = row[-5:]
    blobs = session.core.store.blobs
    tree = unpack(parts, header_size, size)
    pieces = [b"* %d FETCH (" % number]
    separator = b""
    if plan.values:
        pieces.append(plan.attributes(row))
        separator = b" "
    for section in plan.sections:
        pieces.append(b"%b%b " % (separator, section.label))
        separator = b" "
        found = section_range(tree, section.path, section.text)
        if found is None:
            pieces.append(b"NIL")
        elif section.fields is not None:
            pieces.append(literal(_chosen(section, await blobs.read(digest, *found))))
        else:
            start, end = _bounds(section, found)
            if end - start <= STREAMED:
                pieces.append(literal(await blobs.read(digest, start, end)))
                continue
            session.writelines([*pieces, b"{%d}\r\n" % (end - start)])
            pieces = []
            async for chunk in blobs.stream(digest, start, end):
                session.write(chunk)
                await session.stream.drain()
    session.writelines([*pieces, b")\r\n"])
