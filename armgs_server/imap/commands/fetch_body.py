# SPDX-License-Identifier: Apache-2.0
"""BODY[…] of one message: RFC 3501 §6.4.5. Bytes go out as they came in, by offset; BINARY[…] (RFC 3516)
without their transfer encoding.

Small messages come with their row and are answered from it. Of large ones only the octets asked for are
read, and what is longer than STREAMED goes to the client in pieces, so that memory stays bounded.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from armgs_server.formats.mime import Kind, Part, unpack
from armgs_server.formats.mime_section import decoded_body, find_part, header_fields, section_range
from armgs_server.formats.preview import preview
from armgs_server.imap.commands.fetch_items import Plan, Section
from armgs_server.imap.responses import literal, no, string
from armgs_server.storage.blobs import Blobs
from armgs_server.storage.tx import Row

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

STREAMED = 256 * 1024


def inline_message(plan: Plan, row: Row) -> bytes:
    """The attributes of one message from a row that brought the bytes along."""
    _, size, header_size, parts, data = row[-5:]
    pieces = [plan.attributes(row)] if plan.values else []
    tree = None if plan.header_only else unpack(parts, header_size, size)
    for section in plan.sections:
        if section.is_computed:
            assert tree is not None
            pieces.append(b"%b %b" % (section.label, computed(section, tree, data)))
            continue
        found = (0, header_size) if tree is None else section_range(tree, section.path, section.text)
        pieces.append(b"%b %b" % (section.label, b"NIL" if found is None else _cut(section, data, found)))
    return b" ".join(pieces)


def computed(section: Section, tree: Part, data: bytes) -> bytes:
    """The value of BINARY[…], BINARY.SIZE[…] or PREVIEW."""
    if section.text == "PREVIEW":
        return string(preview(data, tree).encode("utf-8"))
    part = find_part(tree, section.path)
    if part is None:
        return b"NIL" if section.text == "BINARY" else b"0"
    octets: bytes | None = data[part.body : part.end] if section.path else data
    if section.path and part.kind is Kind.LEAF:
        octets = decoded_body(data[part.start : part.body], data[part.body : part.end])
    if octets is None:  # RFC 3516 §4.3
        raise no("transfer encoding not known", "UNKNOWN-CTE")
    if section.text == "BINARY.SIZE":
        return b"%d" % len(octets)
    if section.partial is not None:
        first, count = section.partial
        octets = octets[first : first + count]
    return (b"~" if b"\0" in octets else b"") + literal(octets)


async def _computed_of_file(blobs: Blobs, digest: bytes, section: Section, tree: Part) -> bytes:
    """The same of a message in a file, of which only the part is read; off the loop, as it may be large."""
    part = find_part(tree, section.path)
    if section.text == "PREVIEW":
        data = await blobs.read(digest, 0, min(tree.end, STREAMED))
    elif part is None or not section.path:
        data = await blobs.read(digest, 0, tree.end)
    elif part.kind is Kind.LEAF:
        data = await blobs.read(digest, part.start, part.end)
        tree = Part(0, part.body - part.start, part.end - part.start, part.kind, ())
        section = replace(section, path=(1,))
    else:
        data = await blobs.read(digest, part.body, part.end)
        section = replace(section, path=())
    return await asyncio.to_thread(computed, section, tree, data)


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


async def write_message(session: Session, plan: Plan, row: Row, opening: bytes) -> None:
    """One FETCH response of a message whose bytes are in a file."""
    digest, size, header_size, parts, _ = row[-5:]
    blobs = session.core.store.blobs
    tree = unpack(parts, header_size, size)
    pieces = [opening]
    separator = b""
    if plan.values:
        pieces.append(plan.attributes(row))
        separator = b" "
    for section in plan.sections:
        pieces.append(b"%b%b " % (separator, section.label))
        separator = b" "
        if section.is_computed:
            pieces.append(await _computed_of_file(blobs, digest, section, tree))
            continue
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
