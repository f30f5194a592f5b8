# SPDX-License-Identifier: Apache-2.0
"""Schema versions. `schema.sql` is the newest one; MIGRATIONS leads every older one to it, append-only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from importlib import resources

from armgs_server.errors import Unusable
from armgs_server.storage.tx import Engine, Tx

# Entry n leads version n + 1 to n + 2: what people have is moved, by UPDATE, INSERT, DROP. Never edited once
# released. What is only new needs no statement: first the tables, columns and indexes that `schema.sql` has
# and the database has not are made (a new column of an old table has a DEFAULT), then the steps are run.
# Each entry has the data folder of before in tests/storage/data, and the suite upgrades it.
MIGRATIONS: Sequence[Sequence[str]] = ((),)
VERSION = 1 + len(MIGRATIONS)
# Name of the row of `meta`, and of the file or object beside the store, that say whose it is.
INSTALLATION = "installation"


def statements(script: str) -> list[str]:
    """The statements of a script without their comments; no literal of ours holds `--` or `;`."""
    bare = re.sub(r"--[^\n]*", "", script)
    return [statement.strip() for statement in bare.split(";") if statement.strip()]


def schema() -> list[str]:
    """The statements of `schema.sql`, each one harmless where the thing is there already."""
    text = resources.files("armgs_server.storage").joinpath("schema.sql").read_text("utf-8")
    return [
        re.sub(r"^CREATE (TABLE|INDEX|UNIQUE INDEX) ", r"CREATE \1 IF NOT EXISTS ", statement)
        for statement in statements(text)
    ]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the schema: its columns in order with what they are, and those of its primary key."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    definitions: tuple[str, ...]


def tables() -> list[Table]:
    """Every table of `schema.sql`, read from its text: the form is ours, a line for each column."""
    found = []
    for statement in schema():
        match = re.match(r"CREATE TABLE IF NOT EXISTS (\w+) \((.*)\)", statement, re.DOTALL)
        if match is None:
            continue
        lines = [line.strip() for line in match[2].strip().splitlines()]
        definitions = [line.rstrip(",") for line in lines if line and not line.startswith("PRIMARY KEY")]
        columns = [definition.split()[0] for definition in definitions]
        whole = re.search(r"^\s*PRIMARY KEY \(([^)]*)\)", match[2], re.MULTILINE)
        if whole is not None:
            key = [column.strip() for column in whole[1].split(",")]
        else:
            key = [line.split()[0] for line in lines if "PRIMARY KEY" in line]
        found.append(Table(match[1], tuple(columns), tuple(key), tuple(definitions)))
    return found


async def prepare(engine: Engine, installation: str = "") -> str:
    """Makes the schema in an empty database, or brings an older one up to date; the installation's id.

    Unusable, and nothing is changed, where the database belongs to something else, to a newer program, or
    to another installation than `installation`.
    """
    present = await engine.columns()
    if not present:
        if installation:
            raise Unusable(
                "the database is empty, but the data folder belongs to a store that is elsewhere. Correct"
                f" [store] url; to begin anew, remove the file {INSTALLATION} from the data folder."
            )
        await engine.script([*schema(), _note(VERSION), _installation()])
        return await _id_of(engine)
    _check_ours(present)
    version = await engine.read(_version)
    if version is None or version > VERSION:
        raise Unusable(
            f"the database was made by a newer version of this program (schema {version}, this program knows"
            f" {VERSION}). Start that version, or restore a backup of this one."
        )
    if version < VERSION:
        steps = [statement for step in MIGRATIONS[version - 1 :] for statement in step]
        await engine.script([*_new_columns(present), *schema(), *steps, _note(VERSION)])
    else:
        _check_complete(present)
    found = await _id_of(engine)
    if installation and found != installation:
        raise Unusable(
            "the database belongs to another installation than the data folder. Two installations need two"
            " databases: correct [store] url; if this is the right one, remove the file"
            f" {INSTALLATION} from the data folder."
        )
    return found


def _new_columns(present: Mapping[str, Set[str]]) -> list[str]:
    """What adds the columns that tables of an older schema have not."""
    return [
        f"ALTER TABLE {table.name} ADD COLUMN {definition}"
        for table in tables()
        if table.name in present
        for column, definition in zip(table.columns, table.definitions, strict=True)
        if column not in present[table.name]
    ]


def _note(version: int) -> str:
    return (
        f"INSERT INTO meta (name, value) VALUES ('schema', '{version}')"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )


def _installation() -> str:
    """A store's own name, drawn when it is made: data folders, buckets and replicas are known by it."""
    return (
        f"INSERT INTO meta (name, value) VALUES ('{INSTALLATION}', '{secrets.token_hex(8)}')"
        " ON CONFLICT (name) DO NOTHING"
    )


async def _version(tx: Tx) -> int | None:
    found = str(await tx.value("SELECT value FROM meta WHERE name = 'schema'"))
    return int(found) if found.isdecimal() else None


async def _id_of(engine: Engine) -> str:
    return str(
        await engine.read(lambda tx: tx.value(f"SELECT value FROM meta WHERE name = '{INSTALLATION}'"))
    )


def _check_ours(present: Mapping[str, Set[str]]) -> None:
    if present.get("meta", frozenset()) != {"name", "value"}:
        named = ", ".join(sorted(present)[:3])
        raise Unusable(
            f"the database holds tables of something else ({named}). Give this program a database of its own."
        )


def _check_complete(present: Mapping[str, Set[str]]) -> None:
    for table in tables():
        if not present.get(table.name, frozenset()) >= set(table.columns):
            raise Unusable(
                f"the database's table {table.name} is not the one of this version, or not there. The store"
                " was made by an unfinished version or damaged: restore a backup into an empty database."
            )
