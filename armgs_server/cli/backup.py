# SPDX-License-Identifier: Apache-2.0
"""`armgs backup file`: everything of a workplace in one tar file, made while the daemon runs.

    armgs.toml                 the configuration
    tls/…                      certificates and keys
    database/store.db          the database at one moment (or database/tables/… from PostgreSQL)
    blobs/…                    bytes above the inline limit, as they lie in the store
    manifest.json              size and SHA-256 of every member, last

A blob's file is collected an hour after its last reference went, so all files the snapshot names are still
there while they are linked into the backup's own folder, right after it. Bodies kept in S3 stay there: the
bucket has its own versions and copies, and a restore checks that it holds what the database names.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import click

from armgs_server import __version__
from armgs_server.cli import backup_database as database
from armgs_server.cli.output import Bar, print_record
from armgs_server.cli.workplace import FILE_NAME, config_file, json_option, load_config
from armgs_server.config import Config
from armgs_server.errors import AlreadyExists, Temporary

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database"
BLOBS = "blobs"
TLS = "tls"
LEFT_BEHIND = 60.0  # seconds: a folder without a lock that is younger is about to get one


@click.command("file")
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@json_option
def backup_file(directory: Path, out: Path, as_json: bool) -> None:
    """Writes the workplace in DIRECTORY into the tar file OUT; the daemon may run."""
    config = load_config(directory)
    if out.exists():
        raise AlreadyExists(f"{out} exists already")
    part = out.with_name(f"{out.name}.part")
    try:
        manifest = write(config, config_file(directory), part)
        part.replace(out)
        sync(out.parent)
    except OSError as error:
        raise Temporary(f"{out}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    record = {"file": str(out), "bytes": out.stat().st_size, "members": len(manifest["members"])}
    print_record(as_json, record)


def write(config: Config, settings: Path, out: Path) -> dict[str, Any]:
    """Writes the archive; its manifest."""
    with staging(config.data_dir) as links:
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "version": __version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "domains": list(config.server.domains),
            "store": "sqlite" if database.is_sqlite(config.store.url) else "postgresql",
        }
        members = list(_snapshot(config, links, manifest))
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # it holds keys and mail
        with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
            writer = _Writer(tar)
            writer.add(FILE_NAME, settings)
            for path in tls_files(config):
                writer.add(f"{TLS}/{path.name}", path)
            with Bar("Writing", len(members)) as bar:
                for name, path in members:
                    writer.add(name, path)
                    bar.advance()
            manifest["members"] = writer.members
            writer.add_bytes(MANIFEST, json.dumps(manifest, indent=1).encode())
            tar.close()
            file.flush()
            os.fsync(file.fileno())
        return manifest


@dataclass(slots=True)
class _Writer:
    """Adds members and notes what each one is."""

    tar: tarfile.TarFile
    members: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            hashed = _Hashing(file)
            self.tar.addfile(_info(name, size), hashed)
        self.members[name] = {"size": size, "sha256": hashed.digest.hexdigest()}

    def add_bytes(self, name: str, data: bytes) -> None:
        self.tar.addfile(_info(name, len(data)), BytesIO(data))


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    info.mtime = int(datetime.now(UTC).timestamp())
    return info


def _snapshot(config: Config, links: Path, manifest: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    """Takes the snapshot, then the files it names; their names in the archive."""
    places: list[str]
    if database.is_sqlite(config.store.url):
        copy = links / database.SQLITE_FILE
        database.snapshot_sqlite(config.data_dir / database.SQLITE_FILE, copy)
        places = list(database.places_sqlite(copy))
        tables = [(f"{DATABASE}/{database.SQLITE_FILE}", copy)]
    else:
        folder = links / database.TABLES
        snapshot = database.snapshot_postgresql(config.store.url, folder)
        taken = asyncio.run(snapshot)
        manifest["columns"], places = taken.columns, [place for place, _ in taken.places]
        tables = [(f"{DATABASE}/{database.TABLES}/{path.name}", path) for path in sorted(folder.iterdir())]
    if config.store.blobs:
        places = []  # they stay in their bucket
    linked = []
    for number, place in enumerate(places):
        link = links / f"blob-{number}"
        os.link(config.data_dir / BLOBS / place, link)
        linked.append((f"{BLOBS}/{place}", link))
    yield from tables
    yield from linked


def tls_files(config: Config) -> list[Path]:
    """The configured files, and the CA's key beside its certificate."""
    settings = (config.tls.certificate, config.tls.key, config.tls.ca)
    named = [config.path(value) for value in settings if value]
    if config.tls.ca:
        named.append(config.path(config.tls.ca).with_suffix(".key"))
    return [path for path in dict.fromkeys(named) if path.is_file()]


def staging(data_dir: Path) -> AbstractContextManager[Path]:
    """A folder on the store's own file system, so that blobs can be linked instead of copied."""
    return working_folder(data_dir, "backup-")


@contextmanager
def working_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder for as long as a command needs it. Those that killed commands have left are taken away first:
    nobody holds the lock on them."""
    for left in parent.glob(f"{prefix}*"):
        try:
            _sweep(left)
        except FileNotFoundError:
            continue  # its command has just ended, or another one sweeps
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    with _lock(path):
        try:
            yield path
        finally:
            shutil.rmtree(path)


def _sweep(left: Path) -> None:
    if time.time() - left.stat().st_mtime > LEFT_BEHIND:
        with _lock(left) as is_ours:
            if is_ours:
                shutil.rmtree(left)


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Whether nobody else has the folder."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def sync(path: Path) -> None:
    """Makes a file durable, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
