# SPDX-License-Identifier: Apache-2.0
"""A message's own text, for the search keys that no index column answers: BODY, TEXT, HEADER."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from armgs_server.formats.base_subject import casemap
from armgs_server.formats.mime import Part, unpack
from armgs_server.formats.mime_header import decode_text, iterate_fields
from armgs_server.formats.mime_section import MAX_TEXT, decoded_text, header_text, text_parts
from armgs_server.storage.blobs import Blobs
from armgs_server.storage.tx import Row

# What read_content takes, at the end of a row.
CONTENT_COLUMNS = "i.blob, i.size, m.header_size, m.parts, b.data"
# A text larger than this is decoded off the loop.
OFF_LOOP = 128 * 1024


@dataclass(frozen=True, slots=True)
class Content:
    """The header's bytes, and the decoded, casemapped text of all parts, and of what was read out of
    attachments."""

    header: bytes
    body: str
    attachments: str = ""

    @property
    def header_text(self) -> str:
        return casemap(header_text(self.header))

    def field_has(self, name: str, needle: str) -> bool:
        """Whether a field of that name has the text; every field of the name counts, "" means it is there."""
        wanted = name.lower().encode("utf-8")
        return any(
            needle in casemap(decode_text(value))
            for found, value in iterate_fields(self.header)
            if found.lower() == wanted
        )

    def text_has(self, needle: str) -> bool:
        """Header, body or attachments."""
        return needle in self.body or needle in self.header_text or needle in self.attachments


async def read_content(blobs: Blobs, row: Row, needs_body: bool, attachments: str = "") -> Content:
    """The text of one message; of a large one only the parts that hold text are read."""
    digest, size, header_size, parts, data = row
    header = data[:header_size] if data is not None else await blobs.read(digest, 0, header_size)
    if not needs_body:
        return Content(header, "")
    texts = []
    for part in text_parts(unpack(parts, header_size, size)):
        end = min(part.end, part.body + MAX_TEXT)
        octets = data[part.start : end] if data is not None else await blobs.read(digest, part.start, end)
        moved = Part(0, part.body - part.start, end - part.start, part.kind, ())
        if end - part.start > OFF_LOOP:
            texts.append(await asyncio.to_thread(_folded, octets, moved))
        else:
            texts.append(_folded(octets, moved))
    return Content(header, "\n".join(texts), attachments)


def _folded(octets: bytes, part: Part) -> str:
    return casemap(decoded_text(octets, part))
