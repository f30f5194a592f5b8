# SPDX-License-Identifier: Apache-2.0
"""RFC 6121 §2: what an owner keeps about each contact; versions are the modseq of the roster collection.

A row with `subscription` '' is not in the roster: it only holds a subscription request that waits for an
answer, or a pre-approval. A removed contact stays as a row with `subscription` 'remove', so that a client
with an older version learns of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from armgs_server.storage import collections
from armgs_server.storage.tx import Row, Tx

_COLUMNS = "jid, name, subscription, ask, approved, pending, groups, modseq"


@dataclass(frozen=True, slots=True)
class RosterItem:
    """One contact of an owner, by bare JID; `pending` is their unanswered `<presence type='subscribe'/>`."""

    jid: str
    name: str = ""
    subscription: str = ""  # '' none to from both remove
    ask: bool = False
    approved: bool = False
    pending: bytes | None = None
    groups: tuple[str, ...] = ()
    modseq: int = 0

    @property
    def is_empty(self) -> bool:
        return not self.subscription and self.pending is None and not self.approved

    @property
    def is_listed(self) -> bool:
        return self.subscription not in ("", "remove")


async def load(tx: Tx, owner: int) -> list[RosterItem]:
    """Every row that is not a removed contact."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM roster WHERE owner = ? AND subscription <> 'remove' ORDER BY jid", owner
    )
    return [_from_row(row) for row in rows]


async def get(tx: Tx, owner: int, jid: str) -> RosterItem | None:
    """One contact; None also for a removed one."""
    row = await tx.row(f"SELECT {_COLUMNS} FROM roster WHERE owner = ? AND jid = ?", owner, jid)
    return None if row is None or row[2] == "remove" else _from_row(row)


async def put(tx: Tx, owner: int, item: RosterItem) -> int:
    """Writes a contact; the roster's new modseq."""
    modseq = await _bump(tx, owner)
    await tx.execute(
        f"INSERT INTO roster (owner, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, jid) DO UPDATE SET name = excluded.name, subscription = excluded.subscription,"
        " ask = excluded.ask, approved = excluded.approved, pending = excluded.pending,"
        " groups = excluded.groups, modseq = excluded.modseq",
        owner,
        item.jid,
        item.name,
        item.subscription,
        int(item.ask),
        int(item.approved),
        item.pending,
        json.dumps(item.groups, ensure_ascii=False),
        modseq,
    )
    return modseq


async def remove(tx: Tx, owner: int, jid: str) -> int:
    """Leaves a removed contact; the roster's new modseq."""
    return await put(tx, owner, RosterItem(jid, subscription="remove"))


async def forget(tx: Tx, owner: int, jid: str) -> None:
    """Drops a row that was never listed, or about which nothing is left to say."""
    await tx.execute("DELETE FROM roster WHERE owner = ? AND jid = ?", owner, jid)


async def version(tx: Tx, owner: int) -> int:
    """The modseq of the whole roster."""
    modseq = await tx.value(
        "SELECT modseq FROM collection WHERE owner = ? AND kind = 'roster' AND parent = 0 AND name = ''",
        owner,
    )
    return int(modseq or 0)


async def changed_since(tx: Tx, owner: int, modseq: int) -> list[RosterItem]:
    """Contacts changed or removed after a version, oldest change first."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM roster WHERE owner = ? AND modseq > ? ORDER BY modseq", owner, modseq
    )
    return [_from_row(row) for row in rows]


async def last_change(tx: Tx, owner: int, jid: str) -> int:
    """The version that the last change of a contact made, its removal too; 0 where nothing is known of it."""
    return int(await tx.value("SELECT modseq FROM roster WHERE owner = ? AND jid = ?", owner, jid) or 0)


async def count(tx: Tx, owner: int) -> int:
    """How many contacts there are."""
    return int(
        await tx.value("SELECT COUNT(*) FROM roster WHERE owner = ? AND subscription <> 'remove'", owner)
    )


async def _bump(tx: Tx, owner: int) -> int:
    number = await tx.value(
        "SELECT id FROM collection WHERE owner = ? AND kind = 'roster' AND parent = 0 AND name = ''",
        owner,
    )
    return await collections.bump(tx, owner, int(number or 0))


def _from_row(row: Row) -> RosterItem:
    jid, name, subscription, ask, approved, pending, groups, modseq = row
    return RosterItem(
        jid,
        name,
        subscription,
        ask != 0,
        approved != 0,
        None if pending is None else bytes(pending),
        tuple(json.loads(groups)),
        modseq,
    )
