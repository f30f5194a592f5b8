# SPDX-License-Identifier: Apache-2.0
"""Files into a person's folder or a department's shared one: the tree as it is, dates kept."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from pathlib import Path

from armgs_server.cli.output import Bar
from armgs_server.cli.report import Report
from armgs_server.cli.workplace import Workplace
from armgs_server.dav.paths import MAX_DEPTH, MAX_NAME
from armgs_server.errors import Conflict, DomainError, Invalid, NotFound, Temporary
from armgs_server.formats.addresses import normalise_domain
from armgs_server.storage import collections, items, versions
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

CHUNK = 512 * 1024


async def run(workplace: Workplace, address: str, path: Path, folder: str) -> Report:
    """Imports a file, or what is in a folder. A file that is there already gets the new bytes."""
    owner = await owner_of_files(workplace, address)
    if not path.exists():
        raise NotFound(f"{path} does not exist")
    base = tuple(part for part in folder.split("/") if part)
    report = Report()
    with Bar("Importing files") as bar:
        for file, names in _walk(path, base):
            try:
                changed = await _put(workplace, owner, file, tuple(check_name(name) for name in names))
                report.accepted += changed
                report.unchanged += not changed
            except Temporary:
                raise
            except DomainError as error:
                report.refuse(file, 0, error.text)
            except OSError as error:
                report.refuse(file, 0, error.strerror or str(error))
            bar.advance()
    return report


async def owner_of_files(workplace: Workplace, address: str) -> int:
    """The person with that address, or the department that serves that domain."""
    if "@" in address:
        return (await workplace.principal(address, "person")).id
    department = workplace.directory.domains.get(normalise_domain(address))
    if department is None:
        raise NotFound(f"{address} is neither a person's address nor a domain of this server")
    return department


def check_name(name: str) -> str:
    """A name as every client can show it; Invalid says why not."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise Invalid("the name is not UTF-8") from error
    if len(encoded) > MAX_NAME or any(ord(character) < 32 or character == "\x7f" for character in name):
        raise Invalid(f"a name has at most {MAX_NAME} bytes and no control characters")
    return name


async def put(
    tx: Tx,
    owner: int,
    names: tuple[str, ...],
    ref: BlobRef,
    content_type: str,
    modified: int | None,
    rules: versions.Rules | None = None,
) -> bool:
    """Puts a file at a path, making the folders; False where it is there with the same bytes. With `rules`
    what it takes the place of is kept as an earlier state."""
    folder = await _folder(tx, owner, names[:-1])
    existing = await items.by_name(tx, owner, folder.id, names[-1])
    if existing is None:
        if await collections.find(tx, owner, "files", names[-1], folder.id) is not None:
            raise Conflict("a folder has this name")
        await items.add(tx, folder, ref, name=names[-1], content_type=content_type, modified=modified)
        return True
    if existing.blob == ref.hash:
        return False
    await items.replace(tx, existing, ref, content_type, rules)
    return True


def content_type_of(name: str) -> str:
    return mimetypes.guess_type(name, strict=False)[0] or "application/octet-stream"


def _walk(path: Path, base: tuple[str, ...]) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Files and their paths in the account. Links are not followed: they may lead anywhere."""
    if not path.is_dir():
        yield path, (*base, path.name)
        return
    for child in sorted(path.iterdir()):
        if child.is_symlink():
            continue
        if child.is_dir():
            yield from _walk(child, (*base, child.name))
        elif child.is_file():
            yield child, (*base, child.name)


async def _put(workplace: Workplace, owner: int, file: Path, names: tuple[str, ...]) -> bool:
    if len(names) > MAX_DEPTH:
        raise Invalid(f"more than {MAX_DEPTH} folders deep")
    modified = int(file.stat().st_mtime * 1_000_000)
    writer = workplace.store.blobs.writer(workplace.config.dav.file_size)
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            await writer.write(chunk)
    ref = await writer.finish()
    kind = content_type_of(names[-1])
    rules = versions.rules(workplace.config.dav)
    return await workplace.store.write(lambda tx: put(tx, owner, names, ref, kind, modified, rules))


async def _folder(tx: Tx, owner: int, names: tuple[str, ...]) -> Collection:
    found = await collections.find(tx, owner, "files", "")
    if found is None:
        raise NotFound("this account has no files")
    for name in names:
        child = await collections.find(tx, owner, "files", name, found.id)
        if child is None:
            child = await collections.create(tx, owner, "files", name, parent=found.id)
        found = child
    return found
