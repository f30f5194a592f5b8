# SPDX-License-Identifier: Apache-2.0
"""The programs that a person chats with (XEP-0388 §2.3), as rows; each with at most two tokens (XEP-0484).

Functions of one transaction. A device is known by a hash of the id that the program has made up for itself,
keyed by the store's secret and different for each person: the id is not kept, and somebody else's is of no
use. A token stands in the slot `new` until it is used, then in `current`, where the one before is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from armgs_server.directory.model import TOPIC_KICK_DEVICE
from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

SLOTS: Final = ("new", "current")
_ANY: Final = (1 << 63) - 1  # above every count
SEEN_STEP: Final = clock.HOUR  # how exactly it is kept when a device was last seen


@dataclass(frozen=True, slots=True)
class Device:
    """One program on one machine; `software` and `name` are what it says of itself."""

    id: str
    software: str = ""
    name: str = ""
    created: int = 0
    last_seen: int = 0
    password: int = 0  # when it last logged in with the account's password
    app: str = ""  # the app password it last logged in with


@dataclass(frozen=True, slots=True)
class Token:
    """What stands in one slot of a device."""

    slot: str
    mechanism: str
    seed: bytes
    created: int
    expires: int
    count: int


_DEVICE = "id, software, name, created, last_seen, password, app"
_TOKEN = "slot, mechanism, seed, created, expires, count"


async def find(tx: Tx, principal: int, id_: str) -> Device | None:
    """The device, if the person has it."""
    row = await tx.row(f"SELECT {_DEVICE} FROM device WHERE principal = ? AND id = ?", principal, id_)
    return None if row is None else Device(*row)


async def known(tx: Tx, principal: int, since: int) -> list[Device]:
    """Those that were seen since then, the last one first."""
    rows = await tx.rows(
        f"SELECT {_DEVICE} FROM device WHERE principal = ? AND last_seen >= ? ORDER BY last_seen DESC, id",
        principal,
        since,
    )
    return [Device(*row) for row in rows]


async def put(tx: Tx, principal: int, device: Device, *, limit: int, since: int) -> None:
    """Adds a device or changes it; those unseen since then, and those above the limit, are forgotten."""
    await tx.execute(
        f"INSERT INTO device (principal, {_DEVICE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (principal, id) DO UPDATE SET software = excluded.software, name = excluded.name,"
        " last_seen = excluded.last_seen, password = excluded.password, app = excluded.app",
        principal,
        device.id,
        device.software,
        device.name,
        device.created,
        device.last_seen,
        device.password,
        device.app,
    )
    rows = await tx.rows(
        "SELECT id, last_seen FROM device WHERE principal = ? ORDER BY last_seen DESC, id", principal
    )
    for number, (id_, last_seen) in enumerate(rows):
        if id_ != device.id and (number >= limit or last_seen < since):
            await remove(tx, principal, id_)


async def remove(tx: Tx, principal: int, id_: str) -> bool:
    """Forgets a device and its tokens; its sessions end everywhere. False where there was none."""
    await revoke(tx, principal, id_)
    count = await tx.execute("DELETE FROM device WHERE principal = ? AND id = ?", principal, id_)
    tx.publish(TOPIC_KICK_DEVICE, f"{principal} {id_}".encode())
    return count > 0


async def tokens(tx: Tx, principal: int, id_: str) -> list[Token]:
    """The tokens of a device, the one not used yet first."""
    rows = await tx.rows(
        f"SELECT {_TOKEN} FROM token WHERE principal = ? AND device = ? ORDER BY slot DESC", principal, id_
    )
    return [Token(slot, mechanism, bytes(seed), *rest) for slot, mechanism, seed, *rest in rows]


async def with_tokens(tx: Tx, principal: int) -> set[str]:
    """The ids of the person's devices that could log in with a token now."""
    rows = await tx.rows(
        "SELECT device FROM token WHERE principal = ? AND expires > ?", principal, clock.now()
    )
    return {id_ for (id_,) in rows}


async def use(tx: Tx, principal: int, id_: str, token: Token, count: int | None) -> bool:
    """XEP-0484 §3.5: a token was used, so it is the current one; False where the count is used already."""
    if not await tx.execute(
        "UPDATE token SET count = ? WHERE principal = ? AND device = ? AND slot = ? AND seed = ?"
        " AND count < ?",
        token.count if count is None else count,
        principal,
        id_,
        token.slot,
        token.seed,
        _ANY if count is None else count,
    ):
        return False
    if token.slot == "new":
        await tx.execute(
            "DELETE FROM token WHERE principal = ? AND device = ? AND slot = 'current'", principal, id_
        )
        await tx.execute(
            "UPDATE token SET slot = 'current' WHERE principal = ? AND device = ? AND slot = 'new'",
            principal,
            id_,
        )
    return True


async def give(tx: Tx, principal: int, id_: str, token: Token) -> None:
    """XEP-0484 §3.5: a token that was given out and never used makes room."""
    await tx.execute(
        f"INSERT INTO token (principal, device, {_TOKEN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (principal, device, slot) DO UPDATE SET mechanism = excluded.mechanism,"
        " seed = excluded.seed, created = excluded.created, expires = excluded.expires, count = 0",
        principal,
        id_,
        token.slot,
        token.mechanism,
        token.seed,
        token.created,
        token.expires,
        token.count,
    )


async def revoke(tx: Tx, principal: int, id_: str) -> None:
    """XEP-0484 §3.6: no token of the device is good any more."""
    await tx.execute("DELETE FROM token WHERE principal = ? AND device = ?", principal, id_)


async def revoke_of(tx: Tx, principal: int, app: str) -> None:
    """No token is good of any device that last logged in by this app password, or by this grant of OAuth."""
    await tx.execute(
        "DELETE FROM token WHERE principal = ? AND device IN"
        " (SELECT id FROM device WHERE principal = ? AND app = ?)",
        principal,
        principal,
        app,
    )
