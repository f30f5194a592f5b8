# SPDX-License-Identifier: Apache-2.0
"""Chat sessions that processes beside each other have: who is connected where, and what of it others may see.

Only written where several processes serve one store. A process keeps itself in the table by `beat`; when
its time is over its sessions count as gone, and whoever sweeps it first gets them to tell others.
A session's row belongs to one process: `update` and `remove` touch it only while that is so. Whatever changes
rows tells it on the bus, with the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from armgs_server.storage import clock, leases
from armgs_server.storage.tx import Row, Tx

# Who remembers rows hears here of whom to read anew: addresses by line.
TOPIC = "sessions"
_PAGE = 500  # addresses in one query
_COLUMNS = "s.owner, s.address, s.resource, s.number, s.process, s.priority, s.presence, d.value"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """`presence` is None while the session is not available; `blocked` is the owner's block list."""

    owner: int
    address: str
    resource: str
    number: int
    process: str
    priority: int
    presence: bytes | None
    blocked: bytes
    since: int = 0  # its client has acknowledged what was sent earlier; of sessions whose process died


@dataclass(frozen=True, slots=True)
class SessionPlace:
    """Where a session is; `is_alive`: its process is."""

    process: str
    address: str
    resource: str
    is_alive: bool


def tell(tx: Tx, addresses: Iterable[str]) -> None:
    """What `of` finds of those people changes with this transaction."""
    changed = "\n".join(addresses)
    if changed:
        tx.publish(TOPIC, changed.encode())


async def beat(tx: Tx, process: str, lifetime: int) -> bool:
    """Keeps the process for `lifetime` more; False when it was not there: never, or swept meanwhile."""
    expires = clock.now() + lifetime
    if await tx.execute("UPDATE process SET expires = ? WHERE id = ?", expires, process):
        return True
    await tx.execute("INSERT INTO process (id, expires) VALUES (?, ?)", process, expires)
    return False


async def is_alive(tx: Tx, process: str) -> bool:
    """Whether the process serves; another's word is believed until its time is over."""
    found = await tx.value("SELECT 1 FROM process WHERE id = ? AND expires > ?", process, clock.now())
    return found is not None


async def note_unacknowledged(tx: Tx, process: str, since: Sequence[tuple[int, int, int]]) -> None:
    """(owner, number, time): what was sent to the session earlier is acknowledged; 0: all, at each beat."""
    await tx.executemany(
        "UPDATE session SET since = ? WHERE owner = ? AND number = ? AND process = ?",
        [(time, owner, number, process) for owner, number, time in since],
    )


async def sweep(tx: Tx, lifetime: int, dead: Collection[str] = ()) -> list[SessionRow]:
    """Removes processes whose time is over, and those known to be dead; the sessions they had.

    Their leases may be taken at once. A beat is good for `lifetime`.
    """
    found: list[SessionRow] = []
    places = "".join(", ?" * len(dead))
    ended = await tx.rows(
        f"SELECT id, expires FROM process WHERE expires <= ? OR id IN (''{places})", clock.now(), *dead
    )
    for process, expires in ended:
        rows = await forget(tx, process)
        await leases.release_all(tx, process)
        found += [replace(row, since=row.since or _last_look(expires, lifetime)) for row in rows]
    return found


async def forget(tx: Tx, process: str) -> list[SessionRow]:
    """Removes one process and its sessions, which it returns."""
    if not await tx.execute("DELETE FROM process WHERE id = ?", process):
        return []  # another was faster
    rows = await tx.rows(
        "DELETE FROM session WHERE process = ?"
        " RETURNING owner, address, resource, number, process, priority, presence, since",
        process,
    )
    tell(tx, {address for _, address, *_ in rows})
    return [replace(_from_row((*row[:-1], None)), since=row[-1]) for row in rows]


async def held(tx: Tx, owner: int, resource: str, lifetime: int) -> SessionRow | None:
    """The session that has the resource; `since` as `sweep` tells it."""
    row = await tx.row(
        "SELECT s.owner, s.address, s.resource, s.number, s.process, s.priority, s.presence, s.since,"
        " COALESCE(p.expires, 0) FROM session s LEFT JOIN process p ON p.id = s.process"
        " WHERE s.owner = ? AND s.resource = ?",
        owner,
        resource,
    )
    if row is None:
        return None
    *columns, since, expires = row
    return replace(_from_row((*columns, None)), since=since or _last_look(expires, lifetime))


