# SPDX-License-Identifier: Apache-2.0
"""Chat rooms (XEP-0045) as they are kept: configuration, subject, affiliations.

A room's owner number is a principal of kind `chatroom`, with an account of its own for the archive. Who is
in a room just now is known to the process where it lives, and kept here only between two of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from armgs_server.storage import room_seen
from armgs_server.storage.tx import Tx


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """One room; `subject` is the tail of the last subject message, empty where there was none."""

    owner: int
    address: str
    subject: bytes
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AffiliationRecord:
    """The long-lived standing of one bare JID in a room."""

    jid: str
    affiliation: str
    nick: str
    reason: str


async def create(
    tx: Tx, owner: int, address: str, data: Mapping[str, Any], affiliations: Sequence[AffiliationRecord]
) -> None:
    """A room of a principal that was just made."""
    await tx.execute(
        "INSERT INTO chatroom (owner, address, subject, data) VALUES (?, ?, ?, ?)",
        owner,
        address,
        b"",
        json.dumps(dict(data), ensure_ascii=False),
    )
    for record in affiliations:
        await set_affiliation(tx, owner, record)


async def load(tx: Tx, address: str) -> tuple[RoomRecord, list[AffiliationRecord]] | None:
    """A room with its affiliations."""
    row = await tx.row("SELECT owner, address, subject, data FROM chatroom WHERE address = ?", address)
    if row is None:
        return None
    owner, address, subject, data = row
    record = RoomRecord(owner, address, bytes(subject), json.loads(data))
    return record, await affiliations(tx, owner)


async def affiliations(tx: Tx, owner: int) -> list[AffiliationRecord]:
    """All of a room."""
    rows = await tx.rows("SELECT jid, affiliation, nick, reason FROM affiliation WHERE owner = ?", owner)
    return [AffiliationRecord(*each) for each in rows]


async def page(tx: Tx, after: int, limit: int) -> list[RoomRecord]:
    """Some of all rooms, in the order of their numbers."""
    rows = await tx.rows(
        "SELECT owner, address, subject, data FROM chatroom WHERE owner > ? ORDER BY owner LIMIT ?",
        after,
        limit,
    )
    return [
        RoomRecord(owner, address, bytes(subject), json.loads(data)) for owner, address, subject, data in rows
    ]


async def set_data(tx: Tx, owner: int, data: Mapping[str, Any]) -> None:
    """Keeps a new configuration."""
    text = json.dumps(dict(data), ensure_ascii=False)
    await tx.execute("UPDATE chatroom SET data = ? WHERE owner = ?", text, owner)


async def set_subject(tx: Tx, owner: int, subject: bytes) -> None:
    """Keeps a new subject."""
    await tx.execute("UPDATE chatroom SET subject = ? WHERE owner = ?", subject, owner)


async def set_affiliation(tx: Tx, owner: int, record: AffiliationRecord) -> None:
    """Keeps one standing; `none` is kept by having no row."""
    await tx.execute("DELETE FROM affiliation WHERE owner = ? AND jid = ?", owner, record.jid)
    if record.affiliation != "none":
        await tx.execute(
            "INSERT INTO affiliation (owner, jid, affiliation, nick, reason) VALUES (?, ?, ?, ?, ?)",
            owner,
            record.jid,
            record.affiliation,
            record.nick,
            record.reason,
        )


async def delete(tx: Tx, owner: int) -> None:
    """Forgets the room; its principal and account are the directory's to delete."""
    await tx.execute("DELETE FROM affiliation WHERE owner = ?", owner)
    await tx.execute("DELETE FROM room_seats WHERE owner = ?", owner)
    await room_seen.forget(tx, owner)
    await tx.execute("DELETE FROM chatroom WHERE owner = ?", owner)


async def leave_seats(tx: Tx, owner: int, state: str) -> None:
    """The room is in no process any more; who was in it is for the next."""
    await tx.execute(
        "INSERT INTO room_seats (owner, state) VALUES (?, ?)"
        " ON CONFLICT (owner) DO UPDATE SET state = excluded.state",
        owner,
        state,
    )


async def has_seats(tx: Tx, owner: int) -> bool:
    """Whether `leave_seats` has left any."""
    return bool(await tx.value("SELECT COUNT(*) FROM room_seats WHERE owner = ?", owner))


async def take_seats(tx: Tx, owner: int) -> str | None:
    """What `leave_seats` has left; it is the caller's now."""
    row = await tx.row("DELETE FROM room_seats WHERE owner = ? RETURNING state", owner)
    return None if row is None else str(row[0])


async def forget_person(tx: Tx, jid: str) -> None:
    """Takes somebody out of all rooms: who gets the address later has no rights there."""
    await tx.execute("DELETE FROM affiliation WHERE jid = ?", jid)


async def of_domain(tx: Tx, domain: str, after: str, limit: int) -> list[RoomRecord]:
    """A page of the rooms at one domain, in the order of their addresses."""
    rows = await tx.rows(
        "SELECT owner, address, subject, data FROM chatroom WHERE address LIKE ? ESCAPE '!' AND address > ?"
        " ORDER BY address LIMIT ?",
        "%@" + domain.replace("!", "!!").replace("%", "!%").replace("_", "!_"),
        after,
        limit,
    )
    return [
        RoomRecord(owner, address, bytes(subject), json.loads(data)) for owner, address, subject, data in rows
    ]


async def count_of(tx: Tx, jid: str, affiliation: str) -> int:
    """In how many rooms somebody has that affiliation."""
    return int(
        await tx.value("SELECT COUNT(*) FROM affiliation WHERE jid = ? AND affiliation = ?", jid, affiliation)
    )
