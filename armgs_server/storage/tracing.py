# SPDX-License-Identifier: Apache-2.0
"""Where the copies of a message lie. For an administrator's question only: mailboxes are gone through owner
by owner, since no index over all of them is worth its cost at each delivery."""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.storage.tx import Tx

_COPY = (
    "SELECT m.owner, m.uid, c.name, i.created, m.sender FROM message m"
    " JOIN item i ON i.owner = m.owner AND i.collection = m.collection AND i.uid = m.uid"
    " JOIN collection c ON c.owner = m.owner AND c.id = m.collection"
)


@dataclass(frozen=True, slots=True)
class Copy:
    owner: int
    uid: int
    mailbox: str
    created: int
    sender: str


@dataclass(frozen=True, slots=True)
class Page:
    """`last`: the owner to go on after; None at the end."""

    copies: list[Copy]
    last: int | None


async def copies(tx: Tx, *, message_id: str, since: int, after: int, limit: int) -> Page:
    """Copies with this Message-ID that have come since, of some owners."""
    rows = await tx.rows("SELECT owner FROM account WHERE owner > ? ORDER BY owner LIMIT ?", after, limit)
    found: list[Copy] = []
    for (owner,) in rows:
        sql = f"{_COPY} WHERE m.owner = ? AND m.message_id = ? AND i.created >= ?"
        found += [Copy(*row) for row in await tx.rows(sql, owner, message_id, since)]
    return Page(found, rows[-1][0] if len(rows) == limit else None)


async def arrived(tx: Tx, *, owner: int, since: int, limit: int) -> list[Copy]:
    """What has come into somebody's mailboxes since; the newest, the oldest of them first."""
    sql = f"{_COPY} WHERE m.owner = ? AND i.created >= ? ORDER BY i.created DESC LIMIT ?"
    return [Copy(*row) for row in reversed(await tx.rows(sql, owner, since, limit))]
