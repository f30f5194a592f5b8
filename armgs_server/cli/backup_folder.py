# SPDX-License-Identifier: Apache-2.0
"""A folder with generations of backups.

    blobs/ab/cd/abcd…-…              large bodies, once each, for all generations
    generations/20261122T021500.000000Z/
        armgs.toml, tls/…, database/…
        blobs.tsv                    place and size of each body that this generation needs
        manifest.json                counts of the database; size and SHA-256 of every file
        manifest.sha256              of the manifest, last

A generation is written under another name and renamed when it is whole and durable: what has a name is whole.
One command writes into the folder at a time; what an interrupted one has left the next one takes away.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from armgs_server.cli.backup import BLOBS, MANIFEST, sync
from armgs_server.errors import Conflict, Invalid, NotFound

GENERATION_FORMAT = 2  # 1 is the single file
GENERATIONS = "generations"
PLACES = "blobs.tsv"
SEAL = "manifest.sha256"
_NAME = "%Y%m%dT%H%M%S.%fZ"
_UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class Generation:
    """One backup that is whole."""

    path: Path
    created: datetime

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Invalid where it cannot be read or is of another format."""
        file = self.path / MANIFEST
        try:
            data = file.read_bytes()
            seal = (self.path / SEAL).read_text("ascii")
            manifest = json.loads(data)
        except (OSError, ValueError) as error:
            raise Invalid(f"{file} is damaged: {error}") from error
        if seal.strip() != hashlib.sha256(data).hexdigest():
            raise Invalid(f"{file} is damaged")
        if not isinstance(manifest, dict) or manifest.get("format") != GENERATION_FORMAT:
            raise Invalid(f"{file} is of another format; this version reads {GENERATION_FORMAT}")
        return manifest

    def places(self) -> Iterator[tuple[str, int]]:
        """Where the bodies lie that it needs, and their sizes."""
        with (self.path / PLACES).open(encoding="ascii") as lines:
            for line in lines:
                place, _, size = line.rstrip("\n").partition("\t")
                yield place, int(size)

    def seal(self, manifest: dict[str, Any]) -> None:
        """Writes the manifest."""
        data = json.dumps(manifest, indent=1).encode()
        (self.path / MANIFEST).write_bytes(data)
        (self.path / SEAL).write_text(f"{hashlib.sha256(data).hexdigest()}\n", "ascii")


class Folder:
    """The folder; `is_one` tells whether a path is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blobs = path / BLOBS
        self._generations = path / GENERATIONS

    @classmethod
    def existing(cls, path: Path) -> Folder:
        """NotFound where there is none."""
        if not cls.is_one(path):
            raise NotFound(f"{path} holds no backups: `armgs backup add` makes them")
        return cls(path)

    @staticmethod
    def is_one(path: Path) -> bool:
        return (path / GENERATIONS).is_dir()

    def prepare(self) -> None:
        """Makes the folder; Conflict where it has something else in it. Its files are for its owner alone."""
        if self.path.is_dir() and not self.is_one(self.path):
            strange = [each.name for each in self.path.iterdir() if each.name not in (BLOBS, "lost+found")]
            if strange:
                raise Conflict(f"{self.path} is neither empty nor a folder of backups: it has {strange[0]}")
        for path in (self.path, self.blobs, self._generations):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def generations(self) -> list[Generation]:
        """All that are whole, the oldest first."""
        found = []
        for path in self._generations.iterdir():
            if not path.name.startswith("."):
                try:
                    created = datetime.strptime(path.name, _NAME).replace(tzinfo=UTC)
                except ValueError as error:
                    raise Invalid(f"{path} is no generation of a backup") from error
                found.append(Generation(path, created))
        return sorted(found, key=lambda generation: generation.created)

    def at(self, moment: datetime | None) -> Generation:
        """The newest one, or the last that is not younger than the moment; NotFound."""
        found = self.generations()
        if not found:
            raise NotFound(f"{self.path} has no whole backup")
        fitting = [each for each in found if moment is None or each.created <= moment]
        if not fitting:
            oldest = f"{found[0].created:%Y-%m-%dT%H:%M:%SZ}"
            raise NotFound(f"{self.path} has no backup of that time or before; the oldest is of {oldest}")
        return fitting[-1]

    @contextmanager
    def locked(self, *, exclusive: bool) -> Iterator[None]:
        """One writes, or many read; Conflict where it is the other's turn."""
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Conflict(f"another command works on {self.path}") from error
            yield
        finally:
            os.close(handle)

    @contextmanager
    def unfinished(self, created: datetime) -> Iterator[Path]:
        """Where a generation is written; with its end it is there, after an error it has never been."""
        name = created.strftime(_NAME)
        path = self._generations / f"{_UNFINISHED}{name}"
        path.mkdir(mode=0o700)
        try:
            yield path
            sync_tree(path)
            path.rename(self._generations / name)
            sync(self._generations)
        finally:
            if path.exists():
                shutil.rmtree(path)

    def sweep(self) -> None:
        """Takes away generations that have not become whole, or were being removed."""
        for path in self._generations.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(path)

    def remove(self, generation: Generation) -> None:
        """Takes it away as a whole: it loses its name first."""
        gone = generation.path.with_name(f"{_UNFINISHED}{generation.path.name}")
        generation.path.rename(gone)
        shutil.rmtree(gone)

    def sweep_blobs(self) -> int:
        """Removes the bodies that no generation names; how many."""
        named = {place for generation in self.generations() for place, _ in generation.places()}
        removed = 0
        for path in self.blobs.glob("??/??/*"):
            if str(path.relative_to(self.blobs)) not in named:
                path.unlink()
                removed += 1
        return removed


def sync_tree(path: Path) -> None:
    """Makes a file durable, or a folder with every file and folder below it."""
    for folder, _, files in os.walk(path):
        for file in files:
            sync(Path(folder, file))
        sync(Path(folder))
    if path.is_file():
        sync(path)
