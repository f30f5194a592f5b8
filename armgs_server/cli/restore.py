# SPDX-License-Identifier: Apache-2.0
"""`armgs restore`: a workplace from a backup, one file or a folder with generations. Everything is unpacked
beside its place and verified against the manifest first; only then, by renaming, does it take the place. What
was there before is kept beside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import socket
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from armgs_server.cli import backup_bodies as bodies
from armgs_server.cli import backup_database as database
from armgs_server.cli.backup import BLOBS, DATABASE, FORMAT, MANIFEST, TLS, sync
from armgs_server.cli.backup_bodies import Throttle
from armgs_server.cli.backup_folder import PLACES, Folder, sync_tree
from armgs_server.cli.output import Bar, print_record, remark
from armgs_server.cli.times import MOMENT, local
from armgs_server.cli.workplace import FILE_NAME, json_option, note_made
from armgs_server.config import Config, load
from armgs_server.errors import AlreadyExists, Conflict, DomainError, Invalid, NotFound, Temporary
from armgs_server.storage.blob_objects import Objects

CHUNK = 1024 * 1024
UNPACKED = ".unpacked"
MANIFEST_LIMIT = 512 * 1024 * 1024
_NAME = "[A-Za-z0-9_-][A-Za-z0-9_.-]*"
_PLACE = re.compile(rf"{_NAME}/{_NAME}/{_NAME}")
_MEMBER = re.compile(
    rf"{FILE_NAME}|{MANIFEST}|{TLS}/{_NAME}|{BLOBS}/{_NAME}/{_NAME}/{_NAME}"
    rf"|{DATABASE}/{_NAME}|{DATABASE}/{database.TABLES}/{_NAME}"
)


@click.command()
@click.argument("file", metavar="OUT", type=click.Path(path_type=Path))
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--at", type=MOMENT, help="From a folder: the last backup made before this moment. Default: the newest."
)
@click.option(
    "--replace", is_flag=True, help="Take the place of a workplace that is there; it is kept beside it."
)
@json_option
def restore(file: Path, directory: Path, at: datetime | None, replace: bool, as_json: bool) -> None:
    """Restores the backup OUT into DIRECTORY. Verifies all of it before anything is replaced."""
    is_folder = Folder.is_one(file)
    if not is_folder and not file.is_file():
        raise NotFound(f"{file} is no backup")
    if at is not None and not is_folder:
        raise click.UsageError("--at chooses from a folder of backups; a file is of one moment")
    directory = directory.absolute()
    occupied = directory.exists() and any(directory.iterdir())
    if occupied and not replace:
        raise AlreadyExists(f"{directory} is not empty; --replace takes its place and keeps it beside")
    if occupied and (directory / FILE_NAME).is_file():
        _check_stopped(load(directory / FILE_NAME))
    directory.parent.mkdir(parents=True, exist_ok=True)
    # An empty folder is filled: whoever owns it may own nothing beside it.
    is_filled = directory.exists() and not occupied
    beside = directory if is_filled else directory.parent
    new = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=beside))
    try:
        if is_folder:
            manifest = unpack_generation(Folder(file), local(at), new / UNPACKED)
        else:
            manifest = unpack(file, new / UNPACKED)
        arrange(new / UNPACKED, new, directory, manifest)
        before = None
        if is_filled:
            _fill(new, directory)
        else:
            before = _take_place(new, directory, occupied)
    except OSError as error:
        raise Temporary(f"{error.filename or directory}: {error.strerror}") from error
    finally:
        if new.exists():
            shutil.rmtree(new)
    _note(directory)
    record = {
        "directory": str(directory),
        "backup_of": manifest["created"],
        "members": len(manifest["members"]),
    }
    if before is not None:
        record["before"] = str(before)
    print_record(as_json, record)


def _note(directory: Path) -> None:
    """What was restored says so in its journal of acts."""
    try:
        asyncio.run(note_made(load(directory / FILE_NAME)))
    except DomainError as error:  # it is restored all the same
        remark(f"not in the journal of acts: {error}")


def unpack(file: Path, target: Path) -> dict[str, Any]:
    """Unpacks into `target`, checking each member's hash; the manifest. Invalid names what is damaged."""
    hashes: dict[str, str] = {}
    manifest: dict[str, Any] | None = None
    try:
        with tarfile.open(file, "r|") as tar, Bar("Unpacking and verifying") as bar:
            for member in tar:
                if not member.isfile() or not _MEMBER.fullmatch(member.name) or member.name in hashes:
                    raise Invalid(f"{file}: unexpected member {member.name!r}")
                source = tar.extractfile(member)
                assert source is not None, "a regular file can be read"
                if member.name == MANIFEST:
                    manifest = json.loads(source.read(MANIFEST_LIMIT))
                else:
                    hashes[member.name] = _extract(source, target / member.name)
                bar.advance()
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise Invalid(f"{file} is damaged: {error}") from error
    if manifest is None:
        raise Invalid(f"{file} is not whole: it has no manifest")
    if manifest.get("format") != FORMAT:
        raise Invalid(f"{file} has format {manifest.get('format')}; this version reads {FORMAT}")
    expected = {name: member["sha256"] for name, member in manifest["members"].items()}
    for name in expected.keys() | hashes.keys():
        if expected.get(name) != hashes.get(name):
            raise Invalid(f"{file}: {name} is not what was backed up")
    return manifest


