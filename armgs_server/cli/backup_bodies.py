# SPDX-License-Identifier: Apache-2.0
"""Copies large bodies between a store and a folder of backups, each checked against the hash in its name.

A body is written under another name, made durable and renamed, so what has its name is whole. Some are copied
at a time, so that one's hash is reckoned while the disk takes another. The pages of both files are given back
at once: a backup does not push the daemon's own files out of memory.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from armgs_server.cli.backup import sync
from armgs_server.cli.output import Bar
from armgs_server.storage.blob_files import digest_of

CHUNK = 1024 * 1024
AT_A_TIME = 8  # small ones wait for the disk nearly all of their time, and wait together
BATCH = 1000  # bodies handed to the threads before their results are looked at
PART = ".part"


class Throttle:
    """Lets so many bytes pass in a second, for all threads together; 0 = as many as there are."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._free = time.monotonic()  # when all that has passed is paid for
        self._lock = threading.Lock()

    def delay(self, size: int) -> float:
        """Counts bytes; how many seconds whoever has moved them has to wait."""
        if not self._rate:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._free = max(self._free, now) + size / self._rate
            return self._free - now

    def spend(self, size: int) -> None:
        if self._rate:
            time.sleep(self.delay(size))


@dataclass(slots=True)
class Copied:
    """What was done."""

    bodies: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)  # missing, or not what the name says


def copy(text: str, places: Iterable[str], source: Path, target: Path, throttle: Throttle) -> Copied:
    """Copies bodies from one folder to another. Durable, names included, when it returns."""

    def one(place: str) -> tuple[str, int | None]:
        return place, _copy(place, source / place, target / place, throttle)

    copied = Copied()
    folders: set[str] = set()
    rest = iter(places)
    with ThreadPoolExecutor(AT_A_TIME) as pool, Bar(text) as bar:
        while batch := list(islice(rest, BATCH)):
            for place, size in pool.map(one, batch):
                bar.advance()
                if size is None:
                    copied.damaged.append(place)
                else:
                    copied.bodies += 1
                    copied.bytes += size
                    folders.add(place.rpartition("/")[0])
        # Each waits for the journal of the file system; those that wait together are written together.
        list(pool.map(sync, _with_parents(target, folders)))
    return copied


def _with_parents(target: Path, folders: Iterable[str]) -> set[Path]:
    """The folders in which names were made, up to the target itself."""
    return {path for folder in folders for path in islice((target / folder / "_").parents, 3)}


def is_sound(path: Path, place: str) -> bool:
    """Whether a body is there and is what its name says."""
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    except FileNotFoundError:
        return False
    return digest.digest() == digest_of(place)


def _copy(place: str, source: Path, target: Path, throttle: Throttle) -> int | None:
    """The bytes copied; None where they are missing or others than the name says.

    Small bodies are many: what is done for each of them is as few system calls as it can be.
    """
    digest, size = hashlib.sha256(), 0
    part = f"{target}.{secrets.token_hex(8)}{PART}"
    try:
        read = os.open(source, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        write = _create(part)
        try:
            while chunk := os.read(read, CHUNK):
                digest.update(chunk)
                _write_all(write, chunk)
                size += len(chunk)
                throttle.spend(len(chunk))
            if digest.digest() == digest_of(place):
                os.fdatasync(write)
                os.rename(part, target)
                os.posix_fadvise(write, 0, 0, os.POSIX_FADV_DONTNEED)
                return size
        except BaseException:
            os.unlink(part)
            raise
        finally:
            os.close(write)
        os.unlink(part)
        return None
    finally:
        os.posix_fadvise(read, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(read)


def _create(part: str) -> int:
    """The folder is nearly always there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(part, flags, 0o600)
    except FileNotFoundError:
        Path(part).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(part, flags, 0o600)


def _write_all(handle: int, chunk: bytes) -> None:
    done = os.write(handle, chunk)
    while done < len(chunk):
        done += os.write(handle, memoryview(chunk)[done:])
