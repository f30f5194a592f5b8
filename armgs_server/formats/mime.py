# SPDX-License-Identifier: Apache-2.0
"""Messages and their parts by byte offset: RFC 5322, RFC 2045, RFC 2046.

`index` reads a message once, when it arrives, and makes everything that IMAP answers and searches
need, so that reading it later is a matter of joining bytes. It never raises, whatever the bytes, and
never copies a body: `data` may be an mmap of any size. Structure beyond the limits below is left
unsplit, in the part where the limit was met.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from mmap import mmap
from typing import NamedTuple, TypeAlias

from armgs_server.formats import envelope as wire
from armgs_server.formats.mime_address import parse_address_list
from armgs_server.formats.mime_header import (
    MediaType,
    decode_text,
    parse_date,
    parse_fields,
    parse_media_type,
    parse_token,
    unfold,
)

Octets: TypeAlias = bytes | mmap
# How deep parts may lie in parts, how many there may be, and how much of a header is looked at.
MAX_DEPTH = 30
MAX_PARTS = 1000
MAX_HEADER = 262_144
# A search or sort column longer than this is cut.
MAX_COLUMN = 65_536

# close-delimiter, transport-padding and line end after the boundary (RFC 2046 §5.1.1)
_DELIMITER_TAIL = re.compile(rb"(--)?[ \t]*(?:\r?\n|\Z)")
_MESSAGE_ID = re.compile(rb"<[^<>\s]{1,998}>")
_RECORD = struct.Struct("<IIIHBx")
_TEXT_PLAIN = MediaType(b"text", b"plain", ((b"charset", b"us-ascii"),))  # RFC 2045 §5.2
_MESSAGE = MediaType(b"message", b"rfc822", ())  # RFC 2046 §5.1.5: the default within multipart/digest


class Kind(IntEnum):
    LEAF = 0
    MULTIPART = 1
    MESSAGE = 2  # message/rfc822: its one child is the message within


class Part(NamedTuple):
    """Offsets into the message: header [start, body), body [body, end)."""

    start: int
    body: int
    end: int
    kind: Kind
    children: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class MessageIndex:
    """The columns of the table `message`; `sent` is None where no Date: parses."""

    envelope: bytes
    bodystructure: bytes
    body: bytes
    parts: bytes
    header_size: int
    sent: int | None
    subject: str
    sender: str
    recipients: str
    cc: str
    bcc: str
    message_id: str
    refs: str


def index(data: Octets) -> MessageIndex:
    """Everything that is kept of a message beside its bytes."""
    scan = _Scan(data)
    fields, (body, structure) = scan.message(0, len(data), 0)
    date = parse_date(fields[b"date"]) if b"date" in fields else None
    found = _MESSAGE_ID.search(fields.get(b"message-id", b""))
    return MessageIndex(
        envelope=wire.envelope(fields),
        bodystructure=structure,
        body=body,
        parts=scan.packed(),
        header_size=scan.records[0][1],
        sent=date[0] if date else None,
        subject=_column(fields, b"subject"),
        sender=_addresses(fields, b"from"),
        recipients=_addresses(fields, b"to"),
        cc=_addresses(fields, b"cc"),
        bcc=_addresses(fields, b"bcc"),
        message_id=found[0].decode("utf-8", "replace").replace("\0", "") if found else "",
        refs=_references(fields),
    )


def unpack(parts: bytes, header_size: int, size: int) -> Part:
    """The part tree from the columns `parts` and `header_size`; `parts` is empty for a single part."""
    if not parts:
        return Part(0, header_size, size, Kind.LEAF, ())
    return _unpack(_RECORD.iter_unpack(parts))


def _unpack(records: Iterator[tuple[int, ...]]) -> Part:
    start, body, end, children, kind = next(records)
    return Part(start, body, end, Kind(kind), tuple(_unpack(records) for _ in range(children)))


def header_end(data: Octets, start: int, end: int) -> int:
    """Where the body begins: after the first empty line, or at the end."""
    if data[start : start + 1] == b"\n":
        return min(start + 1, end)
    if data[start : start + 2] == b"\r\n":
        return min(start + 2, end)
    crlf = data.find(b"\n\r\n", start, end)
    bare = data.find(b"\n\n", start, end if crlf < 0 else crlf)
    if bare >= 0:
        return bare + 2
    return crlf + 3 if crlf >= 0 else end


def _column(fields: wire.Fields, name: bytes) -> str:
    value = fields.get(name)
    if not value:
        return ""
    if len(value) <= wire.RECURRING:
        return _recurring_text(value)
    return decode_text(value)[:MAX_COLUMN]


def _addresses(fields: wire.Fields, name: bytes) -> str:
    """The field, and behind it those addresses that comments (RFC 5322 §3.2.2) tear apart in it."""
    text = _column(fields, name)
    if "(" not in text:
        return text
    found = [
        f"{each.mailbox.decode('utf-8', 'replace')}@{each.host.decode('utf-8', 'replace')}"
        for each in parse_address_list(unfold(fields[name]))
        if each.mailbox and each.host
    ]
    whole = [text, *(address.replace("\0", "") for address in found if address not in text)]
    return " ".join(whole)[:MAX_COLUMN]


@lru_cache(maxsize=4096)
def _recurring_text(value: bytes) -> str:
    """Names and subjects come again: in answers, and from the same people."""
    return decode_text(value)


def _references(fields: wire.Fields) -> str:
    """RFC 5256 §3: References:, then what In-Reply-To: adds."""
    ids = _MESSAGE_ID.findall(fields.get(b"references", b"") + b" " + fields.get(b"in-reply-to", b""))
    text = b" ".join(dict.fromkeys(ids)).decode("utf-8", "replace").replace("\0", "")
    return text if len(text) <= MAX_COLUMN else text[:MAX_COLUMN].rpartition(" ")[0]


class _Scan:
    """One walk over a message; `records` fills in the order of the tree's nodes."""

    def __init__(self, data: Octets) -> None:
        self.data = data
        self.records: list[tuple[int, int, int, int, int]] = []

    def packed(self) -> bytes:
        return b"".join([_RECORD.pack(*record) for record in self.records]) if len(self.records) > 1 else b""

    def message(self, start: int, end: int, depth: int) -> tuple[dict[bytes, bytes], tuple[bytes, bytes]]:
        """A message: its header fields, BODY and BODYSTRUCTURE."""
        return self.entity(start, end, _TEXT_PLAIN, depth)

    def entity(
        self, start: int, end: int, default: MediaType, depth: int
    ) -> tuple[dict[bytes, bytes], tuple[bytes, bytes]]:
        """A part with its header (RFC 2045 §2.4), and all that lies in it."""
        body = header_end(self.data, start, end)
        fields = parse_fields(self.data[start : min(body, start + MAX_HEADER)])
        media = default
        if (value := fields.get(b"content-type")) is not None:
            media = parse_media_type(value) or _TEXT_PLAIN
        position = len(self.records)
        self.records.append((start, body, end, 0, Kind.LEAF))
        major = media.type.lower()
        if depth < MAX_DEPTH:
            if major == b"multipart":
                if structure := self.multipart(fields, media, position, depth):
                    return fields, structure
                media = _TEXT_PLAIN  # no boundary, or none that occurs: show what is there
            elif major == b"message" and media.subtype.lower() == b"rfc822":
                return fields, self.embedded(fields, media, position, depth)
        elif major in (b"multipart", b"message"):
            media = MediaType(b"application", b"octet-stream", ())
        return fields, self.leaf(fields, media, body, end)

    def leaf(self, fields: wire.Fields, media: MediaType, body: int, end: int) -> tuple[bytes, bytes]:
        lines = b" %d" % self.lines(body, end) if media.type.lower() == b"text" else b""
        return wire.single_part(media, fields, _encoding(fields), end - body, lines)

    def embedded(
        self, fields: wire.Fields, media: MediaType, position: int, depth: int
    ) -> tuple[bytes, bytes]:
        start, body, end, _, _ = self.records[position]
        self.records[position] = (start, body, end, 1, Kind.MESSAGE)
        inner_fields, (inner_body, inner_structure) = self.message(body, end, depth + 1)
        inner = (wire.envelope(inner_fields), inner_body, inner_structure)
        return wire.message_part(media, fields, _encoding(fields), end - body, inner, self.lines(body, end))

    def multipart(
        self, fields: wire.Fields, media: MediaType, position: int, depth: int
    ) -> tuple[bytes, bytes] | None:
        """None where the boundary is missing or never occurs."""
        boundary = media.parameter(b"boundary")
        if not boundary:
            return None
        start, body, end, _, _ = self.records[position]
        default = _MESSAGE if media.subtype.lower() == b"digest" else _TEXT_PLAIN
        children = []
        for child_start, child_end in self.split(boundary, body, end):
            children.append(self.entity(child_start, child_end, default, depth + 1)[1])
        if not children:
            return None
        self.records[position] = (start, body, end, len(children), Kind.MULTIPART)
        return wire.multipart(media, fields, children)

    def split(self, boundary: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The body parts between the delimiters of a multipart body (RFC 2046 §5.1.1)."""
        needle = b"\n--" + boundary
        if self.data[start : start + len(needle) - 1] == needle[1:]:
            at = start - 1  # the delimiter is the body's first line
        else:
            at = self.data.find(needle, start, end)
        part_start = -1
        while at >= 0:
            tail = _DELIMITER_TAIL.match(self.data, at + len(needle), end)
            if tail is None:  # a longer boundary that begins with this one
                at = self.data.find(needle, at + 1, end)
                continue
            if part_start >= 0:
                yield part_start, self.before(at, part_start)
            if tail[1]:
                return
            part_start = tail.end()
            if len(self.records) >= MAX_PARTS:
                break
            # the line end of this delimiter may begin the next one
            at = self.data.find(needle, max(part_start - 1, at + 1), end)
        if part_start >= 0:  # RFC 2046 §5.1.2: the close-delimiter may be missing
            yield part_start, end

    def before(self, at: int, start: int) -> int:
        """The line end before a delimiter belongs to the delimiter."""
        if self.data[at - 1 : at] == b"\r":
            at -= 1
        return max(at, start)

    def lines(self, start: int, end: int) -> int:
        data = self.data
        if isinstance(data, bytes):
            return data.count(b"\n", start, end)
        return sum(data[at : min(at + 1_048_576, end)].count(b"\n") for at in range(start, end, 1_048_576))


def _encoding(fields: wire.Fields) -> bytes:
    """Content-Transfer-Encoding:, 7bit where it is missing (RFC 2045 §6.1)."""
    return parse_token(fields.get(b"content-transfer-encoding", b"")) or b"7bit"
