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
AT_A_TIME = 4
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
    folders: set[Path] = set()
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
                    folders.update(islice((target / place).parents, 3))
    for folder in folders:
        sync(folder)
    return copied


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
    """The bytes copied; None where they are missing or others than the name says."""
    digest, size = hashlib.sha256(), 0
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_name(f"{secrets.token_hex(8)}{PART}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "wb", buffering=0) as out, source.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[out.write(view) :]
                size += len(chunk)
                throttle.spend(len(chunk))
            if digest.digest() != digest_of(place):
                return None
            os.fdatasync(out.fileno())
            for each in (file, out):
                os.posix_fadvise(each.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        part.rename(target)
        return size
    except FileNotFoundError:
        return None
    finally:
        part.unlink(missing_ok=True)
