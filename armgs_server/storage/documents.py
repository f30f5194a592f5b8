# SPDX-License-Identifier: Apache-2.0
"""Documents: small values an owner has one of, by name (vcard-temp, private XML, block list …)."""

from __future__ import annotations

from armgs_server.storage.tx import Tx


async def get(tx: Tx, owner: int, name: str) -> bytes | None:
    """The value, or None where there is none."""
    value = await tx.value("SELECT value FROM document WHERE owner = ? AND name = ?", owner, name)
    return None if value is None else bytes(value)


async def put(tx: Tx, owner: int, name: str, value: bytes) -> int:
    """Sets the value; the document's new modseq, which begins at 1."""
    modseq = await tx.value(
        "INSERT INTO document (owner, name, value, modseq) VALUES (?, ?, ?, 1)"
        " ON CONFLICT (owner, name) DO UPDATE SET value = excluded.value, modseq = document.modseq + 1"
        " RETURNING modseq",
        owner,
        name,
        value,
    )
    return int(modseq)


async def delete(tx: Tx, owner: int, name: str) -> bool:
    """Whether there was one."""
    return await tx.execute("DELETE FROM document WHERE owner = ? AND name = ?", owner, name) > 0


async def names(tx: Tx, owner: int, prefix: str) -> list[str]:
    """The names that begin with `prefix`, in order."""
    rows = await tx.rows(
        "SELECT name FROM document WHERE owner = ? AND name >= ? AND name < ? ORDER BY name",
        owner,
        prefix,
        prefix + "\U0010ffff",
    )
    return [row[0] for row in rows]