async def claim(tx: Tx, row: SessionRow) -> str:
    """Makes the resource this session's; the process that had it before, or ''."""
    former = await tx.value(
        "INSERT INTO session (owner, resource, address, number, process, former, priority, presence)"
        " VALUES (?, ?, ?, ?, ?, '', ?, ?) ON CONFLICT (owner, resource) DO UPDATE SET"
        " former = session.process, process = excluded.process, number = excluded.number, since = 0,"
        " address = excluded.address, priority = excluded.priority, presence = excluded.presence"
        " RETURNING former",
        row.owner,
        row.resource,
        row.address,
        row.number,
        row.process,
        row.priority,
        row.presence,
    )
    tell(tx, [row.address])
    return str(former)


async def restore(tx: Tx, row: SessionRow) -> bool:
    """Writes a swept session again; False when another has the resource by now."""
    number = await tx.value(
        "INSERT INTO session (owner, resource, address, number, process, former, priority, presence)"
        " VALUES (?, ?, ?, ?, ?, '', ?, ?) ON CONFLICT (owner, resource) DO NOTHING RETURNING number",
        row.owner,
        row.resource,
        row.address,
        row.number,
        row.process,
        row.priority,
        row.presence,
    )
    tell(tx, [row.address])
    return number is not None


async def update(tx: Tx, row: SessionRow) -> None:
    """What others see of the session."""
    await tx.execute(
        "UPDATE session SET priority = ?, presence = ?"
        " WHERE owner = ? AND resource = ? AND number = ? AND process = ?",
        row.priority,
        row.presence,
        row.owner,
        row.resource,
        row.number,
        row.process,
    )
    tell(tx, [row.address])


async def remove(tx: Tx, rows: Sequence[SessionRow]) -> None:
    """The sessions have ended."""
    await tx.executemany(
        "DELETE FROM session WHERE owner = ? AND resource = ? AND number = ? AND process = ?",
        [(row.owner, row.resource, row.number, row.process) for row in rows],
    )
    tell(tx, {row.address for row in rows})


async def adopt(tx: Tx, row: SessionRow) -> bool:
    """A process goes on with a session; False when the resource is a newer session's by now."""
    number = await tx.value(
        "INSERT INTO session (owner, resource, address, number, process, former, priority, presence)"
        " VALUES (?, ?, ?, ?, ?, '', ?, ?) ON CONFLICT (owner, resource) DO UPDATE"
        " SET process = excluded.process WHERE session.number = excluded.number RETURNING number",
        row.owner,
        row.resource,
        row.address,
        row.number,
        row.process,
        row.priority,
        row.presence,
    )
    tell(tx, [row.address])
    return number is not None


async def place(tx: Tx, owner: int, number: int) -> SessionPlace | None:
    """Where one session is, by its number."""
    row = await tx.row(
        "SELECT s.process, s.address, s.resource, COALESCE(p.expires, 0) FROM session s"
        " LEFT JOIN process p ON p.id = s.process WHERE s.owner = ? AND s.number = ?",
        owner,
        number,
    )
    if row is None:
        return None
    process, address, resource, expires = row
    return SessionPlace(process, address, resource, expires > clock.now())


async def others(tx: Tx, process: str) -> list[str]:
    """The processes beside that one that live."""
    rows = await tx.rows("SELECT id FROM process WHERE id <> ? AND expires > ?", process, clock.now())
    return [id_ for (id_,) in rows]


async def of(tx: Tx, addresses: Sequence[str], blocklist: str) -> list[SessionRow]:
    """Every session of those people in a process that lives; `blocklist` is a document's name."""
    found: list[SessionRow] = []
    for start in range(0, len(addresses), _PAGE):
        page = addresses[start : start + _PAGE]
        rows = await tx.rows(
            f"SELECT {_COLUMNS} FROM session s JOIN process p ON p.id = s.process"
            " LEFT JOIN document d ON d.owner = s.owner AND d.name = ?"
            f" WHERE s.address IN ({', '.join('?' * len(page))}) AND p.expires > ?"
            " ORDER BY s.address, s.resource",
            blocklist,
            *page,
            clock.now(),
        )
        found += [_from_row(row) for row in rows]
    return found


def _last_look(expires: int, lifetime: int) -> int:
    """The last beat but one, of three in a lifetime: what no note is about was acknowledged by then."""
    return expires - lifetime - lifetime // 3


def _from_row(row: Row) -> SessionRow:
    owner, address, resource, number, process, priority, presence, blocked = row
    return SessionRow(
        owner,
        address,
        resource,
        number,
        process,
        priority,
        None if presence is None else bytes(presence),
        bytes(blocked or b""),
    )
