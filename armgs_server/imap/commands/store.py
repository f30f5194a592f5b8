# SPDX-License-Identifier: Apache-2.0
"""STORE, UID STORE: RFC 3501 §6.4.6, UNCHANGEDSINCE (RFC 7162 §3.1.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.errors import Denied
from armgs_server.imap.command import Ok
from armgs_server.imap.grammar import Cursor, SequenceSet
from armgs_server.imap.message_limit import limit_uids, say
from armgs_server.imap.responses import bad, flag_list, no, number_set
from armgs_server.storage import item_flags, items, mail_query, training
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Flags
from armgs_server.storage.tx import Row, Tx

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# Messages changed in one transaction: bounds how long other writers wait.
BATCH = 1000
# Octets of all keywords of one message.
MAX_KEYWORDS = 2000


@dataclass(frozen=True, slots=True)
class Change:
    """What STORE asks for; `sign` is "+", "-" or ""."""

    sign: str
    silent: bool
    flags: int
    keywords: Sequence[str]
    unchanged_since: int | None
    spared: int = 0  # flags that the person may not change

    def apply(self, flags: int, keywords: str) -> tuple[int, str]:
        """The flags after it; keywords compare without case (RFC 3501 §9: flag-keyword is an atom)."""
        if self.sign == "":
            kept = keywords if self.spared & Flags.FLAGGED else join_keywords(self.keywords)
            return self.flags | (flags & self.spared), kept
        if self.sign == "+":
            return flags | self.flags, join_keywords([*keywords.split(), *self.keywords])
        gone = {keyword.lower() for keyword in self.keywords}
        left = [keyword for keyword in keywords.split() if keyword.lower() not in gone]
        return flags & ~self.flags, " ".join(left)


def join_keywords(keywords: Iterable[str]) -> str:
    """Keywords as they are kept: each once, in the first spelling."""
    unique: dict[str, str] = {}
    for keyword in keywords:
        unique.setdefault(keyword.lower(), keyword)
    text = " ".join(unique.values())
    if len(text) > MAX_KEYWORDS:
        raise no(f"keywords of one message have at most {MAX_KEYWORDS} octets", "LIMIT")
    return text


async def handle_store(session: Session, cursor: Cursor) -> Ok:
    return await _store(session, cursor, by_uid=False)


async def handle_uid_store(session: Session, cursor: Cursor) -> Ok:
    return await _store(session, cursor, by_uid=True)


async def _store(session: Session, cursor: Cursor, *, by_uid: bool) -> Ok:
    cursor.space()
    wanted, change = _parse(cursor)
    collection, view = session.writable()
    if change.unchanged_since is not None:
        session.enable_condstore()
    change = await _permitted(session, collection, change)
    uids, limit_code = limit_uids(session, view.uids_of(view.runs(wanted, by_uid=by_uid)))
    is_taught = bool(change.keywords) and bool(session.core.config.trust.rspamd_controller)
    lesson = training.lesson_of_keywords(change.keywords) if is_taught and change.sign != "-" else None
    refused: list[int] = []
    missing = len(uids)
    for at in range(0, len(uids), BATCH):
        part = uids[at : at + BATCH]

        async def work(tx: Tx, part: Sequence[int] = part) -> tuple[list[Row], list[int], int]:
            applied = await _apply(tx, collection, part, change)
            if lesson is not None:
                await _teach(tx, collection, applied[0], is_spam=lesson)
            return applied

        rows, conflicting, modseq = await session.core.store.write(work)
        view.own.add(modseq)
        refused += conflicting
        missing -= len(rows) + len(conflicting)
        _answer(session, rows, modseq, change, by_uid=by_uid)
        await session.stream.drain()
        await asyncio.sleep(0)
    if not refused:
        # RFC 2180 §4.2: what was expunged meanwhile is left out; RFC 5530 §3 says so.
        done = Ok("STORE completed", "EXPUNGEISSUED" if missing and not by_uid else "")
        return say(session, done, limit_code)
    numbers = refused if by_uid else [view.number(uid) for uid in refused]
    modified = f"MODIFIED {number_set(numbers).decode('ascii')}"
    return say(session, Ok("some have changed meanwhile", modified), limit_code)


async def _apply(
    tx: Tx, collection: Collection, uids: Sequence[int], change: Change
) -> tuple[list[Row], list[int], int]:
    """Rows (uid, flags, keywords, modseq before, changed), uids spared by UNCHANGEDSINCE, new modseq."""
    rows: list[Row] = []
    conflicting: list[int] = []
    changes: list[tuple[int, int, str]] = []
    for uid, flags, keywords, modseq in await mail_query.flags_of(tx, collection.owner, collection.id, uids):
        if change.unchanged_since is not None and modseq > change.unchanged_since:
            conflicting.append(uid)
            continue
        new_flags, new_keywords = change.apply(flags, keywords)
        is_changed = (new_flags, new_keywords) != (flags, keywords)
        if is_changed:
            changes.append((uid, new_flags, new_keywords))
        rows.append((uid, new_flags, new_keywords, modseq, is_changed))
    modseq = await item_flags.set_flags(tx, collection, changes) if changes else 0
    return rows, conflicting, modseq


async def _teach(tx: Tx, collection: Collection, rows: Sequence[Row], *, is_spam: bool) -> None:
    """Leaves those that were not marked before for the filter."""
    changed = [row[0] for row in rows if row[4]]
    marked = await items.by_uids(tx, collection.owner, collection.id, changed)
    await training.add(tx, collection.owner, [item.blob for item in marked], is_spam=is_spam)


def _parse(cursor: Cursor) -> tuple[SequenceSet, Change]:
    """store = "STORE" SP sequence-set [SP "(UNCHANGEDSINCE" SP n ")"] SP store-att-flags"""
    wanted = cursor.sequence_set()
    cursor.space()
    unchanged_since = None
    if cursor.take(b"("):
        cursor.expect(b"UNCHANGEDSINCE")
        cursor.space()
        unchanged_since = cursor.mod_sequence()
        cursor.expect(b")")
        cursor.space()
    sign = "+" if cursor.take(b"+") else "-" if cursor.take(b"-") else ""
    name = cursor.atom()
    if name not in ("FLAGS", "FLAGS.SILENT"):
        raise bad("FLAGS expected")
    cursor.space()
    flags, keywords = cursor.flag_list()
    cursor.end()
    return wanted, Change(sign, name.endswith("SILENT"), flags, keywords, unchanged_since)


async def _permitted(session: Session, collection: Collection, change: Change) -> Change:
    """RFC 4314 §4: s for \\Seen, t for \\Deleted, w for the others. With one of them the command does what it
    may and leaves the rest as it is; with none it is refused."""
    rights = await session.reach.rights(collection)
    spared = 0
    if Rights.SEEN not in rights:
        spared |= Flags.SEEN
    if Rights.DELETE_ITEMS not in rights:
        spared |= Flags.DELETED
    may_write = Rights.WRITE in rights
    if not may_write:
        spared |= ~(Flags.SEEN | Flags.DELETED)
    if not spared:
        return change
    asked = change.flags if change.sign else ~0
    if not asked & ~spared and not (may_write and change.keywords):
        raise Denied()
    keywords = change.keywords if may_write else ()
    return replace(change, flags=change.flags & ~spared, keywords=keywords, spared=spared)


def _answer(session: Session, rows: Sequence[Row], modseq: int, change: Change, *, by_uid: bool) -> None:
    """FETCH responses; RFC 7162 §3.1.3: MODSEQ is told even when the flags are not."""
    view = session.selected()[1]
    modseqs = "CONDSTORE" in session.enabled
    lines = []
    session.tell_keywords(row[2] for row in rows)
    for uid, flags, keywords, before, is_changed in rows:
        # RFC 3501 §6.4.6: .SILENT does not keep back what somebody else has changed meanwhile.
        tells_flags = not change.silent or before > view.modseq
        if not tells_flags and not modseqs:
            continue
        attributes = [b"UID %d" % uid] if (by_uid or modseqs) and not view.uid_only else []
        if tells_flags:
            attributes.append(b"FLAGS %b" % flag_list(view.shown_flags(uid, flags), keywords))
        if modseqs:
            attributes.append(b"MODSEQ (%d)" % (modseq if is_changed else before))
        lines.append(view.response(uid, b" ".join(attributes)))
    session.write(b"".join(lines))
