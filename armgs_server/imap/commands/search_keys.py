# SPDX-License-Identifier: Apache-2.0
"""Search keys: RFC 3501 §6.4.4, WITHIN (RFC 5032), MODSEQ (RFC 7162 §3.1.5), "$" (RFC 5182), FUZZY
(RFC 6203).

A key becomes a function of (row, content) that says yes, no, or None where it would need the content and
has none yet. Keys that SQL can decide alone become part of the query where they stand at the top.
"""

from __future__ import annotations

from bisect import bisect_right

from armgs_server.formats.base_subject import casemap
from armgs_server.formats.mime_header import parse_date
from armgs_server.imap.commands.object_ids import email_id, thread_id
from armgs_server.imap.commands.search_content import Content
from armgs_server.imap.commands.search_query import (
    Key,
    Query,
    Runs,
    always,
    either,
    every,
    intersect,
    negated,
)
from armgs_server.imap.commands.search_text import ColumnSearch, forms, text_search
from armgs_server.imap.grammar import MAX_NUMBER, Cursor, SequenceSet
from armgs_server.imap.responses import bad, no
from armgs_server.imap.view import View
from armgs_server.storage import clock
from armgs_server.storage.items import Flags
from armgs_server.storage.mail_words import Kind
from armgs_server.storage.tx import Row

# Keys in one search, and how deep they may nest.
MAX_KEYS = 500
MAX_DEPTH = 50

_FLAGS = {
    "ANSWERED": Flags.ANSWERED,
    "DELETED": Flags.DELETED,
    "DRAFT": Flags.DRAFT,
    "FLAGGED": Flags.FLAGGED,
    "SEEN": Flags.SEEN,
}
# String keys and header names with a column of their own.
_COLUMNS = {
    "SUBJECT": "m.subject",
    "FROM": "m.sender",
    "TO": "m.recipients",
    "CC": "m.cc",
    "BCC": "m.bcc",
}
_SENT = "SUBSTR(m.envelope, 1, 80)"


def parse_query(cursor: Cursor, view: View, now: int, *, by_number: bool = True) -> Query:
    """search-program, behind its charset. Without `by_number` message numbers and "$" mean nothing."""
    query = Query()
    keys = _Parser(cursor, view, query, now, by_number).keys()
    runs: Runs = [(0, len(view))]
    matches = []
    for key in keys:
        if key.runs is not None:
            runs = intersect(runs, key.runs)
        elif key.where:
            query.where += f" AND {key.where}"
            query.arguments += key.arguments
        else:
            matches.append(key.match)
            if key.text is not None:
                query.required.append(key.text)
    query.runs = runs
    query.is_text_only = len(query.required) == len(matches) == 1 and not query.where
    query.match = every(matches)
    return query


