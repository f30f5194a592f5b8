# SPDX-License-Identifier: Apache-2.0
"""`armgs backup add`: one more generation in a folder of backups, made while the daemon runs.

Large bodies that the folder has already are not read again; the database is copied whole each time.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from armgs_server import __version__
from armgs_server.cli import backup_bodies as bodies
from armgs_server.cli import backup_database as database
from armgs_server.cli.backup import BLOBS, DATABASE, TLS, staging, tls_files
from armgs_server.cli.backup_bodies import Copied, Throttle
from armgs_server.cli.backup_folder import GENERATION_FORMAT, PLACES, Folder, Generation
from armgs_server.cli.backup_keep import Rule, kept
from armgs_server.cli.workplace import FILE_NAME
from armgs_server.config import Config


@dataclass(frozen=True, slots=True)
class Added:
    """What came of it."""

    generation: str
    copied: Copied
    removed: int  # generations


def add(config: Config, settings: Path, folder: Folder, rules: Sequence[Rule], rate: int) -> Added:
    """Adds a generation, then removes what the rules do not keep. Conflict while another command writes."""
    folder.prepare()
    with folder.locked(exclusive=True):
        folder.sweep()
        created = datetime.now(UTC)
        throttle = Throttle(rate)
        with folder.unfinished(created) as part:
            copied, manifest = _take(config, part, folder, throttle)
            manifest["created"] = created.isoformat(timespec="seconds")
            manifest["domains"] = list(config.server.domains)
            shutil.copyfile(settings, part / FILE_NAME)
            for path in tls_files(config):
                (part / TLS).mkdir(mode=0o700, exist_ok=True)
                shutil.copyfile(path, part / TLS / path.name)
            manifest["damaged"] = copied.damaged
            manifest["members"] = members(part)
            Generation(part, created).seal(manifest)
        # Of what the store has lost an earlier generation may have the last copy.
        removed = 0 if copied.damaged else prune(folder, rules)
        return Added(folder.generations()[-1].path.name, copied, removed)


def prune(folder: Folder, rules: Sequence[Rule]) -> int:
    """Removes the generations that no rule keeps, and the bodies nobody needs then; how many generations."""
    generations = folder.generations()
    stay = kept((each.created for each in generations), rules)
    gone = [each for each in generations if each.created not in stay]
    for generation in gone:
        folder.remove(generation)
    folder.sweep_blobs()
    return len(gone)


def members(path: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file below a path, by its name there."""
    found = {}
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        found[str(file.relative_to(path))] = {"size": file.stat().st_size, "sha256": digest}
    return found


def _take(config: Config, part: Path, folder: Folder, throttle: Throttle) -> tuple[Copied, dict[str, Any]]:
    """The database as it is at one moment, then the bodies it names that the folder lacks."""
    manifest: dict[str, Any] = {"format": GENERATION_FORMAT, "version": __version__}
    target = part / DATABASE
    target.mkdir(mode=0o700)
    if database.is_sqlite(config.store.url):
        copy = target / database.SQLITE_FILE
        database.snapshot_sqlite(config.data_dir / database.SQLITE_FILE, copy, throttle)
        manifest["store"], manifest["counts"] = "sqlite", database.counts_sqlite(copy)
        places = list(database.sized_places_sqlite(copy))
    else:
        snapshot = asyncio.run(
            database.snapshot_postgresql(config.store.url, target / database.TABLES, throttle)
        )
        manifest["store"], manifest["counts"] = "postgresql", snapshot.counts
        manifest["columns"], places = snapshot.columns, snapshot.places
    if config.store.blobs:
        places = []  # they stay in their bucket
    (part / PLACES).write_text("".join(f"{place}\t{size}\n" for place, size in places), "ascii")
    lacking = [place for place, size in places if not _has(folder.blobs / place, size)]
    with staging(config.data_dir) as links:
        linked = _link(lacking, config.data_dir / BLOBS, links)
        copied = bodies.copy("Copying large bodies", linked, links, folder.blobs, throttle)
    copied.damaged += sorted(set(lacking) - set(linked))
    return copied, manifest


def _link(places: Sequence[str], source: Path, links: Path) -> list[str]:
    """Holds the bodies by links of our own, since the daemon removes theirs when nobody needs them any more;
    those that were there."""
    linked = []
    for place in places:
        link = links / place
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / place, link)
        except FileNotFoundError:
            continue
        linked.append(place)
    return linked


def _has(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False
