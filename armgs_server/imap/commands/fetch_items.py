# SPDX-License-Identifier: Apache-2.0
"""What FETCH asks for, and how one row answers it: RFC 3501 §6.4.5, §9 (fetch-att), RFC 7162 §3.1.4.2, BINARY
(RFC 3516), EMAILID and THREADID (RFC 8474), PREVIEW (RFC 8970), SAVEDATE (RFC 8514)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias

from armgs_server.formats.mime_section import header_fields
from armgs_server.imap.commands.object_ids import email_id, thread_id
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import RECENT, astring, bad, flag_list, internal_date
from armgs_server.imap.view import View
from armgs_server.storage.mail_query import HEADER
from armgs_server.storage.tx import Row

Value: TypeAlias = Callable[[Row], Any]

_MACROS = {
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}


def _thread_id(message_id: str, refs: str) -> bytes:
    found = thread_id(message_id, refs)
    return b"NIL" if found is None else b"(%b)" % found


# Attributes that are columns: the columns, how the value is written, and how it is made from them.
_COLUMNS: dict[str, tuple[str, str, Callable[..., bytes] | None]] = {
    "FLAGS": ("i.flags, i.keywords", "%b", flag_list),
    "INTERNALDATE": ("i.created", "%b", internal_date),
    "RFC822.SIZE": ("i.size", "%d", None),
    "ENVELOPE": ("m.envelope", "%b", None),
    "BODY": ("m.body", "%b", None),
    "BODYSTRUCTURE": ("m.bodystructure", "%b", None),
    "MODSEQ": ("i.modseq", "(%d)", None),
    "EMAILID": ("i.blob", "(%b)", email_id),
    "THREADID": ("m.message_id, m.refs", "%b", _thread_id),
    "SAVEDATE": ("i.modified", "%b", internal_date),
}
# section-spec = section-msgtext / (section-part ["." section-text]); section-msgtext with HEADER.FIELDS
_SECTION = re.compile(
    rb"((?:[1-9][0-9]{0,4}(?:\.|(?=\])))*)(HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME)?",
    re.IGNORECASE,
)
_PART = re.compile(rb"[1-9][0-9]{0,4}(?:\.[1-9][0-9]{0,4})*")
_PARTIAL = re.compile(rb"<([0-9]{1,10})\.([0-9]{1,10})>")
# Rows of one slice: a few milliseconds of the loop. With bodies fewer, for they are larger.
SLICE = 500
BODY_SLICE = 50
# Parts of one section path; deeper than any message that is split.
MAX_PATH = 100


@dataclass(frozen=True, slots=True)
class Section:
    """BODY[…], or one of RFC822, RFC822.HEADER, RFC822.TEXT, which are other names of sections."""

    label: bytes
    path: tuple[int, ...]
    text: str  # "" HEADER TEXT MIME, and what is made of content: BINARY BINARY.SIZE PREVIEW
    fields: tuple[bytes, ...] | None  # of HEADER.FIELDS
    negate: bool
    partial: tuple[int, int] | None
    peek: bool

    @property
    def is_computed(self) -> bool:
        """Whether it is made of the content, and not cut out of it."""
        return self.text in ("BINARY", "BINARY.SIZE", "PREVIEW")

    @property
    def is_header_only(self) -> bool:
        """Whether the top header is enough to answer it."""
        return not self.path and self.text == "HEADER"

    def cut_header(self) -> Callable[[bytes], bytes]:
        """What makes the section of a header: HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, or a piece of one."""
        first, count = self.partial or (0, None)
        end = None if count is None else first + count
        if self.fields is None:
            return lambda header: header[first:end]
        pick = header_fields(self.fields, self.negate)
        return pick if self.partial is None else lambda header: pick(header)[first:end]


@dataclass(frozen=True, slots=True)
class Items:
    """fetch-att as asked for, in order."""

    names: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def has_modseq(self) -> bool:
        return "MODSEQ" in self.names


def parse_items(cursor: Cursor) -> Items:
    """ "ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")" """
    names: list[str] = []
    sections: list[Section] = []

    def item() -> None:
        name = cursor.fetch_name()
        if name in ("BODY", "BODY.PEEK") and cursor.take(b"["):
            sections.append(parse_section(cursor, peek=name == "BODY.PEEK"))
        elif name in _BINARY and cursor.take(b"["):
            sections.append(_binary(cursor, name))
        elif name == "PREVIEW":
            if cursor.take(b" ("):  # RFC 8970 §3.2: LAZY may be NIL; here nothing is
                cursor.expect(b"LAZY)")
            sections.append(PREVIEW)
        elif name in _COLUMNS or name == "UID":
            names.append(name)
        elif name in _RFC822:
            sections.append(_RFC822[name])
        else:
            raise bad(f"no such item: {name}")

    if cursor.peek() == b"(":
        cursor.parenthesised(item)
    else:
        for macro, expanded in _MACROS.items():
            if cursor.take_word(macro):
                names += expanded
                break
        else:
            item()
    if not names and not sections:
        raise bad("item expected")
    return Items(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(sections)))


_RFC822 = {
    "RFC822": Section(b"RFC822", (), "", None, False, None, False),
    "RFC822.HEADER": Section(b"RFC822.HEADER", (), "HEADER", None, False, None, True),
    "RFC822.TEXT": Section(b"RFC822.TEXT", (), "TEXT", None, False, None, False),
}


PREVIEW = Section(b"PREVIEW", (), "PREVIEW", None, False, None, True)
_BINARY = ("BINARY", "BINARY.PEEK", "BINARY.SIZE")


