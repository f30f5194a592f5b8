# SPDX-License-Identifier: Apache-2.0
"""What people let programs do by OAuth 2.0 (RFC 6749), and with what the programs show it: the rows.

A code, an access token and a refresh token are rows of one kind: 256 random bits, of which only the SHA-256
is kept, under the principal that the text itself names. A spent code or refresh token stays a while as such,
so that its second use is seen. Functions of one transaction.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from armgs_server.storage.tx import Tx

Kind: TypeAlias = Literal["code", "access", "refresh"]

SECRET_SIZE: Final = 32
GRANT_SIZE: Final = 12
TEXT_LIMIT: Final = 200  # characters of a token; ours have about 50
UNSPENT_KEPT: Final = 10  # of one grant; a program has one, or some if it refreshes at several places at once
SPENT_KEPT: Final = 20  # spent refresh tokens of one grant: an older one is merely unknown


@dataclass(frozen=True, slots=True)
class Grant:
    """One program that a person has agreed to. `expires`: unless it refreshes its token before."""

    principal: int
    id: str
    client: bytes
    name: str
    scope: str
    created: int
    last_used: int
    expires: int


@dataclass(frozen=True, slots=True)
class Token:
    """One row; `data` is JSON, of a code alone."""

    principal: int
    hash: bytes
    grant_id: str
    kind: Kind
    scope: str
    data: str
    created: int
    expires: int
    spent: int


@dataclass(frozen=True, slots=True)
class Client:
    """A program or service entered by an administrator; an empty `secret` is of a public one."""

    id: str
    name: str
    secret: bytes
    redirects: tuple[str, ...]
    created: int

    def __repr__(self) -> str:
        """Nothing secret: this may get into a log."""
        return f"Client({self.id})"


_GRANT = "principal, id, client, name, scope, created, last_used, expires"
_TOKEN = "principal, hash, grant_id, kind, scope, data, created, expires, spent"


def new_text(principal: int) -> str:
    """A new code or token. Of the form b64token (RFC 6750 §2.1)."""
    return f"{principal:x}.{secrets.token_urlsafe(SECRET_SIZE)}"


def principal_of(text: str) -> int | None:
    """Whose it says it is; None where it has not the form of ours."""
    number, dot, secret = text.partition(".")
    if not dot or not secret or len(text) > TEXT_LIMIT or not text.isascii() or not 0 < len(number) <= 15:
        return None
    return int(number, 16) if all(digit in "0123456789abcdef" for digit in number) else None


def hash_of(text: str) -> bytes:
    """What is kept of a text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


# Grants


async def add_grant(tx: Tx, grant: Grant, *, limit: int, now: int) -> None:
    """A new one; those that are over, and those above the limit unused for longest, go."""
    rows = await tx.rows(
        "SELECT id, expires FROM oauth_grant WHERE principal = ? ORDER BY last_used DESC, created DESC, id",
        grant.principal,
    )
    alive = [id_ for id_, expires in rows if expires > now]
    kept = set(alive[: limit - 1])
    for id_, _ in rows:
        if id_ not in kept:
            await remove_grant(tx, grant.principal, id_)
    await tx.execute(
        f"INSERT INTO oauth_grant ({_GRANT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        grant.principal,
        grant.id,
        grant.client,
        grant.name,
        grant.scope,
        grant.created,
        grant.last_used,
        grant.expires,
    )


async def grant(tx: Tx, principal: int, id_: str) -> Grant | None:
    """The grant, over or not."""
    row = await tx.row(f"SELECT {_GRANT} FROM oauth_grant WHERE principal = ? AND id = ?", principal, id_)
    return None if row is None else Grant(row[0], row[1], bytes(row[2]), *row[3:])


async def grants(tx: Tx, principal: int, now: int) -> list[Grant]:
    """Those that have been used and are not over, the last used first."""
    rows = await tx.rows(
        f"SELECT {_GRANT} FROM oauth_grant WHERE principal = ? AND last_used > 0 AND expires > ?"
        " ORDER BY last_used DESC, id",
        principal,
        now,
    )
    return [Grant(row[0], row[1], bytes(row[2]), *row[3:]) for row in rows]


