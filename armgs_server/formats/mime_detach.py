# SPDX-License-Identifier: Apache-2.0
"""Attachments taken out of a message: which they are, their octets, and the message with a text instead.

Only what lies directly in a multipart/mixed (RFC 2046 §5.1.3) is taken out: what is signed or encrypted is
within another kind of multipart, and stays as it is. Everything that is not taken out keeps its octets.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from armgs_server.errors import Invalid
from armgs_server.formats.mime import MAX_HEADER, Kind, Octets, Part
from armgs_server.formats.mime_header import (
    MediaType,
    decode_bytes,
    decode_text,
    parse_disposition,
    parse_fields,
    parse_media_type,
    parse_token,
)

CHUNK = 1024 * 1024
IDENTITY = (b"7bit", b"8bit", b"binary")
_BLANK = b" \t\r\n"
_PIECE = re.compile(rb"(\d{1,3})(\*?)")


@dataclass(frozen=True, slots=True)
class Attachment:
    """Offsets of a part: [start, end) its header and body, from `cut` on with the delimiter before it."""

    cut: int
    start: int
    body: int
    end: int
    name: str
    content_type: str
    is_base64: bool

    @property
    def size(self) -> int:
        """About how many octets it has."""
        return (self.end - self.body) * 3 // 4 if self.is_base64 else self.end - self.body


def find(data: Octets, root: Part, least: int) -> list[Attachment]:
    """The attachments that have `least` octets or more, in their order."""
    if root.kind is not Kind.MULTIPART:
        return []
    media = parse_media_type(_fields(data, root).get(b"content-type", b""))
    if media is None or media.subtype.lower() != b"mixed":
        return []
    found = []
    before = root.body
    for child in root.children:
        attachment = _attachment(data, child, before)
        if attachment is not None and attachment.size >= least:
            found.append(attachment)
        before = child.end
    return found


def octets(data: Octets, attachment: Attachment) -> Iterator[bytes]:
    """What the attachment is, in pieces. Invalid where its base64 is none (RFC 2045 §6.8)."""
    rest = b""
    for at in range(attachment.body, attachment.end, CHUNK):
        piece = bytes(data[at : min(at + CHUNK, attachment.end)])
        if not attachment.is_base64:
            yield piece
            continue
        text = rest + piece.translate(None, _BLANK)
        whole = len(text) - len(text) % 4
        rest = text[whole:]
        yield _decoded(text[:whole])
    if rest:
        raise Invalid("base64 that ends within a group")


def spliced(taken: Sequence[Attachment], size: int, text: str) -> list[tuple[int, int] | bytes]:
    """A message of `size` octets without what was taken: ranges of it, and where the first one was a text."""
    first, *others = taken
    pieces: list[tuple[int, int] | bytes] = [(0, first.start), _text_part(text)]
    end = first.end
    for each in others:
        pieces.append((end, each.cut))
        end = each.end
    return [*pieces, (end, size)]


def file_name(disposition: MediaType | None, media: MediaType | None) -> str:
    """The name in Content-Disposition: or Content-Type:, one path segment; "" where there is none."""
    for field, parameter in ((disposition, b"filename"), (media, b"name")):
        text = "" if field is None else _parameter_text(field, parameter)
        name = text.replace("\\", "/").rpartition("/")[2].strip()
        name = "".join(letter for letter in name if letter.isprintable())
        if name not in ("", ".", ".."):
            return name
    return ""


def _attachment(data: Octets, part: Part, before: int) -> Attachment | None:
    if part.kind is not Kind.LEAF:
        return None
    fields = _fields(data, part)
    disposition = parse_disposition(fields.get(b"content-disposition", b""))
    media = parse_media_type(fields.get(b"content-type", b""))
    name = file_name(disposition, media)
    is_one = bool(name) if disposition is None else disposition.type.lower() == b"attachment"
    encoding = (parse_token(fields.get(b"content-transfer-encoding", b"")) or b"7bit").lower()
    if not is_one or encoding not in (b"base64", *IDENTITY):
        return None
    kind = "application/octet-stream"
    if media is not None:
        kind = f"{media.type.decode('latin-1')}/{media.subtype.decode('latin-1')}".lower()
    return Attachment(
        before, part.start, part.body, part.end, name or "attachment", kind, encoding == b"base64"
    )


def _fields(data: Octets, part: Part) -> dict[bytes, bytes]:
    return parse_fields(bytes(data[part.start : min(part.body, part.start + MAX_HEADER)]))


def _decoded(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True) if text else b""
    except binascii.Error as error:
        raise Invalid(str(error)) from error


def _parameter_text(field: MediaType, name: bytes) -> str:
    """A parameter as text: RFC 2231 §3 and §4, or as COMPAT Outlook and others write it, encoded words."""
    parameters = {key.lower(): value for key, value in field.parameters}
    if (value := parameters.get(name + b"*")) is not None:
        return _extended(value)
    pieces = []
    for key, value in parameters.items():
        piece = _PIECE.fullmatch(key[len(name) + 1 :]) if key.startswith(name + b"*") else None
        if piece is not None:
            pieces.append((int(piece[1]), bool(piece[2]), value))
    if pieces:
        pieces.sort()
        joined = b"".join(value for _, _, value in pieces)
        return _extended(joined) if pieces[0][1] else decode_bytes(joined, "utf-8")
    return decode_text(parameters.get(name, b""))


def _extended(value: bytes) -> str:
    """charset'language'percent-encoded (RFC 2231 §4)"""
    charset, mark, rest = value.partition(b"'")
    if not mark:
        return decode_bytes(unquote_to_bytes(value), "utf-8")
    text = rest.partition(b"'")[2]
    return decode_bytes(unquote_to_bytes(text), charset.decode("latin-1") or "utf-8")


def _text_part(text: str) -> bytes:
    lines = base64.encodebytes(text.encode()).replace(b"\n", b"\r\n").rstrip(b"\r\n")
    return (
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: inline\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + lines
    )
