# SPDX-License-Identifier: Apache-2.0
"""What a person reads of a message without its attachments: the first words, for lists of messages (RFC 8970
§3.1: plain text, at most 200 characters), or all of it in lines."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from armgs_server.formats.mime import Part
from armgs_server.formats.mime_header import parse_fields, parse_media_type
from armgs_server.formats.mime_section import decoded_body, decoded_text, text_parts

LENGTH = 200
# Octets of one part that are looked at: enough for the first words behind a style sheet.
LOOKED_AT = 64 * 1024
# What in HTML is no text at all; a part that ends within it has none.
_HIDDEN = re.compile(rb"<(style|script|head|title)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
# Where HTML begins a new line: its own lines are none.
_BREAK = re.compile(rb"<(?:br|/p|/div|/li|/tr|/h[1-6])\b", re.IGNORECASE)
_LINE_ENDS = re.compile(rb"[\r\n]+")


def preview(data: bytes, root: Part) -> str:
    """The words of the first part that has any."""
    return next((words for text in _texts(data, root) if (words := " ".join(text.split())[:LENGTH])), "")


def lines(data: bytes, root: Part) -> str:
    """The text of the first part that has any, in its lines; cut behind LOOKED_AT."""
    return next((text for text in _texts(data, root, in_lines=True) if text.strip()), "")


def _texts(data: bytes, root: Part, *, in_lines: bool = False) -> Iterator[str]:
    for part in text_parts(root):
        fields = parse_fields(data[part.start : part.body])
        media = parse_media_type(fields.get(b"content-type", b"text/plain"))
        if media is not None and media.type.lower() != b"text":
            continue
        text = decoded_text(data, part._replace(end=min(part.end, part.body + LOOKED_AT)))
        if media is not None and media.subtype.lower() == b"html":
            text = _visible(data, part, in_lines)
        yield text


def _visible(data: bytes, part: Part, in_lines: bool) -> str:
    """Decoded without what no reader sees. The markup is taken out of the decoded text."""
    end = min(part.end, part.body + LOOKED_AT)
    raw = _decode(data[part.start : part.body], data[part.body : end])
    shown = _HIDDEN.sub(b" ", raw)
    if in_lines:
        shown = _BREAK.sub(rb"\n\g<0>", _LINE_ENDS.sub(b" ", shown))
    header = b"Content-Type: " + parse_fields(data[part.start : part.body]).get(b"content-type", b"text/html")
    whole = header.rstrip() + b"\r\n\r\n"
    made = Part(0, len(whole), len(whole) + len(shown), part.kind, ())
    return html.unescape(decoded_text(whole + shown, made))


def _decode(header: bytes, body: bytes) -> bytes:
    decoded = decoded_body(header, body)
    return body if decoded is None else decoded
