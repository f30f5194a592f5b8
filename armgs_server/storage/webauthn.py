# SPDX-License-Identifier: Apache-2.0
"""Security keys and passkeys as rows (Web Authentication Level 3 §4, credential record), and the challenges
that were answered. Functions of one transaction."""

from __future__ import annotations

from typing import NamedTuple

from armgs_server.storage.tx import Tx

_COLUMNS = "principal, id, name, public_key, sign_count, backup_eligible, transports, created, last_used"


class Credential(NamedTuple):
    """One key of a person. `public_key`: COSE_Key; `transports`: by spaces; times in microseconds."""

    principal: int
    id: bytes
    name: str
    public_key: bytes
    sign_count: int
    backup_eligible: int
    transports: str
    created: int
    last_used: int  # 0: never


async def add(tx: Tx, credential: Credential) -> bool:
    """Whether it was new."""
    return (
        await tx.execute(
            f"INSERT INTO webauthn_credential ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (principal, id) DO NOTHING",
            *credential,
        )
        > 0
    )


async def of(tx: Tx, principal: int) -> list[Credential]:
    """All of a person, the oldest first."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM webauthn_credential WHERE principal = ? ORDER BY created, id", principal
    )
    return [_of_row(row) for row in rows]


async def find(tx: Tx, principal: int, id_: bytes) -> Credential | None:
    """A person's key by its credential id."""
    row = await tx.row(
        f"SELECT {_COLUMNS} FROM webauthn_credential WHERE principal = ? AND id = ?", principal, id_
    )
    return None if row is None else _of_row(row)


async def has_any(tx: Tx, principal: int) -> bool:
    """Whether the person has a key."""
    sql = "SELECT 1 FROM webauthn_credential WHERE principal = ? LIMIT 1"
    return await tx.row(sql, principal) is not None


async def note_use(tx: Tx, credential: Credential, sign_count: int, now: int) -> bool:
    """Level 3 §7.2, step 22: the counter must have gone up, unless the key has none; whether it has.

    What the row has now counts: another sign-in may have come in between.
    """
    return (
        await tx.execute(
            "UPDATE webauthn_credential SET sign_count = ?, last_used = ?"
            " WHERE principal = ? AND id = ? AND (sign_count < ? OR (sign_count = 0 AND ? = 0))",
            sign_count,
            now,
            credential.principal,
            credential.id,
            sign_count,
            sign_count,
        )
        > 0
    )


async def remove(tx: Tx, principal: int, id_: bytes) -> bool:
    """Whether there was such a key."""
    sql = "DELETE FROM webauthn_credential WHERE principal = ? AND id = ?"
    return await tx.execute(sql, principal, id_) > 0


async def remove_all(tx: Tx, principal: int) -> int:
    """How many there were."""
    return await tx.execute("DELETE FROM webauthn_credential WHERE principal = ?", principal)


async def spend(tx: Tx, principal: int, challenge: bytes, expires: int) -> bool:
    """Uses a challenge up; False where it was used before. `expires`: when it is over by its time."""
    return (
        await tx.execute(
            "INSERT INTO webauthn_spent (principal, challenge, expires) VALUES (?, ?, ?)"
            " ON CONFLICT (principal, challenge) DO NOTHING",
            principal,
            challenge,
            expires,
        )
        > 0
    )


async def expire(tx: Tx, now: int) -> int:
    """Forgets spent challenges that are over by their time anyway; how many."""
    return await tx.execute("DELETE FROM webauthn_spent WHERE expires <= ?", now)


def _of_row(row: tuple[object, ...]) -> Credential:
    principal, id_, name, public_key, *rest = row
    return Credential(principal, bytes(id_), name, bytes(public_key), *rest)  # type: ignore[arg-type, call-overload]
