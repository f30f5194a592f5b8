# SPDX-License-Identifier: Apache-2.0
"""A message as scripts see it and change it: fields, addresses, parts, and what becomes of its bytes.

The bytes may be an mmap; nothing here copies them whole but `replaced`, for the one extension (RFC 5703) that
makes a new message. Works on any bytes at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.header import Header
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from armgs_server.formats import mime
from armgs_server.formats.mime import MAX_HEADER, Octets, Part
from armgs_server.formats.mime_address import parse_address_list
from armgs_server.formats.mime_header import decode_text
from armgs_server.formats.mime_section import MAX_TEXT, decoded_text

# A field, and what is none (kept when the header is written again).
_LINE: Final = re.compile(rb"(?:([!-9;-~]+)[ \t]*:)?(.*(?:\n[ \t].*)*)\n?")
_FOLD: Final = re.compile(rb"[ \t]*\r?\n[ \t]+")
# A piece of a version: bytes of our own, or (start, end) of the message's.
Piece: TypeAlias = bytes | tuple[int, int]


class Field(NamedTuple):
    """One header field: its name in lower case ("" for what is none), its value and all of it as written."""

    name: bytes
    value: bytes
    raw: bytes

    @property
    def unfolded(self) -> bytes:
        """The value in one line: a fold is a space, however it was made."""
        return _FOLD.sub(b" ", self.value).strip()


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """The message as it is at one moment; actions keep the one they mean."""

    data: Octets
    pieces: tuple[Piece, ...]

    @property
    def is_original(self) -> bool:
        """Whether it is, byte for byte, what was received."""
        return self.pieces == ((0, len(self.data)),)

    @property
    def size(self) -> int:
        return sum(len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in self.pieces)

    def chunks(self, length: int = 1 << 18) -> Iterator[bytes]:
        """Its bytes, in pieces of at most `length`."""
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            start, end = piece
            for at in range(start, end, length):
                yield self.data[at : min(at + length, end)]


class Letter:
    """One message while scripts run on it."""

    def __init__(self, data: Octets, root: Part) -> None:
        self.data = data
        self.root = root
        self._fields: list[Field] | None = None
        self._version = Version(data, ((0, len(data)),))
        self._is_edited = False
        self._replacements: dict[Part, bytes] = {}
        self._raw: dict[str, list[bytes]] = {}  # what was asked for, until the header is changed
        self._values: dict[str, list[str]] = {}

    @classmethod
    def of(cls, data: bytes) -> Letter:
        """Of bytes that have no index yet."""
        index = mime.index(data)
        return cls(data, mime.unpack(index.parts, index.header_size, len(data)))

    @property
    def version(self) -> Version:
        """As it is now; the same object as long as nothing changes."""
        if self._is_edited:
            header = b"".join(field.raw for field in self.header)
            self._version = Version(self.data, (header, *self._pieces(self.root.body)))
            self._is_edited = False
        return self._version

    # Header fields.

    @property
    def header(self) -> list[Field]:
        """All fields in their order, and what lies between them."""
        if self._fields is None:
            self._fields = fields_of(self.data[: self.root.body])
        return self._fields

    def values(self, name: str) -> list[str]:
        """The values of all fields of a name, decoded, without white space around them."""
        found = self._values.get(name)
        if found is None:
            found = self._values[name] = [decode_text(value).strip() for value in self.raw(name)]
        return found

    def raw(self, name: str) -> list[bytes]:
        """The same as they stand, unfolded."""
        found = self._raw.get(name)
        if found is None:
            wanted = name.lower().encode()
            found = self._raw[name] = [field.unfolded for field in self.header if field.name == wanted]
        return found

    def add(self, name: str, value: str, *, is_last: bool) -> None:
        """RFC 5293 §4: a field at the beginning, or at the end of the header."""
        raw = write_field(name, value)
        field = Field(name.lower().encode(), raw.partition(b":")[2], raw)
        position = 0
        if is_last:
            named = [at for at, each in enumerate(self.header) if each.name]
            position = named[-1] + 1 if named else 0
        elif self.header and self.header[0].name == b"return-path":
            position = 1  # it stays the first (RFC 5321 §4.4)
        self.header.insert(position, field)
        self._changed()

    def delete(self, name: str, chosen: Callable[[int, Field], bool]) -> None:
        """RFC 5293 §5: those of a name that are chosen by their number from 0."""
        wanted = name.lower().encode()
        named = [field for field in self.header if field.name == wanted]
        gone = {id(field) for number, field in enumerate(named) if chosen(number, field)}
        if gone:
            self._fields = [field for field in self.header if id(field) not in gone]
            self._changed()

    def _changed(self) -> None:
        self._is_edited = True
        self._raw.clear()
        self._values.clear()

    # Parts.

    def parts(self) -> list[Part]:
        """Every part in the order of the message, the message itself first (RFC 5703 §3)."""
        return list(_walk(self.root))

    def part_header(self, part: Part) -> list[Field]:
        """The fields of a part; of the message itself as they are now."""
        if part is self.root:
            return self.header
        return fields_of(self.data[part.start : min(part.body, part.start + MAX_HEADER)])

    def replace_part(self, part: Part, content: bytes) -> None:
        """The part, header and all, becomes `content` in all versions from now on."""
        self._replacements[part] = content
        self._is_edited = True

    def replaced(self, content: bytes | None = None) -> Letter:
        """A letter of what this one has become, or of other bytes."""
        made = Letter.of(b"".join(self.version.chunks()) if content is None else content)
        made._version = Version(made.data, (bytes(made.data),))
        return made

    @property
    def has_replacements(self) -> bool:
        """Whether parts are not what they were."""
        return bool(self._replacements)

    def _pieces(self, start: int) -> Iterator[Piece]:
        for part in sorted(self._replacements, key=_place):
            if part.start >= start:
                yield (start, part.start)
                yield self._replacements[part]
                start = part.end
        yield (start, len(self.data))


def part_text(letter: Letter, part: Part) -> str:
    """A part's text as a person reads it, "" where it holds none."""
    end = min(part.end, part.body + MAX_TEXT)
    alone = letter.data[part.start : end]
    body = part.body - part.start
    return decoded_text(alone, Part(0, body, len(alone), part.kind, ()))


def fields_of(header: bytes) -> list[Field]:
    """The fields of a header; its empty line, and what is no field, are among them without a name."""
    found = []
    for match in _LINE.finditer(header):
        if match.end() > match.start():
            found.append(Field((match[1] or b"").lower(), match[2] or b"", match[0]))
    return found


def write_field(name: str, value: str) -> bytes:
    """A header field with its line end; encoded (RFC 2047) and folded where it must be."""
    clean = " ".join(value.split())
    if clean.isascii() and len(name) + len(clean) < 76:
        return f"{name}: {clean}\r\n".encode()
    charset = None if clean.isascii() else "utf-8"
    folded = Header(clean, charset, header_name=name, maxlinelen=76).encode(linesep="\r\n")
    return f"{name}: {folded}\r\n".encode("ascii", "replace")


@lru_cache(maxsize=1000)
def addresses_in(value: bytes) -> Sequence[tuple[str, str]]:
    """(local part, domain) of every address in a field of addresses; what is none is left out."""
    return [
        (each.mailbox.decode("utf-8", "replace"), each.host.decode("utf-8", "replace"))
        for each in parse_address_list(value)
        if each.mailbox and each.host
    ]


def _walk(part: Part) -> Iterator[Part]:
    yield part
    for child in part.children:
        yield from _walk(child)


def _place(part: Part) -> tuple[int, int]:
    return part.start, -part.end
