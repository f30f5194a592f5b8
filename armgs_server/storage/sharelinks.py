# SPDX-License-Identifier: Apache-2.0
"""Links by which people without an account read a file of somebody here: the rows.

A link is to the file where it lies: new bytes under its name are what the link gives, and a file that is
deleted or moved has no link any more. Of the token only the hash is kept.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

_COLUMNS = "token, owner, collection, uid, creator, password, created, expires, downloads, last_used"


class Link(NamedTuple):
    """One link; `password` is a hash, "" where none is asked for."""

    token: bytes
    owner: int
    collection: int
    uid: int
    creator: int
    password: str
    created: int
    expires: int
    downloads: int
    last_used: int

    @property
    def id(self) -> str:
        """By which it is named to whoever may revoke it."""
        return self.token.hex()[:16]


class Listed(NamedTuple):
    """A link and the file behind it."""

    link: Link
    name: str
    size: int


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


async def add(tx: Tx, link: Link) -> None:
    """A new link; the owner's that are over are forgotten with it."""
    await tx.execute("DELETE FROM link WHERE owner = ? AND expires < ?", link.owner, clock.now())
    await tx.execute(f"INSERT INTO link ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *link)


async def find(tx: Tx, token: str) -> Link | None:
    """The link of a token, while it is good."""
    row = await tx.row(
        f"SELECT {_COLUMNS} FROM link WHERE token = ? AND expires >= ?", hash_of(token), clock.now()
    )
    return None if row is None else Link(*row)


async def note_use(tx: Tx, link: Link) -> None:
    """One more download."""
    await tx.execute(
        "UPDATE link SET downloads = downloads + 1, last_used = ? WHERE token = ?", clock.now(), link.token
    )


async def of_owner(tx: Tx, owner: int) -> list[Listed]:
    """The links to files of an owner that are good, the oldest first."""
    columns = ", ".join(f"l.{column}" for column in _COLUMNS.split(", "))
    rows = await tx.rows(
        f"SELECT {columns}, i.name, i.size FROM link l JOIN item i"
        " ON i.owner = l.owner AND i.collection = l.collection AND i.uid = l.uid"
        " WHERE l.owner = ? AND l.expires >= ? ORDER BY l.created, l.token",
        owner,
        clock.now(),
    )
    return [Listed(Link(*row[:-2]), row[-2], row[-1]) for row in rows]


async def owners(tx: Tx) -> list[int]:
    """Who has links."""
    return [row[0] for row in await tx.rows("SELECT DISTINCT owner FROM link ORDER BY owner")]


async def revoke(tx: Tx, owner: int, id_: str) -> bool:
    """Whether the owner had a link of that name."""
    for listed in await of_owner(tx, owner):
        if listed.link.id == id_:
            return await tx.execute("DELETE FROM link WHERE token = ?", listed.link.token) > 0
    return False