async def use_grant(tx: Tx, principal: int, id_: str, now: int, expires: int = 0) -> bool:
    """It was used now; `expires` puts its end off. False where it has ended."""
    count = await tx.execute(
        "UPDATE oauth_grant SET last_used = ?, expires = CASE WHEN expires > ? THEN expires ELSE ? END"
        " WHERE principal = ? AND id = ?",
        now,
        expires,
        expires,
        principal,
        id_,
    )
    return count > 0


async def remove_grant(tx: Tx, principal: int, id_: str) -> bool:
    """The grant and all its tokens; False where there was none."""
    # The grant first: this waits for whoever gives out tokens by use_grant(), and then finds them.
    count = await tx.execute("DELETE FROM oauth_grant WHERE principal = ? AND id = ?", principal, id_)
    await tx.execute("DELETE FROM oauth_token WHERE principal = ? AND grant_id = ?", principal, id_)
    return count > 0


# Codes and tokens


async def add_token(tx: Tx, token: Token) -> None:
    """A new one."""
    await tx.execute(
        f"INSERT INTO oauth_token ({_TOKEN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        token.principal,
        token.hash,
        token.grant_id,
        token.kind,
        token.scope,
        token.data,
        token.created,
        token.expires,
        token.spent,
    )


async def token(tx: Tx, text: str) -> Token | None:
    """The row of a text, over and spent or not."""
    principal = principal_of(text)
    if principal is None:
        return None
    row = await tx.row(
        f"SELECT {_TOKEN} FROM oauth_token WHERE principal = ? AND hash = ?", principal, hash_of(text)
    )
    return None if row is None else Token(row[0], bytes(row[1]), *row[2:])


async def spend(tx: Tx, token: Token, now: int) -> bool:
    """It is used now; False where it was before: whoever shows it then is not the only one who has it."""
    sql = "UPDATE oauth_token SET spent = ? WHERE principal = ? AND hash = ? AND spent = 0"
    return await tx.execute(sql, now, token.principal, token.hash) > 0


async def remove_token(tx: Tx, token: Token) -> None:
    """One alone."""
    await tx.execute("DELETE FROM oauth_token WHERE principal = ? AND hash = ?", token.principal, token.hash)


async def tidy(tx: Tx, principal: int, grant_id: str, *, now: int, access_tokens: int) -> None:
    """Forgets what is over of a person, and what is too many of a grant, the oldest first."""
    await tx.execute("DELETE FROM oauth_token WHERE principal = ? AND expires <= ?", principal, now)
    for condition, limit in (
        ("kind = 'access'", access_tokens),
        ("kind = 'refresh' AND spent = 0", UNSPENT_KEPT),
        ("kind = 'refresh' AND spent > 0", SPENT_KEPT),
    ):
        rows = await tx.rows(
            f"SELECT hash FROM oauth_token WHERE principal = ? AND grant_id = ? AND {condition}"
            " ORDER BY created DESC, hash",
            principal,
            grant_id,
        )
        for (old,) in rows[limit:]:
            await tx.execute("DELETE FROM oauth_token WHERE principal = ? AND hash = ?", principal, old)


# Clients


async def put_client(tx: Tx, client: Client) -> None:
    """Enters a client; one of the same identifier is replaced."""
    await tx.execute(
        "INSERT INTO oauth_client (id, name, secret, redirects, created) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name, secret = excluded.secret,"
        " redirects = excluded.redirects",
        client.id,
        client.name,
        client.secret,
        " ".join(client.redirects),
        client.created,
    )


async def client(tx: Tx, id_: str) -> Client | None:
    """The client that was entered under this identifier."""
    row = await tx.row("SELECT id, name, secret, redirects, created FROM oauth_client WHERE id = ?", id_)
    return None if row is None else _client(*row)


async def clients(tx: Tx) -> list[Client]:
    """All that were entered."""
    rows = await tx.rows("SELECT id, name, secret, redirects, created FROM oauth_client ORDER BY id")
    return [_client(*row) for row in rows]


async def remove_client(tx: Tx, id_: str) -> bool:
    """False where there is none. What people have granted it is void: it cannot refresh any more."""
    return await tx.execute("DELETE FROM oauth_client WHERE id = ?", id_) > 0


def _client(id_: str, name: str, secret: bytes, redirects: str, created: int) -> Client:
    return Client(id_, name, bytes(secret), tuple(redirects.split()), created)
