# SPDX-License-Identifier: Apache-2.0
"""Copying a whole store to another engine: table by table, in the order of keys, resumable, verified.

Nobody may write to either store meanwhile. How far each table has come is kept in the target; a copy that
was cut off goes on from there. Bodies above the inline limit are read, checked against their hash and
stored anew, so that files become objects or the other way round.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from armgs_server.errors import Conflict, Temporary
from armgs_server.storage import Store
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.migrations import INSTALLATION, Table, tables
from armgs_server.storage.tx import Row, Tx

PAGE = 500
MARK = "copied:"
# The target's own notes, what only a running daemon needs, and `archive_end`, which follows from the archive.
LEFT_OUT = ("archive_end", "hint", "lease", "process", "session", "parked", "ended_session", "room_seats")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """What is the same on both sides: rows of a table, and the hash over them."""

    table: str
    rows: int
    hash: str


async def copy(source: Store, target: Store, progress: Progress = lambda table, done, total: None) -> None:
    """Copies everything. Conflict when the target holds a store of its own already."""
    await _check_target(target)
    for table in _tables():
        total = await source.read(lambda tx, table=table: _count(tx, table))  # type: ignore[misc]
        mark, done = await target.read(lambda tx, table=table: _mark(tx, table))  # type: ignore[misc]
        while True:
            rows = await source.read(
                lambda tx, table=table, mark=mark: _page(tx, table, mark)  # type: ignore[misc]
            )
            if not rows:
                break
            mark = _key(table, rows[-1])
            done += len(rows)
            if table.name == "blob":
                rows = [await _with_bytes(source, target, table, row) for row in rows]
            await target.write(
                lambda tx, table=table, rows=rows, mark=mark, done=done: _put(  # type: ignore[misc]
                    tx, table, rows, mark, done
                )
            )
            progress(table.name, done, total)


async def verify(source: Store, target: Store) -> list[Verified]:
    """Counts and hashes of every table on both sides; Conflict names the first that differs."""
    found = []
    for table in _tables():
        ours, theirs = await _digest(source, table), await _digest(target, table)
        if ours != theirs:
            raise Conflict(f"{table.name}: {ours.rows} rows {ours.hash}, copied {theirs.rows} {theirs.hash}")
        found.append(ours)
    return found


async def forget_marks(target: Store) -> None:
    """Takes the notes of a finished copy away: from now on the target is a store like any other."""
    await target.write(_finish)
    await target.analyse()


async def _finish(tx: Tx) -> None:
    await tx.execute(f"DELETE FROM meta WHERE name LIKE '{MARK}%'")
    await tx.execute(
        "INSERT INTO archive_end (owner, last) SELECT owner, MAX(id) FROM archive GROUP BY owner"
    )


def _tables() -> list[Table]:
    return [table for table in tables() if table.name not in LEFT_OUT]


async def _check_target(target: Store) -> None:
    """An empty store, or one that a copy was begun in."""
    marks = await target.read(lambda tx: tx.value(f"SELECT COUNT(*) FROM meta WHERE name LIKE '{MARK}%'"))
    accounts = await target.read(lambda tx: tx.value("SELECT COUNT(*) FROM account"))
    if accounts and not marks:
        raise Conflict("the target is not empty")


async def _count(tx: Tx, table: Table) -> int:
    return int(await tx.value(f"SELECT COUNT(*) FROM {table.name} WHERE {_ours(table)}"))


def _ours(table: Table) -> str:
    """Of `meta`, all but the notes of a copy and what names the store itself."""
    return f"name NOT LIKE '{MARK}%' AND name <> '{INSTALLATION}'" if table.name == "meta" else "1 = 1"


async def _mark(tx: Tx, table: Table) -> tuple[list[Any] | None, int]:
    text = await tx.value("SELECT value FROM meta WHERE name = ?", MARK + table.name)
    if text is None:
        return None, 0
    mark = json.loads(text)
    return [bytes.fromhex(part["hex"]) if isinstance(part, dict) else part for part in mark["key"]], mark[
        "done"
    ]


async def _page(tx: Tx, table: Table, mark: list[Any] | None) -> list[Row]:
    columns, key = ", ".join(table.columns), ", ".join(table.key)
    after, arguments = "", []
    if mark is not None:
        after, arguments = f" AND ({key}) > ({', '.join('?' * len(mark))})", mark
    return await tx.rows(
        f"SELECT {columns} FROM {table.name} WHERE {_ours(table)}{after} ORDER BY {key} LIMIT {PAGE}",
        *arguments,
    )


def _key(table: Table, row: Row) -> list[Any]:
    return [row[table.columns.index(column)] for column in table.key]


async def _put(tx: Tx, table: Table, rows: list[Row], mark: list[Any], done: int) -> None:
    columns, places = ", ".join(table.columns), ", ".join("?" * len(table.columns))
    conflict = "DO NOTHING"
    if table.name == "meta":  # the target's own schema version is there already
        conflict = "(name) DO UPDATE SET value = excluded.value"
    await tx.executemany(
        f"INSERT INTO {table.name} ({columns}) VALUES ({places}) ON CONFLICT {conflict}", rows
    )
    plain = [{"hex": part.hex()} if isinstance(part, bytes) else part for part in mark]
    await tx.execute(
        "INSERT INTO meta (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        MARK + table.name,
        json.dumps({"key": plain, "done": done}),
    )


async def _with_bytes(source: Store, target: Store, table: Table, row: Row) -> Row:
    """A row of `blob` whose bytes, where they lie outside the database, now lie in the target's engine."""
    fields = dict(zip(table.columns, row, strict=True))
    if fields["place"] is None:
        return row
    writer = target.blobs.writer()
    async for chunk in source.blobs.stream(fields["hash"]):
        await writer.write(chunk)
    ref: BlobRef = await writer.finish()
    if ref.hash != fields["hash"]:
        raise Temporary(f"the bytes of {fields['hash'].hex()} are damaged")
    fields["data"], fields["place"] = ref.data, ref.place
    return tuple(fields[column] for column in table.columns)


async def _digest(store: Store, table: Table) -> Verified:
    """Over all rows in the order of their keys; where a blob lies is each side's own affair."""
    digest, count = hashlib.sha256(), 0
    hidden = [table.columns.index(name) for name in ("data", "place") if table.name == "blob"]
    mark: list[Any] | None = None
    while rows := await store.read(lambda tx, mark=mark: _page(tx, table, mark)):  # type: ignore[misc]
        for row in rows:
            shown = tuple(value for place, value in enumerate(row) if place not in hidden)
            digest.update(repr(shown).encode())
        count += len(rows)
        mark = _key(table, rows[-1])
    return Verified(table.name, count, digest.hexdigest()[:16])
