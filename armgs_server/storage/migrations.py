# SPDX-License-Identifier: Apache-2.0
"""Schema versions. `schema.sql` is the newest one; MIGRATIONS leads every older one to it, append-only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from armgs_server.errors import Conflict
from armgs_server.storage.tx import Engine, Tx

# Entry n leads version n + 1 to n + 2. Never edited once released.
MIGRATIONS: Sequence[Sequence[str]] = ()
VERSION = 1 + len(MIGRATIONS)


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
    """A table of the schema: its columns in order, and those of its primary key."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]


def tables() -> list[Table]:
    """Every table of `schema.sql`, read from its text: the form is ours, a line for each column."""
    found = []
    for statement in schema():
        match = re.match(r"CREATE TABLE IF NOT EXISTS (\w+) \((.*)\)", statement, re.DOTALL)
        if match is None:
            continue
        lines = [line.strip() for line in match[2].strip().splitlines()]
        columns = [line.split()[0] for line in lines if line and not line.startswith("PRIMARY KEY")]
        whole = re.search(r"^\s*PRIMARY KEY \(([^)]*)\)", match[2], re.MULTILINE)
        if whole is not None:
            key = [column.strip() for column in whole[1].split(",")]
        else:
            key = [line.split()[0] for line in lines if "PRIMARY KEY" in line]
        found.append(Table(match[1], tuple(columns), tuple(key)))
    return found


async def prepare(engine: Engine) -> None:
    """Makes the schema, or brings an older one up to date. Conflict when it is newer than this program."""
    await engine.script(
        ["CREATE TABLE IF NOT EXISTS meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)"]
    )

    async def version(tx: Tx) -> int | None:
        found = await tx.value("SELECT value FROM meta WHERE name = 'schema'")
        return None if found is None else int(found)

    found = await engine.read(version)
    if found == VERSION:
        return
    if found is not None and found > VERSION:
        raise Conflict(f"the store's schema {found} is newer than this program's {VERSION}")
    if found is None:
        todo = schema()
    else:
        todo = [statement for step in MIGRATIONS[found - 1 :] for statement in step]
    note = (
        f"INSERT INTO meta (name, value) VALUES ('schema', '{VERSION}')"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )
    await engine.script([*todo, note])
