# SPDX-License-Identifier: Apache-2.0
"""What log-ins are checked against, as it lies in the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from armgs_server.directory import people
from armgs_server.directory.passwords import ARGON2
from armgs_server.directory.people import Credential
from armgs_server.storage import Store
from armgs_server.storage.tx import Row, Tx

_NO_SECOND_FACTOR: Final = (
    " AND NOT EXISTS (SELECT 1 FROM second_factor s WHERE s.principal = c.principal AND s.confirmed > 0)"
    " AND NOT EXISTS (SELECT 1 FROM webauthn_credential w WHERE w.principal = c.principal)"
)


async def of(store: Store, person: int, kind: str, *, is_guarded: bool) -> list[Row]:
    """Rows (name, value, last_used). Whoever asks for nobody asks the store too: the time must not tell.

    With `is_guarded` the password of who has a second factor is none: it alone would be one factor again.
    """
    return await store.read(
        lambda tx: tx.rows(
            "SELECT name, value, last_used FROM credential c WHERE principal = ? AND kind = ?"
            + (_NO_SECOND_FACTOR if is_guarded else ""),
            person,
            kind,
        )
    )


async def renew(store: Store, person: int, credentials: Sequence[Credential], before: str) -> None:
    """A right password hashed anew under today's settings, unless it was changed meanwhile."""

    async def work(tx: Tx) -> None:
        created = await tx.value(
            "SELECT created FROM credential WHERE principal = ? AND kind = ? AND value = ?",
            person,
            ARGON2,
            before,
        )
        if created is not None:
            await people.put_credentials(tx, person, credentials, created=created)

    await store.write(work)
