# SPDX-License-Identifier: Apache-2.0
"""The chat program Converse.js in an installation: checked, unpacked, and found by name (decision 34).

It is not part of this program: an administrator brings the package of the npm registry. What must always
hold: only the very package named here is unpacked; of it only what a browser loads; a file is served by a
name that was listed, never by a path.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from armgs_server.errors import Invalid

VERSION = "14.0.0"
PACKAGE = f"converse.js-{VERSION}.tgz"
SHA512 = (
    "2c5520d37d230da955e3bbc8fefc953ea60f65f2585c56ee6eaf2fd1c1437b6c"
    "d735e786124dd4a74163fd64f34fab7ee9da3e700213a32ef77808fb44d0e3d9"
)
_ROOT = "package/dist/"
_ENTRY = "converse.min.js"
# What the minified program does not load: sources, maps, the project's own site, and end-to-end encryption,
# which would keep the archive, its search and a second device from reading what was said.
_LEFT_OUT = (
    "converse.js",
    "converse.css",
    "website.css",
    "website.min.css",
    "manifest.json",
    "sounds/README",
)
_LEFT_OUT_SUFFIXES = (".map", ".wasm")
_LEFT_OUT_PREFIXES = ("libomemo",)
_COMPRESSED = (".js", ".css", ".json", ".svg")
_MAX_FILE = 8 << 20
_MAX_TOTAL = 64 << 20


@dataclass(frozen=True, slots=True)
class Asset:
    """One file; `compressed` where there is a gzip form of it."""

    path: Path
    compressed: Path | None
    content_type: str
    etag: str


def install(archive: Path, folder: Path) -> int:
    """Unpacks the package into the folder, which is replaced; the number of files. Invalid."""
    try:
        data = archive.read_bytes()
    except OSError as error:
        raise Invalid(f"{archive}: {error.strerror}") from error
    if hashlib.sha512(data).hexdigest() != SHA512:
        raise Invalid(f"{archive} is not {PACKAGE} as its makers published it")
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    count = unpack(archive, fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return count


def unpack(archive: Path, folder: Path) -> int:
    """Puts what a browser loads into the folder; the number of files."""
    count = total = 0
    with tarfile.open(archive, "r:gz") as package:
        for member in package:
            name = member.name.removeprefix(_ROOT)
            if not member.isreg() or name == member.name or not _is_wanted(name):
                continue
            total += member.size
            file = package.extractfile(member)
            if member.size > _MAX_FILE or total > _MAX_TOTAL or file is None or ".." in name.split("/"):
                raise Invalid(f"{archive}: {name} is not what belongs there")
            content = file.read()
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            if target.suffix in _COMPRESSED:
                target.with_name(target.name + ".gz").write_bytes(gzip.compress(content, mtime=0))
            count += 1
    return count


def _is_wanted(name: str) -> bool:
    if name in _LEFT_OUT or name.endswith(_LEFT_OUT_SUFFIXES) or name.startswith(_LEFT_OUT_PREFIXES):
        return False
    return bool(name)


class Bundle:
    """The unpacked package, listed when it is first asked for and again when it was replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._assets: dict[str, Asset] = {}
        self._listed_at = 0

    @property
    def is_there(self) -> bool:
        return (self._folder / _ENTRY).is_file()

    def find(self, name: str) -> Asset | None:
        """The file of that name below the folder."""
        try:
            changed_at = (self._folder / _ENTRY).stat().st_mtime_ns
        except OSError:
            return None
        if changed_at != self._listed_at:
            self._assets = {
                str(path.relative_to(self._folder)): _asset(path)
                for path in self._folder.rglob("*")
                if path.is_file() and path.suffix != ".gz"
            }
            self._listed_at = changed_at
        return self._assets.get(name)


def _asset(path: Path) -> Asset:
    compressed = path.with_name(path.name + ".gz")
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind.endswith(("javascript", "json")):
        kind += "; charset=utf-8"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Asset(path, compressed if compressed.is_file() else None, kind, f'"{digest[:32]}"')
