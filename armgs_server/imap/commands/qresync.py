# SPDX-License-Identifier: Apache-2.0
"""QRESYNC: RFC 7162 §3.2.5, §3.2.6: what changed and what is gone since the client was last here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from armgs_server.imap.grammar import STAR, Cursor, SequenceSet
from armgs_server.imap.responses import bad, flag_list, number_set, uid_required
from armgs_server.storage import mail_query

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

ALL = SequenceSet(((1, STAR),))


@dataclass(frozen=True, slots=True)
class Known:
    """What a client says it knows of a mailbox."""

    uid_validity: int
    modseq: int
    uids: SequenceSet


def parse_parameter(session: Session, cursor: Cursor) -> Known | None:
    """select-param = "CONDSTORE" / "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids]
    [SP "(" known-sequence-set SP known-uid-set ")"] ")" """
    name = cursor.atom()
    if name == "CONDSTORE":
        return None
    if name != "QRESYNC":
        raise bad(f"no such parameter: {name}")
    if "QRESYNC" not in session.enabled:
        raise bad("QRESYNC is not enabled")
    cursor.space()
    cursor.expect(b"(")
    uid_validity = cursor.number()
    cursor.space()
    modseq = cursor.mod_sequence()
    uids = ALL
    while cursor.peek() == b" ":
        cursor.space()
        if cursor.take(b"("):  # the match of numbers and uids saves what tombstones save here already
            if "UIDONLY" in session.enabled:  # RFC 9586 §3.5
                raise uid_required()
            cursor.sequence_set()
            cursor.space()
            cursor.sequence_set()
            cursor.expect(b")")
        else:
            uids = cursor.sequence_set()
    cursor.expect(b")")
    return Known(uid_validity, modseq, uids)


async def write_changes(session: Session, known: Known) -> None:
    """VANISHED (EARLIER), then FETCH of what changed, of the uids that the client knows."""
    collection, view = session.selected()
    await write_vanished(session, known.modseq, known.uids)
    changes = await session.core.store.read(
        lambda tx: mail_query.changes(tx, collection.owner, collection.id, known.modseq)
    )
    for uid, flags, keywords, modseq in changes.rows if changes is not None else ():
        if known.uids.has(uid) and view.number(uid):
            session.tell_keywords([keywords])
            shown = flag_list(view.shown_flags(uid, flags), keywords)
            session.write(view.response(uid, b"UID %d FLAGS %b MODSEQ (%d)" % (uid, shown, modseq)))


async def write_vanished(session: Session, since: int, uids: SequenceSet) -> None:
    """RFC 7162 §3.2.10.1: uids that were there at `since` and are not now."""
    collection, _ = session.selected()
    removed = await session.core.store.read(
        lambda tx: mail_query.removed(tx, collection.owner, collection.id, since)
    )
    if vanished := [uid for uid in removed if uids.has(uid)]:
        session.write(b"* VANISHED (EARLIER) %b\r\n" % number_set(vanished))