def unpack_generation(folder: Folder, moment: datetime | None, target: Path) -> dict[str, Any]:
    """Copies the generation of a moment, checking each hash on the way; its manifest. Invalid."""
    with folder.locked(exclusive=False):
        generation = folder.at(moment)
        for name, member in generation.manifest["members"].items():
            if not _MEMBER.fullmatch(name) and name != PLACES:
                raise Invalid(f"{generation.path}: unexpected file {name!r}")
            if not (generation.path / name).is_file():
                raise Invalid(f"{generation.path}: {name} is missing")
            with (generation.path / name).open("rb") as source:
                if _extract(source, target / name) != member["sha256"]:
                    raise Invalid(f"{generation.path}: {name} is not what was backed up")
        places = [place for place, _ in generation.places()]
        if strange := next((place for place in places if not _PLACE.fullmatch(place)), None):
            raise Invalid(f"{generation.path}: unexpected body {strange!r}")
        copied = bodies.copy("Copying large bodies", places, folder.blobs, target / BLOBS, Throttle(0))
        if copied.damaged:
            raise Invalid(f"{folder.blobs / copied.damaged[0]} is missing or damaged")
        (target / PLACES).unlink()
        return generation.manifest


def arrange(unpacked: Path, new: Path, directory: Path, manifest: dict[str, Any]) -> None:
    """Moves what was unpacked to where its configuration says, and checks the database. `new` is what becomes
    `directory`; data that the configuration keeps elsewhere go there last, when all else is in order."""
    (unpacked / FILE_NAME).rename(new / FILE_NAME)
    config = load(new / FILE_NAME)
    inside = _inside(new, directory, config.data_dir)
    if inside is None and _is_occupied(config.data_dir):
        raise AlreadyExists(
            f"the configuration keeps data in {config.data_dir}, which is not empty: move it away"
        )
    data_dir = inside or unpacked / "data"
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (unpacked / BLOBS).is_dir():
        (unpacked / BLOBS).rename(data_dir / BLOBS)
    _arrange_tls(unpacked, new, directory, config)
    if manifest["store"] == "sqlite":
        copy = unpacked / DATABASE / database.SQLITE_FILE
        database.verify_sqlite(copy)
        for place in database.places_sqlite(copy):
            if not _is_there(config, data_dir, place):
                raise Invalid(f"neither the backup nor the bucket has the body {place}")
        database.renew_validity_sqlite(copy)
        copy.rename(data_dir / database.SQLITE_FILE)
    else:
        tables = unpacked / DATABASE / database.TABLES
        asyncio.run(database.restore_postgresql(config.store.url, tables, manifest["columns"], data_dir))
    if inside is None:
        _move_out(data_dir, config.data_dir)
    shutil.rmtree(unpacked)


def _is_there(config: Config, data_dir: Path, place: str) -> bool:
    if not config.store.blobs:
        return (data_dir / BLOBS / place).is_file()
    try:
        return len(Objects(config.store.blobs).read(place, 0, 1)) == 1
    except NotFound:
        return False


def _extract(source: Any, target: Path) -> str:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _arrange_tls(unpacked: Path, new: Path, directory: Path, config: Config) -> None:
    """Certificates and keys that lay in the workplace's folder; others are their owner's business."""
    settings = (config.tls.certificate, config.tls.key, config.tls.ca)
    places = [config.path(value) for value in settings if value]
    if config.tls.ca:
        places.append(config.path(config.tls.ca).with_suffix(".key"))
    for target in dict.fromkeys(_inside(new, directory, place) for place in places):
        if target is not None and (source := unpacked / TLS / target.name).is_file():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            source.rename(target)


def _inside(new: Path, directory: Path, path: Path) -> Path | None:
    """Where a path of the configuration lies in the folder being made; None where it lies elsewhere."""
    for folder in (new, directory):
        if path.resolve().is_relative_to(folder.resolve()):
            return new / path.resolve().relative_to(folder.resolve())
    return None


def _is_occupied(path: Path) -> bool:
    return path.is_dir() and any(each.name != "lost+found" for each in path.iterdir())


def _move_out(data: Path, target: Path) -> None:
    """Moves data to an empty folder, maybe of another disk: all of them, or none."""
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    moved = [target / path.name for path in data.iterdir()]
    try:
        for path in moved:
            shutil.move(data / path.name, path)
        for path in moved:
            sync_tree(path)
        sync(target)
    except BaseException:
        for path in moved:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        raise


def _take_place(new: Path, directory: Path, occupied: bool) -> Path | None:
    """Renames the new folder into place; where the old one is now, if there was one."""
    new.chmod(0o755)
    before = None
    if occupied:
        before = directory.with_name(f"{directory.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        directory.rename(before)
    new.rename(directory)
    return before


def _fill(new: Path, directory: Path) -> None:
    """Takes place in an empty folder; the configuration comes last: with it there is a workplace."""
    for path in sorted(new.iterdir(), key=lambda path: path.name == FILE_NAME):
        path.rename(directory / path.name)
    new.rmdir()


def _check_stopped(config: Config) -> None:
    """Conflict while something answers on the workplace's IMAP port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        if probe.connect_ex(("127.0.0.1", config.port(143))) == 0:
            raise Conflict(f"something serves port {config.port(143)}: stop the daemon first")
