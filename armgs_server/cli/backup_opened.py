# SPDX-License-Identifier: Apache-2.0
"""A generation of a backup as a workplace that can be looked into: in a folder of its own, on SQLite whatever
engine it came from, so that nothing has to be installed or configured for it. Bodies are read where they lie.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import apsw

from armgs_server.cli import backup_database as database
from armgs_server.cli.backup import BLOBS, DATABASE, working_folder
from armgs_server.cli.backup_copy_format import integer, rows
from armgs_server.cli.backup_folder import Folder, Generation
from armgs_server.cli.workplace import FILE_NAME, Workplace, opened
from armgs_server.config import load
from armgs_server.errors import Conflict, Invalid
from armgs_server.storage import Store

SCRATCH = ".opened-"
OTHER_VERSION = "the backup was made by another version; open it with that one"


@asynccontextmanager
async def open_generation(
    folder: Folder, generation: Generation, scratch: Path | None = None
) -> AsyncIterator[Workplace]:
    """The workplace as it was. What is done in it is forgotten with its end."""
    with working_folder(scratch or folder.path, SCRATCH) as place:
        data_dir = place / "data"
        data_dir.mkdir()
        (data_dir / BLOBS).symlink_to(folder.blobs.absolute(), target_is_directory=True)
        source = generation.path / DATABASE
        if generation.manifest["store"] == "sqlite":
            copy = partial(shutil.copyfile, source / database.SQLITE_FILE, data_dir / database.SQLITE_FILE)
            await asyncio.to_thread(copy)
        else:
            await (await Store.open("sqlite", data_dir)).close()  # makes the schema
            fill = partial(fill_sqlite, source / database.TABLES, generation.manifest["columns"])
            await asyncio.to_thread(fill, data_dir / database.SQLITE_FILE)
        config = load(generation.path / FILE_NAME)
        server = replace(config.server, data_dir=str(data_dir.absolute()))
        config = replace(config, server=server, store=replace(config.store, url="sqlite"))
        async with opened(config) as workplace:
            yield workplace


def fill_sqlite(tables: Path, columns: Mapping[str, Sequence[str]], target: Path) -> None:
    """Puts tables copied from PostgreSQL into a database that has the schema. Conflict, Invalid."""
    connection = apsw.Connection(str(target))
    try:
        types = _types(connection)
        if {table: set(names) for table, names in columns.items()} != {
            table: set(named) for table, named in types.items()
        }:
            raise Conflict(OTHER_VERSION)
        connection.execute("PRAGMA synchronous = OFF").fetchall()  # it is thrown away after a crash
        with connection:
            for table, names in columns.items():
                connection.execute(f"DELETE FROM {table}").fetchall()
                places = ", ".join("?" * len(names))
                kinds = [types[table][name] for name in names]
                connection.executemany(
                    f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})",
                    _values(tables / table, kinds),
                ).fetchall()
    finally:
        connection.close()


def _types(connection: apsw.Connection) -> dict[str, dict[str, str]]:
    """The type of every column, by table."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(
        "SELECT m.name, c.name, c.type FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c"
        " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ):
        found.setdefault(table, {})[column] = kind
    return found


def _values(path: Path, kinds: Sequence[str]) -> Iterator[tuple[int | str | bytes | None, ...]]:
    for row in rows(path):
        if len(row) != len(kinds):
            raise Invalid(f"{path.name} has a row of {len(row)} fields instead of {len(kinds)}")
        yield tuple(_value(field, kind) for field, kind in zip(row, kinds, strict=True))


def _value(field: bytes | None, kind: str) -> int | str | bytes | None:
    if field is None or kind == "BLOB":
        return field
    if kind == "INTEGER":
        return integer(field)
    try:
        return field.decode()
    except UnicodeDecodeError as error:
        raise Invalid("a text is not UTF-8") from error
