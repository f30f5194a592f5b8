# SPDX-License-Identifier: Apache-2.0
"""Scripts of mail rules (RFC 5228, RFC 5804): a person's own, and a department's, of which one may be active.

With the text lies what `rules.sieve.program` has made of it; the store does not look into either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server.errors import AlreadyExists, Conflict, NotFound
from armgs_server.storage.tx import Tx

# Published on the bus, with the owner's id, when another script counts, or what is in it has changed.
TOPIC = "sieve"


@dataclass(frozen=True, slots=True)
class Script:
    """One script with its text and its program."""

    name: str
    is_active: bool
    text: bytes
    program: str
    changed: int


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing shows."""

    name: str
    is_active: bool
    size: int


_COLUMNS = "name, active, text, program, changed"


async def get(tx: Tx, owner: int, name: str) -> Script:
    """NotFound."""
    row = await tx.row(f"SELECT {_COLUMNS} FROM sieve_script WHERE owner = ? AND name = ?", owner, name)
    if row is None:
        raise NotFound()
    return Script(row[0], bool(row[1]), bytes(row[2]), row[3], row[4])


async def active(tx: Tx, owner: int) -> Script | None:
    """The one that runs."""
    row = await tx.row(f"SELECT {_COLUMNS} FROM sieve_script WHERE owner = ? AND active = 1", owner)
    return None if row is None else Script(row[0], True, bytes(row[2]), row[3], row[4])


async def active_of(tx: Tx, owners: Sequence[int]) -> dict[int, Script]:
    """The active ones of many owners."""
    rows = await tx.rows(
        f"SELECT owner, {_COLUMNS} FROM sieve_script WHERE active = 1"
        f" AND owner IN ({', '.join('?' * len(owners))})",
        *owners,
    )
    return {row[0]: Script(row[1], True, bytes(row[3]), row[4], row[5]) for row in rows}


async def listed(tx: Tx, owner: int) -> list[Listed]:
    """All of an owner, by name."""
    rows = await tx.rows(
        "SELECT name, active, LENGTH(text) FROM sieve_script WHERE owner = ? ORDER BY name", owner
    )
    return [Listed(name, bool(is_active), size) for name, is_active, size in rows]


async def has_room(tx: Tx, owner: int, name: str, limit: int) -> bool:
    """Whether a script of that name may be put: it is there already, or there are fewer than `limit`."""
    count = await tx.value("SELECT COUNT(*) FROM sieve_script WHERE owner = ? AND name <> ?", owner, name)
    return int(count) < limit


async def put(tx: Tx, owner: int, name: str, text: bytes, program: str, now: int) -> None:
    """A script of that name; an active one stays active."""
    await tx.execute(
        "INSERT INTO sieve_script (owner, name, active, text, program, changed) VALUES (?, ?, 0, ?, ?, ?)"
        " ON CONFLICT (owner, name) DO UPDATE SET text = excluded.text, program = excluded.program,"
        " changed = excluded.changed",
        owner,
        name,
        text,
        program,
        now,
    )
    _announce(tx, owner)


async def activate(tx: Tx, owner: int, name: str) -> None:
    """This one runs from now on; "" = none. NotFound."""
    await tx.execute("UPDATE sieve_script SET active = 0 WHERE owner = ? AND active = 1", owner)
    if name and not await tx.execute(
        "UPDATE sieve_script SET active = 1 WHERE owner = ? AND name = ?", owner, name
    ):
        raise NotFound()
    _announce(tx, owner)


async def delete(tx: Tx, owner: int, name: str) -> None:
    """NotFound; Conflict for the active one (RFC 5804 §2.10)."""
    row = await tx.row("SELECT active FROM sieve_script WHERE owner = ? AND name = ?", owner, name)
    if row is None:
        raise NotFound()
    if row[0]:
        raise Conflict("the script is active")
    await tx.execute("DELETE FROM sieve_script WHERE owner = ? AND name = ?", owner, name)
    _announce(tx, owner)


async def rename(tx: Tx, owner: int, name: str, new: str) -> None:
    """NotFound, AlreadyExists. An active script stays active (RFC 5804 §2.11.1)."""
    if await tx.row("SELECT 1 FROM sieve_script WHERE owner = ? AND name = ?", owner, new) is not None:
        raise AlreadyExists()
    if not await tx.execute(
        "UPDATE sieve_script SET name = ? WHERE owner = ? AND name = ?", new, owner, name
    ):
        raise NotFound()
    _announce(tx, owner)


def _announce(tx: Tx, owner: int) -> None:
    tx.publish(TOPIC, b"%d" % owner)
