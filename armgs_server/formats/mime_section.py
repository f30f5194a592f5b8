# SPDX-License-Identifier: Apache-2.0
"""Parts of a message by IMAP section (RFC 3501 §6.4.5), and the text of its parts for searches.

Sections are found by offset in the tree that `formats.mime.index` made; nothing is parsed again.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from armgs_server.formats.mime import Kind, Part
from armgs_server.formats.mime_header import (
    decode_base64,
    decode_bytes,
    decode_text,
    iterate_fields,
    parse_fields,
    parse_media_type,
    parse_token,
)

# Text of one part that a search looks at; what lies behind is not found.
MAX_TEXT = 16 * 1024 * 1024
_LINE_END_SPACES = re.compile(rb"[ \t]+(?=\r?\n|\Z)")
_TAG = re.compile(r"<[^<>]{0,4096}>")


def find_part(root: Part, path: Sequence[int]) -> Part | None:
    """The part `1.2.3`; the root for an empty path. RFC 3501 §6.4.5: a message that is no multipart,
    and a message/rfc822 within, has a part 1, its body."""
    part = root
    at_message = True  # numbers count the parts of a message's body, or of a multipart
    for number in path:
        if part.kind is Kind.MESSAGE and not at_message:
            part = part.children[0]
            at_message = True
        if part.kind is Kind.MULTIPART:
            if not 1 <= number <= len(part.children):
                return None
            part = part.children[number - 1]
        elif not (at_message and number == 1):
            return None
        at_message = False
    return part


def section_range(root: Part, path: Sequence[int], text: str) -> tuple[int, int] | None:
    """Where BODY[path.text] lies; `text` is "", HEADER, TEXT or MIME. None where there is no such part."""
    part = find_part(root, path)
    if part is None:
        return None
    if text == "":
        return (part.body, part.end) if path else (part.start, part.end)
    if text == "MIME":
        return part.start, part.body
    if path:  # "HEADER and TEXT refer to the message within a message/rfc822 part"
        if part.kind is not Kind.MESSAGE:
            return None
        part = part.children[0]
    return (part.start, part.body) if text == "HEADER" else (part.body, part.end)


def header_fields(names: Sequence[bytes], negate: bool) -> Callable[[bytes], bytes]:
    """HEADER.FIELDS, or HEADER.FIELDS.NOT: picks fields of a header as they stand, in their order,
    and adds the empty line."""
    return _field_filter(tuple(name.lower() for name in names), negate)


@lru_cache(maxsize=256)
def _field_filter(names: tuple[bytes, ...], negate: bool) -> Callable[[bytes], bytes]:
    wanted = rb"(?:%b)[ \t]*+:" % b"|".join(map(re.escape, names))
    first = rb"(?!%b)[!-9;-~]++[ \t]*+:" % wanted if negate else wanted
    pattern = re.compile(rb"^%b.*+(?:\n[ \t].*+)*+\n?+" % first, re.MULTILINE | re.IGNORECASE)

    def pick(header: bytes) -> bytes:
        return b"".join(pattern.findall(header)) + b"\r\n"

    return pick


def header_text(header: bytes) -> str:
    """All fields of a header, decoded, one a line (SEARCH TEXT)."""
    return "\n".join(
        f"{name.decode('ascii')}: {decode_text(value)}" for name, value in iterate_fields(header)
    )


def text_parts(root: Part) -> Iterator[Part]:
    """Every part that has no parts of its own, in order."""
    if not root.children:
        yield root
    for child in root.children:
        yield from text_parts(child)


def decoded_body(header: bytes, body: bytes) -> bytes | None:
    """A part's octets without their transfer encoding (RFC 3516 §4.1); None for an unknown one."""
    encoding = (parse_token(parse_fields(header).get(b"content-transfer-encoding", b"")) or b"7bit").lower()
    if encoding == b"base64":
        return decode_base64(body)
    if encoding == b"quoted-printable":
        return binascii.a2b_qp(_LINE_END_SPACES.sub(b"", body))  # RFC 2045 §6.7 (3)
    return body if encoding in (b"7bit", b"8bit", b"binary") else None


def decoded_text(data: bytes, part: Part) -> str:
    """A part's text as a person reads it, or "" where it holds none."""
    fields = parse_fields(data[part.start : part.body])
    media = parse_media_type(fields.get(b"content-type", b"text/plain"))
    charset = "utf-8"
    is_html = False
    if media is not None:
        if media.type.lower() not in (b"text", b"message"):
            return ""
        charset = (media.parameter(b"charset") or b"utf-8").decode("latin-1")
        is_html = media.subtype.lower() == b"html"
    body = data[part.body : min(part.end, part.body + MAX_TEXT)]
    encoding = (parse_token(fields.get(b"content-transfer-encoding", b"")) or b"").lower()
    if encoding == b"base64":
        body = decode_base64(body)
    elif encoding == b"quoted-printable":
        body = binascii.a2b_qp(body)
    text = decode_bytes(body, charset)
    # Markup goes out so that words are found over tags; the text itself stays as it is written.
    return _TAG.sub("", text) if is_html else text
