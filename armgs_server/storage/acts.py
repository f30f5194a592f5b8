# SPDX-License-Identifier: Apache-2.0
"""What administrators have done, as a chain for each department; owner 0 is for what is about all of them.

An act's hash is over the hash before it and all that the act says, so none can be changed or taken out
without all that follow saying so. It is written in the transaction that does what it tells of, and never
removed: a department that is deleted leaves its chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from armgs_server.storage import clock
from armgs_server.storage.tx import Row, Tx

_COLUMNS = "owner, id, moment, actor, verb, arguments, hash"
NO_HASH = bytes(32)
WHOLE = 0  # the owner of acts about the whole server
_ARGUMENTS_LIMIT = 16 * 1024  # characters; of what is longer its length and hash are kept


class Act(NamedTuple):
    """One act. `arguments`: a JSON object."""

    owner: int
    id: int
    moment: int
    actor: str
    verb: str
    arguments: str
    hash: bytes

    def link(self, previous: bytes) -> bytes:
        """What its hash must be after another's."""
        said = [self.owner, self.id, self.moment, self.actor, self.verb, self.arguments]
        return hashlib.sha256(previous + json.dumps(said).encode()).digest()


async def append(tx: Tx, owner: int, actor: str, verb: str, arguments: Mapping[str, Any]) -> Act:
    """One more act; the row of `meta` makes writers of one chain wait for each other."""
    await tx.execute(
        "INSERT INTO meta (name, value) VALUES (?, '1') ON CONFLICT (name)"
        " DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)",
        f"acts {owner}",
    )
    row = await tx.row("SELECT id, hash FROM act WHERE owner = ? ORDER BY id DESC LIMIT 1", owner)
    last, previous = (0, NO_HASH) if row is None else (int(row[0]), bytes(row[1]))
    text = json.dumps(arguments, ensure_ascii=False, sort_keys=True)
    if len(text) > _ARGUMENTS_LIMIT:
        digest = hashlib.sha256(text.encode()).hexdigest()
        text = json.dumps({"characters": len(text), "sha256": digest})
    act = Act(owner, last + 1, clock.now(), actor, verb, text, b"")
    act = act._replace(hash=act.link(previous))
    await tx.execute(f"INSERT INTO act ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", *act)
    return act


async def page(tx: Tx, owner: int, after: int = 0, limit: int = 500) -> list[Act]:
    """Acts in their order."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM act WHERE owner = ? AND id > ? ORDER BY id LIMIT ?", owner, after, limit
    )
    return list(map(_act, rows))


async def latest(tx: Tx, owner: int, before: int, limit: int) -> list[Act]:
    """Acts, the last one first; `before` 0: from the end."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM act WHERE owner = ? AND id < ? ORDER BY id DESC LIMIT ?",
        owner,
        before or (1 << 62),
        limit,
    )
    return list(map(_act, rows))


def _act(row: Row) -> Act:
    owner, id_, moment, actor, verb, arguments, hash_ = row
    return Act(owner, id_, moment, actor, verb, arguments, bytes(hash_))


async def owners(tx: Tx) -> list[int]:
    """Whose chains there are."""
    return [int(owner) for (owner,) in await tx.rows("SELECT DISTINCT owner FROM act ORDER BY owner")]


async def count(tx: Tx, owner: int) -> int:
    """How many there should be: one that was cut off at the end would else not be missed."""
    return int(await tx.value("SELECT value FROM meta WHERE name = ?", f"acts {owner}") or 0)


def first_broken(acts: Sequence[Act], previous: bytes, expected: int) -> Act | None:
    """The first act that does not follow from the one before it."""
    for act in acts:
        if act.id != expected or act.hash != act.link(previous):
            return act
        previous, expected = act.hash, expected + 1
    return None
