# SPDX-License-Identifier: Apache-2.0
"""The command grammar: RFC 3501 §9, RFC 9051 §9, RFC 4466. A cursor over one complete command.

Methods are named after the rules; each consumes what it returns and raises BAD where the rule does not
match. The parts of a command alternate: text, literal, text …, the text without its `{n}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple, TypeVar

from armgs_server.imap.mailbox_names import decode_mailbox
from armgs_server.imap.responses import FLAG_BITS, ImapError, bad

T = TypeVar("T")

# ATOM-CHAR = <any CHAR except atom-specials>; atom-specials = "(" / ")" / "{" / SP / CTL /
# list-wildcards / quoted-specials / resp-specials
_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
# astring = 1*ASTRING-CHAR / string; ASTRING-CHAR = ATOM-CHAR / resp-specials
# Deviation: 8-bit octets are taken, as some clients send them in SEARCH.
_ASTRING = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~\x80-\xff]+")
# list-char = ATOM-CHAR / list-wildcards / resp-specials
_LIST = re.compile(rb"[!#$%&'*+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~\x80-\xff]+")
# quoted = DQUOTE *QUOTED-CHAR DQUOTE. Deviation: raw UTF-8 is taken (RFC 9051 allows it).
_QUOTED = re.compile(rb'"((?:[^"\\\r\n]|\\["\\])*)"')
_NUMBER = re.compile(rb"[0-9]{1,20}")
_FETCH_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9.]*")
# flag = "\Seen" … / flag-keyword / flag-extension
_FLAG = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
# sequence-set = (seq-number / seq-range) *("," sequence-set); RFC 5182: "$"
_SEQUENCE_SET = re.compile(
    rb"(?:(?:[0-9]{1,10}|\*)(?::(?:[0-9]{1,10}|\*))?)(?:,(?:[0-9]{1,10}|\*)(?::(?:[0-9]{1,10}|\*))?)*"
)
# date = date-text / DQUOTE date-text DQUOTE
_DATE = re.compile(rb'("?)(\d{1,2})-([A-Za-z]{3})-(\d{4})\1')
# date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
_DATE_TIME = re.compile(rb'"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"')
_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_ESCAPED = re.compile(rb"\\(.)")
_EPOCH_DAY = date(1970, 1, 1).toordinal()
MAX_NUMBER = 0xFFFFFFFF
MAX_MODSEQ = (1 << 63) - 1
# A keyword longer than this is refused; RFC 3501 names no limit.
MAX_KEYWORD = 64
STAR = MAX_NUMBER + 1


class SequenceSet(NamedTuple):
    """Ranges as written, `*` as STAR; `saved` is the "$" of RFC 5182."""

    ranges: tuple[tuple[int, int], ...]
    saved: bool = False

    def has(self, uid: int) -> bool:
        """Whether one of the ranges holds a uid that may not exist any more."""
        return any(min(pair) <= uid <= max(pair) for pair in self.ranges)


class Cursor:
    """Reads one command from left to right."""

    def __init__(self, parts: Sequence[bytes], position: int = 0, *, utf8: bool = False) -> None:
        """`utf8`: mailbox names are UTF-8, not modified UTF-7 (RFC 9051 §5.1, RFC 6855 §3)."""
        self._utf8 = utf8
        self._parts = parts
        self._index = 0
        self._text = parts[0]
        self._position = position

    # What every rule is made of.

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Consumes what the pattern matches here."""
        found = pattern.match(self._text, self._position)
        if found is not None:
            self._position = found.end()
        return found

    def _require(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        found = self.match(pattern)
        if found is None:
            raise bad(f"{what} expected")
        return found

    def peek(self) -> bytes:
        """The next octet, empty at the end and before a literal."""
        return self._text[self._position : self._position + 1]

    def take(self, token: bytes) -> bool:
        """Consumes `token` (any case) if it stands here."""
        end = self._position + len(token)
        if self._text[self._position : end].upper() != token:
            return False
        self._position = end
        return True

    def expect(self, token: bytes) -> None:
        if not self.take(token):
            raise bad(f"{token.decode()!r} expected")

    def space(self) -> None:
        """SP. Deviation: more than one is taken."""
        if not self.take(b" "):
            raise bad("space expected")
        while self.take(b" "):
            pass

    def end(self) -> None:
        """CRLF: nothing may be left. Deviation: spaces at the end are taken."""
        while self.take(b" "):
            pass
        if self._position != len(self._text) or self._index + 1 < len(self._parts):
            raise bad("end of line expected")

    def is_at_end(self) -> bool:
        return self._position == len(self._text) and self._index + 1 == len(self._parts)

    def has_literal(self) -> bool:
        """Whether a literal stands here."""
        return self._position == len(self._text) and self._index + 1 < len(self._parts)

    def parenthesised(self, item: Callable[[], T]) -> list[T]:
        """ "(" item *(SP item) ")", or "()" """
        self.expect(b"(")
        items: list[T] = []
        if self.take(b")"):
            return items
        while True:
            items.append(item())
            if self.take(b")"):
                return items
            self.space()

    def rest(self) -> bytes:
        """What is left of the text."""
        rest = self._text[self._position :]
        self._position = len(self._text)
        return rest

    # Rules.

    def atom(self) -> str:
        return self._require(_ATOM, "atom")[0].decode("ascii").upper()

    def fetch_name(self) -> str:
        """The name of a fetch-att, up to its section."""
        return self._require(_FETCH_NAME, "item")[0].decode("ascii").upper()

    def take_word(self, word: str) -> bool:
        """Consumes a whole atom if it is `word`."""
        found = _ATOM.match(self._text, self._position)
        if found is None or found[0].upper() != word.encode("ascii"):
            return False
        self._position = found.end()
        return True

    def literal(self) -> bytes:
        data = self._parts[self._index + 1]
        self._index += 2
        self._text = self._parts[self._index]
        self._position = 0
        return data

    def string(self) -> bytes:
        if self.has_literal():
            return self.literal()
        quoted = self._require(_QUOTED, "string")[1]
        return _ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted

    def nstring(self) -> bytes | None:
        return None if self.take(b"NIL") else self.string()

    def astring(self) -> bytes:
        found = self.match(_ASTRING)
        return found[0] if found is not None else self.string()

    def mailbox(self) -> str:
        """mailbox = "INBOX" / astring, decoded. NONEXISTENT-like refusals are the session's."""
        return decode_mailbox(self.astring(), utf8=self._utf8)

    def list_mailbox(self) -> str:
        """list-mailbox = 1*list-char / string"""
        found = self.match(_LIST)
        name = found[0] if found is not None else self.string()
        try:
            return decode_mailbox(name, utf8=self._utf8)
        except ImapError as error:
            if error.condition == b"BAD":
                raise
            return name.decode("ascii")  # no mailbox has such a name

    def number(self) -> int:
        number = int(self._require(_NUMBER, "number")[0])
        if number > MAX_NUMBER:
            raise bad("number too large")
        return number

    def mod_sequence(self) -> int:
        """mod-sequence-valzer (RFC 7162 §7)"""
        number = int(self._require(_NUMBER, "mod-sequence")[0])
        if number > MAX_MODSEQ:
            raise bad("mod-sequence too large")
        return number

    def sequence_set(self) -> SequenceSet:
        if self.take(b"$"):
            return SequenceSet((), saved=True)
        ranges = []
        for piece in self._require(_SEQUENCE_SET, "sequence set")[0].split(b","):
            first, colon, last = piece.partition(b":")
            low = _seq_number(first)
            ranges.append((low, _seq_number(last) if colon else low))
        return SequenceSet(tuple(ranges))

    def flag(self) -> tuple[int, str]:
        """A system flag's bit, or (0, keyword)."""
        name = self._require(_FLAG, "flag")[0]
        if not name.startswith(b"\\"):
            if len(name) > MAX_KEYWORD:
                raise bad(f"keyword longer than {MAX_KEYWORD} octets")
            return 0, name.decode("ascii")
        bit = FLAG_BITS.get(name.lower())
        if bit is None:
            raise bad(f"no such flag: {name.decode('ascii')}")
        return bit, ""

    def use_attribute(self) -> str:
        """use-attr (RFC 6154 §6)"""
        self.expect(b"\\")
        return "\\" + self.atom()

    def flag_list(self) -> tuple[int, list[str]]:
        """flag-list; STORE also takes the flags without parentheses."""
        if self.peek() == b"(":
            flags = self.parenthesised(self.flag)
        else:
            flags = [self.flag()]
            while self.peek() == b" ":
                self.space()
                flags.append(self.flag())
        bits = 0
        for bit, _ in flags:
            bits |= bit
        return bits, [keyword for bit, keyword in flags if not bit]

    def date(self) -> int:
        """The day's number since 1970."""
        found = self._require(_DATE, "date")
        return _day(found[2], found[3], found[4])

    def date_time(self) -> int:
        """Microseconds since 1970 UTC."""
        found = self._require(_DATE_TIME, "date-time")
        hour, minute, second = int(found[4]), int(found[5]), int(found[6])
        if hour > 23 or minute > 59 or second > 60:
            raise bad("no such time")
        zone = (int(found[8]) * 60 + int(found[9])) * (-1 if found[7] == b"-" else 1)
        minutes = (_day(found[1].strip(), found[2], found[3]) * 24 + hour) * 60 + minute - zone
        return (minutes * 60 + second) * 1_000_000


def _seq_number(text: bytes) -> int:
    """nz-number / "*" """
    if text == b"*":
        return STAR
    number = int(text)
    if not 1 <= number <= MAX_NUMBER:
        raise bad("numbers in a set go from 1 to 4294967295")
    return number


def _day(day: bytes, month: bytes, year: bytes) -> int:
    try:
        return date(int(year), _MONTHS.index(month.lower()) + 1, int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        raise bad("no such date") from None
