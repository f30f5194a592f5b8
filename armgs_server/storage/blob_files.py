# SPDX-License-Identifier: Apache-2.0
"""Where bytes above the inline limit lie: the interface of a blob engine, and the one that uses files.

A place is a name that was never used before: two writers of the same bytes make two places, a row of
`blob` names one of them, and the other is swept. So removing a place can never hurt somebody who has
just stored the same bytes anew.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO, Protocol

from armgs_server.errors import NotFound


def new_place(digest: bytes) -> str:
    """A new place for bytes of that hash: `ab/cd/abcd…-random`."""
    name = digest.hex()
    return f"{name[:2]}/{name[2:4]}/{name}-{secrets.token_hex(8)}"


def digest_of(place: str) -> bytes:
    """The hash a place was made for. ValueError where it is no place of ours."""
    return bytes.fromhex(place.rpartition("/")[2].partition("-")[0])


class BlobEngine(Protocol):
    """Keeps bytes by place. Its methods block: they are called in threads."""

    far: bool  # the bytes cross a network: their hash is checked when all of them are read

    def keep(self, spool: Path, digest: bytes) -> str:
        """Makes the bytes of a local file durable and takes the file away; their place. OSError."""

    def read(self, place: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end`, the latter not included. NotFound, OSError."""

    def map(self, place: str) -> mmap:
        """All of them, in as much memory as is looked at."""

    def remove(self, place: str) -> None:
        """Harmless where there is nothing."""

    def older(self, before: float) -> Iterator[str]:
        """Every place made before that time (seconds since 1970)."""


class Spool:
    """The local folder where bytes are written before they have a name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def create(self) -> tuple[Path, BinaryIO]:
        """A new file to write to."""
        path = self._directory / secrets.token_hex(16)
        return path, open(path, "xb", buffering=0)

    def sweep(self, before: float) -> None:
        """Removes what nobody has written to since `before`: uploads that a crash cut off."""
        for path in self._directory.iterdir():
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)


class Files:
    """The blob engine of one host: a file for each place."""

    far = False

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def keep(self, spool: Path, digest: bytes) -> str:
        """See BlobEngine.keep: synced, renamed, and the names synced too."""
        handle = os.open(spool, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        place = new_place(digest)
        target = self._directory / place
        target.parent.mkdir(parents=True, exist_ok=True)
        spool.rename(target)
        for directory in (target.parent, target.parent.parent, self._directory):
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        return place

    def read(self, place: str, start: int, end: int) -> bytes:
        """See BlobEngine.read."""
        try:
            with open(self._directory / place, "rb", buffering=0) as file:
                return os.pread(file.fileno(), end - start, start)
        except FileNotFoundError as error:
            raise NotFound("the blob's file is missing") from error

    def map(self, place: str) -> mmap:
        """See BlobEngine.map."""
        with open(self._directory / place, "rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_READ)

    def remove(self, place: str) -> None:
        """See BlobEngine.remove."""
        (self._directory / place).unlink(missing_ok=True)

    def older(self, before: float) -> Iterator[str]:
        """See BlobEngine.older."""
        for path in self._directory.glob("??/??/*"):
            if path.stat().st_mtime < before:
                yield str(path.relative_to(self._directory))