class _Parser:
    """Reads keys from a cursor; what they need is noted in the query."""

    def __init__(self, cursor: Cursor, view: View, query: Query, now: int, by_number: bool) -> None:
        self.cursor = cursor
        self.view = view
        self.query = query
        self.now = now
        self.by_number = by_number
        self.count = 0
        self.is_fuzzy = False

    def keys(self) -> list[Key]:
        keys = [self.key(0)]
        while not self.cursor.is_at_end():
            self.cursor.space()
            keys.append(self.key(0))
        return keys

    def key(self, depth: int) -> Key:
        self.count += 1
        if self.count > MAX_KEYS or depth > MAX_DEPTH:
            raise no("the search is too complex", "LIMIT")
        cursor = self.cursor
        first = cursor.peek()
        if first == b"(":
            matches = [key.match for key in cursor.parenthesised(lambda: self.key(depth + 1))]
            if not matches:
                raise bad("search key expected")
            return Key(every(matches))
        if first in b"0123456789*$" and first:
            return self.message_set(cursor.sequence_set(), by_uid=False)
        name = cursor.atom()
        if name == "NOT":
            cursor.space()
            return Key(negated(self.key(depth + 1).match))
        if name == "OR":
            cursor.space()
            left = self.key(depth + 1)
            cursor.space()
            return Key(either(left.match, self.key(depth + 1).match))
        if name == "FUZZY":
            return self.fuzzy(depth)
        return self.simple(name)

    def fuzzy(self, depth: int) -> Key:
        """RFC 6203 §3, §5: of all keys in the one that follows, those with a text are found fuzzily."""
        self.cursor.space()
        before, self.is_fuzzy = self.is_fuzzy, True
        self.query.is_fuzzy = True
        try:
            return self.key(depth + 1)
        finally:
            self.is_fuzzy = before

    def simple(self, name: str) -> Key:
        """Every key without keys within."""
        if name in ("ALL", "SAVEDATESUPPORTED"):  # every mailbox keeps the save date (RFC 8514 §4.3)
            return Key(always)
        if name in ("NEW", "OLD", "RECENT"):
            return self.recent(name)
        if name in _FLAGS or name.removeprefix("UN") in _FLAGS:
            return self.flag(_FLAGS[name.removeprefix("UN")], wanted=name in _FLAGS)
        self.cursor.space()
        if name in ("EMAILID", "THREADID"):
            return self.object_id(name)
        if name in _COLUMNS:
            return self.column_text(_COLUMNS[name], self.text())
        if name == "UID":
            return self.message_set(self.cursor.sequence_set(), by_uid=True)
        if name in ("UIDAFTER", "UIDBEFORE"):  # RFC 9738 §4
            uid = self.cursor.number()
            low, high = (uid + 1, MAX_NUMBER) if name == "UIDAFTER" else (1, uid - 1)
            return self.message_set(SequenceSet(((low, high),) if low <= high else ()), by_uid=True)
        for table in (self.word_key, self.number_key, self.date_key, self.content_key):
            if (key := table(name)) is not None:
                return key
        raise bad(f"no such search key: {name}")

    def text(self) -> str:
        try:
            return casemap(self.cursor.astring().decode("utf-8"))
        except UnicodeDecodeError:
            raise no("search text is UTF-8 here", "BADCHARSET (US-ASCII UTF-8)") from None

    def recent(self, name: str) -> Key:
        """RFC 3501 §6.4.4: OLD is NOT RECENT, NEW is RECENT UNSEEN."""
        is_recent = self.view.is_recent
        if name == "OLD":
            return Key(lambda row, _: not is_recent(row[0]))
        if name == "RECENT":
            return Key(lambda row, _: is_recent(row[0]))
        place = self.query.column("i.flags")
        return Key(lambda row, _: is_recent(row[0]) and not row[place] & Flags.SEEN)

    def object_id(self, name: str) -> Key:
        """EMAILID, THREADID (RFC 8474 §7)."""
        wanted = self.cursor.astring()
        if name == "EMAILID":
            place = self.query.column("i.blob")
            return Key(lambda row, _: email_id(row[place]) == wanted)
        own, refs = self.query.column("m.message_id"), self.query.column("m.refs")
        return Key(lambda row, _: thread_id(row[own], row[refs]) == wanted)

    def flag(self, bit: Flags, *, wanted: bool) -> Key:
        place = self.query.column("i.flags")
        where = f"(i.flags & {int(bit)}) {'<>' if wanted else '='} 0"
        return Key(lambda row, _: bool(row[place] & bit) is wanted, where)

    def message_set(self, wanted: SequenceSet, *, by_uid: bool) -> Key:
        if not self.by_number and (wanted.saved or not by_uid):  # RFC 7377 §2.1
            raise bad("message numbers are of the selected mailbox")
        self.query.is_fleeting |= wanted.saved
        runs = self.view.runs(wanted, by_uid=by_uid, may_be_beyond=True)
        uids = self.view.uids
        starts = [uids[first] for first, _ in runs]
        ends = [uids[end - 1] for _, end in runs]

        def match(row: Row, content: Content | None) -> bool:
            place = bisect_right(starts, row[0]) - 1
            return place >= 0 and row[0] <= ends[place]

        return Key(match, runs=runs)

    def column_text(self, column: str, needle: str) -> Key:
        place = self.query.column(column)
        if self.is_fuzzy and (terms := forms(needle)):
            search = ColumnSearch(needle, terms)
            self.query.scores.append(search.scores.get)
            return Key(lambda row, _: search.match(row[0], row[place]))
        return Key(lambda row, _: needle in casemap(row[place]))

    def word_key(self, name: str) -> Key | None:
        """KEYWORD, UNKEYWORD."""
        if name not in ("KEYWORD", "UNKEYWORD"):
            return None
        place = self.query.column("i.keywords")
        wanted = self.cursor.atom().lower()
        positive = name == "KEYWORD"
        return Key(lambda row, _: (wanted in row[place].lower().split()) is positive)

    def number_key(self, name: str) -> Key | None:
        """LARGER, SMALLER, OLDER, YOUNGER, MODSEQ."""
        if name in ("LARGER", "SMALLER"):
            place, number = self.query.column("i.size"), self.cursor.number()
            if name == "LARGER":
                return Key(lambda row, _: row[place] > number, "i.size > ?", (number,))
            return Key(lambda row, _: row[place] < number, "i.size < ?", (number,))
        if name in ("OLDER", "YOUNGER"):  # RFC 5032 §3
            self.query.is_fleeting = True
            place, border = self.query.column("i.created"), self.now - self.cursor.number() * clock.SECOND
            if name == "OLDER":
                return Key(lambda row, _: row[place] <= border, "i.created <= ?", (border,))
            return Key(lambda row, _: row[place] >= border, "i.created >= ?", (border,))
        if name == "MODSEQ":
            if self.cursor.peek() == b'"':  # entry-name and entry-type-req: one modseq stands for all
                self.cursor.string()
                self.cursor.space()
                self.cursor.atom()
                self.cursor.space()
            place, modseq = self.query.column("i.modseq"), self.cursor.mod_sequence()
            self.query.has_modseq, self.query.modseq_column = True, place
            return Key(lambda row, _: row[place] >= modseq, "i.modseq >= ?", (modseq,))
        return None

    def date_key(self, name: str) -> Key | None:
        """BEFORE, ON, SINCE by INTERNALDATE; SENTBEFORE … by the date as written, without its time."""
        comparison = name.removeprefix("SENT").removeprefix("SAVED")
        if comparison not in ("BEFORE", "ON", "SINCE"):
            return None
        day = self.cursor.date()
        if not name.startswith("SENT"):  # SAVED…: RFC 8514 §4.3
            place = self.query.column("i.created" if comparison == name else "i.modified")
            return Key(lambda row, _: _compare(comparison, row[place] // clock.DAY, day))
        place, fallback = self.query.column(_SENT), self.query.column("m.sent")

        def match(row: Row, content: Content | None) -> bool:
            written = parse_date(row[place][2:])  # behind the envelope's ("
            return _compare(comparison, written[1] if written else row[fallback] // clock.DAY, day)

        return Key(match)

    def content_key(self, name: str) -> Key | None:
        """BODY, TEXT, HEADER."""
        if name == "HEADER":
            return self.header_key()
        if name not in ("BODY", "TEXT"):
            return None
        text = self.text()
        if not text:
            return Key(always)
        kinds = (Kind.BODY,) if name == "BODY" and not self.is_fuzzy else tuple(Kind)
        search = text_search(kinds, text, is_fuzzy=self.is_fuzzy)
        self.query.needs_body = True
        self.query.texts.append(search)
        if search.is_fuzzy:
            self.query.scores.append(search.scores.get)
        return Key(search.match, text=search)

    def header_key(self) -> Key:
        """HEADER field-name string"""
        name = self.text()
        self.cursor.space()
        needle = self.text()
        column = _COLUMNS.get(name.upper(), "m.message_id" if name == "message-id" else None)
        if column is not None and needle:
            return self.column_text(column, needle)
        return Key(lambda _, content: None if content is None else content.field_has(name, needle))


def _compare(comparison: str, value: int, day: int) -> bool:
    if comparison == "BEFORE":
        return value < day
    return value == day if comparison == "ON" else value >= day
