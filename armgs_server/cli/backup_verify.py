# SPDX-License-Identifier: Apache-2.0
"""`armgs backup verify`: is everything in a folder of backups what it was when it was written?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from armgs_server.cli import backup_bodies as bodies
from armgs_server.cli import backup_database as database
from armgs_server.cli.backup import DATABASE
from armgs_server.cli.backup_bodies import Throttle
from armgs_server.cli.backup_copy_format import rows
from armgs_server.cli.backup_folder import PLACES, Folder, Generation
from armgs_server.cli.output import Bar
from armgs_server.cli.workplace import FILE_NAME
from armgs_server.errors import Invalid

SHOWN = 5  # names in one finding


@dataclass(frozen=True, slots=True)
class Finding:
    generation: str  # "" for what belongs to several
    check: str
    status: Literal["ok", "problem"]
    detail: str


def verify(folder: Folder, generations: Sequence[Generation], rate: int) -> list[Finding]:
    """Examines the generations and every body that one of them names."""
    with folder.locked(exclusive=False):
        findings: list[Finding] = []
        whole = []
        for generation in generations:
            found = list(_generation(generation))
            findings += found
            if found[0].status == "ok":
                whole.append(generation)
        return [*findings, _bodies(folder, whole, Throttle(rate))]


def check_members(generation: Generation) -> None:
    """Invalid names the first file that is not what the manifest says, is missing or does not belong."""
    expected = generation.manifest["members"]
    for name in (FILE_NAME, PLACES):
        if name not in expected:
            raise Invalid(f"{name} is not in the manifest")
    for name, member in expected.items():
        if digest(generation.path / name) != member["sha256"]:
            raise Invalid(f"{name} is not what was backed up")


def digest(path: Path) -> str:
    """The SHA-256 of a file; "" where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def check_database(generation: Generation) -> int:
    """Opens the database and counts; how many rows it has. Invalid where they are not those of the moment."""
    manifest, folder = generation.manifest, generation.path / DATABASE
    if manifest["store"] == "sqlite":
        database.verify_sqlite(folder / database.SQLITE_FILE)
        counts = database.counts_sqlite(folder / database.SQLITE_FILE)
    else:
        tables = folder / database.TABLES
        counts = {table: sum(1 for _ in rows(tables / table)) for table in manifest["columns"]}
    check_counts(manifest["counts"], counts)
    return sum(counts.values())


def check_counts(expected: dict[str, int], found: dict[str, int]) -> None:
    for table in sorted(expected.keys() | found.keys()):
        if expected.get(table) != found.get(table):
            raise Invalid(f"table {table} has {found.get(table)} rows instead of {expected.get(table)}")


def _generation(generation: Generation) -> Iterator[Finding]:
    name = generation.path.name
    try:
        check_members(generation)
        yield Finding(name, "files", "ok", f"{len(generation.manifest['members'])} are what was backed up")
        yield Finding(name, "database", "ok", f"{check_database(generation)} rows")
    except (Invalid, OSError) as error:
        yield Finding(name, "files and database", "problem", str(error))
        return
    damaged = generation.manifest["damaged"]
    if damaged:
        yield Finding(name, "store", "problem", f"had lost when it was backed up: {_shown(damaged)}")


def _bodies(folder: Folder, generations: Sequence[Generation], throttle: Throttle) -> Finding:
    lost = {place for generation in generations for place in generation.manifest["damaged"]}
    named = {place: size for generation in generations for place, size in generation.places()}
    named = {place: size for place, size in named.items() if place not in lost}
    bad = list(unsound(folder, named.items(), throttle))
    if bad:
        return Finding("", "bodies", "problem", f"missing or damaged: {_shown(bad)}")
    return Finding("", "bodies", "ok", f"{len(named)}, {sum(named.values())} bytes")


def unsound(folder: Folder, places: Iterable[tuple[str, int]], throttle: Throttle) -> Iterator[str]:
    """Which bodies are missing or not what their name says."""

    def one(each: tuple[str, int]) -> tuple[str, bool]:
        place, size = each
        throttle.spend(size)
        return place, bodies.is_sound(folder.blobs / place, place)

    rest = iter(places)
    with ThreadPoolExecutor(bodies.AT_A_TIME) as pool, Bar("Reading large bodies") as bar:
        while batch := list(islice(rest, bodies.BATCH)):
            for place, sound in pool.map(one, batch):
                bar.advance()
                if not sound:
                    yield place


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