def _binary(cursor: Cursor, name: str) -> Section:
    """ "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary (RFC 3516 §4.2)"""
    found = cursor.match(_PART)
    numbers = found[0] if found is not None else b""
    path = tuple(int(number) for number in numbers.split(b".")) if numbers else ()
    cursor.expect(b"]")
    if len(path) > MAX_PATH:
        raise bad("no such section")
    if name == "BINARY.SIZE":
        return Section(b"BINARY.SIZE[%b]" % numbers, path, name, None, False, None, True)
    partial = _partial(cursor)
    shown = b"BINARY[%b]" % numbers + (b"<%d>" % partial[0] if partial else b"")
    return Section(shown, path, "BINARY", None, False, partial, name == "BINARY.PEEK")


def _partial(cursor: Cursor) -> tuple[int, int] | None:
    asked = cursor.match(_PARTIAL)
    if asked is None:
        return None
    if not int(asked[2]):
        raise bad("partial fetch of nothing")
    return int(asked[1]), int(asked[2])


def parse_section(cursor: Cursor, *, peek: bool) -> Section:
    """section ["<" number "." nz-number ">"], behind the "[" """
    found = cursor.match(_SECTION)
    assert found is not None  # the pattern matches nothing at all, too
    numbers, text = found[1].rstrip(b"."), (found[2] or b"").decode("ascii").upper()
    path = tuple(int(number) for number in numbers.split(b".")) if numbers else ()
    if len(path) > MAX_PATH or (text == "MIME" and not path) or (found[1].endswith(b".") and not text):
        raise bad("no such section")
    label = b".".join(piece for piece in (numbers, text.encode("ascii")) if piece)
    fields = None
    if text.startswith("HEADER.FIELDS"):
        cursor.space()
        fields = tuple(cursor.parenthesised(cursor.astring))
        if not fields:
            raise bad("field name expected")
        label += b" (%b)" % b" ".join(map(astring, fields))
    cursor.expect(b"]")
    partial = _partial(cursor)
    shown = b"BODY[%b]" % label + (b"<%d>" % partial[0] if partial else b"")
    negate = text == "HEADER.FIELDS.NOT"
    return Section(shown, path, "HEADER" if fields else text, fields, negate, partial, peek)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which columns to read, and how to answer from them. A row is (uid, *columns); with sections its last
    five columns are the blob's hash, size, header size, parts, and bytes (or the header alone)."""

    columns: str
    template: bytes
    values: tuple[Value, ...]  # what the template wants, each from a row
    sections: tuple[Section, ...]
    sets_seen: bool
    header_only: bool
    keywords_at: int  # their place in the row, 0 where they are not asked for
    line: bytes  # a whole response, to be filled with number, values, and length and octets of each cut
    cuts: tuple[Callable[[bytes], bytes], ...]  # where the header alone is enough for all sections

    @property
    def slice_size(self) -> int:
        """Rows that are answered before the loop goes on."""
        return BODY_SLICE if self.sections and not self.header_only else SLICE

    def attributes(self, row: Row) -> bytes:
        """The row's msg-att, but for sections."""
        return self.template % tuple([value(row) for value in self.values])

    @classmethod
    def make(cls, items: Items, view: View, *, with_uid: bool, with_modseq: bool) -> Plan:
        """`with_uid`: RFC 3501 §6.4.8, UID is in every answer of UID FETCH."""
        sets_seen = any(not section.peek for section in items.sections)
        names = list(items.names)
        if with_uid and "UID" not in names:
            names.insert(0, "UID")
        if sets_seen and "FLAGS" not in names:
            names.append("FLAGS")
        if with_modseq and "MODSEQ" not in names:
            names.append("MODSEQ")
        columns: list[str] = []
        template: list[str] = []
        values: list[Value] = []
        for name in names:
            if name == "UID":
                template.append("UID %d")
                values.append(itemgetter(0))
                continue
            wanted, pattern, convert = _COLUMNS[name]
            template.append(f"{name} {pattern}")
            if name == "FLAGS" and view.recents:
                values.append(_flags_with_recent(view, 1 + len(columns)))
            else:
                values.append(_value(convert, 1 + len(columns), wanted.count(",") + 1))
            columns += wanted.split(", ")
        header_only = bool(items.sections) and all(section.is_header_only for section in items.sections)
        if items.sections:
            data = HEADER if header_only else "b.data"
            columns += ["i.blob", "i.size", "m.header_size", "m.parts", data]
        attributes = " ".join(template).encode("ascii")
        pieces = [attributes] if values else []
        if header_only:
            pieces += [b"%b {%%d}\r\n%%b" % section.label.replace(b"%", b"%%") for section in items.sections]
        opening = b"UIDFETCH" if view.uid_only else b"FETCH"
        return cls(
            ", ".join(columns),
            attributes,
            tuple(values),
            items.sections,
            sets_seen,
            header_only,
            1 + columns.index("i.keywords") if "FLAGS" in names else 0,
            b"* %%d %b (%b)\r\n" % (opening, b" ".join(pieces)),
            tuple(section.cut_header() for section in items.sections) if header_only else (),
        )


def _flags_with_recent(view: View, at: int) -> Value:
    if view.recents is not None and len(view.recents) == 1:  # after SELECT: as fast as without
        [(first, end)] = view.recents
        return lambda row: flag_list(row[at] | RECENT if first <= row[0] < end else row[at], row[at + 1])
    return lambda row: flag_list(view.shown_flags(row[0], row[at]), row[at + 1])


def _value(convert: Callable[..., bytes] | None, at: int, count: int) -> Value:
    if convert is None:
        return itemgetter(at)
    if count == 1:
        return lambda row: convert(row[at])
    if count == 2:  # FLAGS, of which there are the most
        behind = at + 1
        return lambda row: convert(row[at], row[behind])
    return lambda row: convert(*row[at : at + count])
