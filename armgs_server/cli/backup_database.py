# SPDX-License-Identifier: Apache-2.0
"""The database's part of a backup, for each engine: one consistent snapshot while the daemon goes on.

SQLite: its own online backup, into a database file. PostgreSQL: every table by COPY (binary) within one
REPEATABLE READ transaction, so that no client program of the same version is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import apsw
import asyncpg

from armgs_server.cli.output import Bar
from armgs_server.cli.workplace import public_url
from armgs_server.errors import Conflict, Invalid, Temporary
from armgs_server.storage import Store, clock

SQLITE_FILE = "store.db"
TABLES = "tables"
PAGES = 2000  # copied between two moves of the progress bar
CONNECT_TIMEOUT = 30.0
_PLACES = "SELECT place, size FROM blob WHERE place IS NOT NULL AND refs > 0 ORDER BY place"
_BUMP = (
    "UPDATE collection SET uid_validity ="
    " CASE WHEN uid_validity >= {now} THEN uid_validity + 1 ELSE {now} END"
)


class Pace(Protocol):
    """Says how long to wait after so many bytes."""

    def delay(self, size: int) -> float: ...
    def spend(self, size: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was copied out of PostgreSQL."""

    columns: dict[str, list[str]]
    counts: dict[str, int]  # rows by table
    places: list[tuple[str, int]]  # of the blobs that are files, and their sizes


def is_sqlite(url: str) -> bool:
    return url == "sqlite"


def snapshot_sqlite(source: Path, target: Path, pace: Pace | None = None) -> None:
    """Copies the database as it is at one moment. Writers are not held up: the log keeps what is read."""
    if not source.exists():
        raise Conflict(f"{source} does not exist")
    reader = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READWRITE)
    writer = apsw.Connection(str(target))
    try:
        reader.execute("BEGIN").fetchall()
        reader.execute("SELECT COUNT(*) FROM sqlite_schema").fetchall()  # from here on the moment is fixed
        size = int(reader.pragma("page_size")) * PAGES
        with writer.backup("main", reader, "main") as copy, Bar("Copying the database") as bar:
            while not copy.done:
                copy.step(PAGES)
                bar.advance(PAGES)
                if pace is not None:
                    pace.spend(size)
        reader.execute("COMMIT").fetchall()
    except (apsw.FullError, apsw.IOError, apsw.BusyError) as error:
        raise Temporary(f"the database cannot be copied: {error}") from error
    finally:
        writer.close()
        reader.close()


def places_sqlite(database: Path) -> Iterator[str]:
    """Where the blobs lie that are files."""
    return (place for place, _ in sized_places_sqlite(database))


def sized_places_sqlite(database: Path) -> Iterator[tuple[str, int]]:
    """The same, with their sizes."""
    connection = _copied(database)
    try:
        yield from connection.execute(_PLACES)
    finally:
        connection.close()


def counts_sqlite(database: Path) -> dict[str, int]:
    """How many rows each table of a copy has."""
    connection = _copied(database)
    try:
        tables = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            " ORDER BY name"
        ).fetchall()
        names = [str(table) for (table,) in tables]
        return {name: connection.execute(f"SELECT COUNT(*) FROM {name}").get for name in names}
    finally:
        connection.close()


def _copied(database: Path) -> apsw.Connection:
    """A copy that nobody writes to: it is read as it is, and nothing is put beside it."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return apsw.Connection(f"file:{quote(str(database.absolute()))}?immutable=1", flags=flags)


def verify_sqlite(database: Path) -> None:
    """Invalid unless SQLite finds every page and index of the file in order."""
    try:
        connection = _copied(database)
        try:
            found = connection.execute("PRAGMA integrity_check(1)").fetchall()
        finally:
            connection.close()
    except apsw.Error as error:
        raise Invalid(f"the database in the backup is damaged: {error}") from error
    if found != [("ok",)]:
        raise Invalid(f"the database in the backup is damaged: {found[0][0]}")


def renew_validity_sqlite(database: Path) -> None:
    """Gives every collection a new UIDVALIDITY (see `renew_validity_postgresql`)."""
    connection = apsw.Connection(str(database))
    try:
        connection.execute(_BUMP.format(now=clock.now() // clock.SECOND)).fetchall()
    finally:
        connection.close()


async def snapshot_postgresql(url: str, directory: Path, pace: Pace | None = None) -> Snapshot:
    """Copies every table, each into a file of its name."""
    directory.mkdir()
    connection = await _connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            columns = await _columns(connection)
            counts: dict[str, int] = {}
            with Bar("Copying the database", len(columns)) as bar:
                for table, names in columns.items():
                    counts[table] = await _copy_out(connection, table, names, directory / table, pace)
                    bar.advance()
            rows = await connection.fetch(_PLACES)
            return Snapshot(columns, counts, [(row[0], row[1]) for row in rows])
    finally:
        await connection.close()


async def _copy_out(
    connection: asyncpg.Connection[Any], table: str, names: list[str], target: Path, pace: Pace | None
) -> int:
    """Writes one table to a file; how many rows it has."""
    with target.open("xb") as file:

        async def write(data: bytes) -> None:
            file.write(data)
            if pace is not None:
                await asyncio.sleep(pace.delay(len(data)))

        status = await connection.copy_from_table(table, output=write, columns=names, format="binary")
    return int(status.rpartition(" ")[2])  # "COPY 123"


async def restore_postgresql(
    url: str, directory: Path, columns: dict[str, list[str]], data_dir: Path
) -> None:
    """Fills an empty database. Conflict when there is something in it."""
    connection = await _connect(url)
    try:
        if await _columns(connection):
            raise Conflict(f"the database {public_url(url)} is not empty")
    finally:
        await connection.close()
    await (await Store.open(url, data_dir)).close()  # makes the schema
    connection = await _connect(url)
    try:
        if await _columns(connection) != columns:
            raise Conflict("the backup was made by another version; restore it with that one, then upgrade")
        async with connection.transaction():
            await connection.execute("DELETE FROM meta")
            with Bar("Restoring the database", len(columns)) as bar:
                for table, names in columns.items():
                    await connection.copy_to_table(
                        table, source=directory / table, columns=names, format="binary"
                    )
                    bar.advance()
            await renew_validity_postgresql(connection)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def renew_validity_postgresql(connection: asyncpg.Connection[Any]) -> None:
    """RFC 9051 §2.3.1.1: after going back in time uids would be given out again, for other messages; a new
    UIDVALIDITY (which DAV sync tokens hold as well) tells every client to read anew."""
    await connection.execute(_BUMP.format(now=clock.now() // clock.SECOND))


async def _connect(url: str) -> asyncpg.Connection[Any]:
    try:
        return await asyncpg.connect(url, timeout=CONNECT_TIMEOUT)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise Temporary(f"{public_url(url)} cannot be reached: {error}") from error


async def _columns(connection: asyncpg.Connection[Any]) -> dict[str, list[str]]:
    rows = await connection.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
    )
    found: dict[str, list[str]] = {}
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found
