# SPDX-License-Identifier: Apache-2.0
"""Tokens with which programs administer (the JSON API): rows only; what they are good for is the directory's.

Of the secret there is a keyed hash, so a copy of the store opens nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from armgs_server.storage.tx import Row, Tx

_COLUMNS = "id, name, hash, maker, actor, departments, scopes, created, expires, last_used, last_peer"


class ApiToken(NamedTuple):
    """One row. `maker`: the person it was made by, 0 for a command; `departments`: their numbers, None for
    all of them; `last_used` 0: never."""

    id: str
    name: str
    hash: bytes
    maker: int
    actor: str
    departments: frozenset[int] | None
    scopes: tuple[str, ...]
    created: int
    expires: int
    last_used: int = 0
    last_peer: str = ""


async def add(tx: Tx, token: ApiToken) -> None:
    """AlreadyExists."""
    numbers = "*" if token.departments is None else " ".join(map(str, sorted(token.departments)))
    await tx.execute(
        f"INSERT INTO api_token ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *token[:5],
        numbers,
        " ".join(token.scopes),
        *token[7:],
    )


async def get(tx: Tx, id_: str) -> ApiToken | None:
    """By its public part."""
    row = await tx.row(f"SELECT {_COLUMNS} FROM api_token WHERE id = ?", id_)
    return None if row is None else _token(row)


async def all_(tx: Tx) -> list[ApiToken]:
    """In the order of their names."""
    return list(map(_token, await tx.rows(f"SELECT {_COLUMNS} FROM api_token ORDER BY name, id")))


async def use(tx: Tx, id_: str, now: int, peer: str) -> None:
    """Notes that it was used, and from where."""
    await tx.execute("UPDATE api_token SET last_used = ?, last_peer = ? WHERE id = ?", now, peer, id_)


async def remove(tx: Tx, id_: str) -> bool:
    """Whether there was one."""
    return await tx.execute("DELETE FROM api_token WHERE id = ?", id_) > 0


async def sweep(tx: Tx, before: int) -> None:
    """Those that ended before that moment."""
    await tx.execute("DELETE FROM api_token WHERE expires < ?", before)


def _token(row: Row) -> ApiToken:
    id_, name, hash_, maker, actor, numbers, scopes, *rest = row
    departments = None if numbers == "*" else frozenset(map(int, numbers.split()))
    return ApiToken(id_, name, bytes(hash_), maker, actor, departments, tuple(scopes.split()), *rest)
