# SPDX-License-Identifier: Apache-2.0
"""`armgs backup trial`: a backup that has never been restored is a hope. This one restores it beside, opens
it as a store, reads from it and logs in; a timer runs it every week.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime
from functools import partial
from pathlib import Path

from armgs_server.cli.backup_folder import Folder, Generation
from armgs_server.cli.backup_opened import open_generation
from armgs_server.cli.backup_verify import Finding, check_database, check_members
from armgs_server.cli.workplace import Workplace
from armgs_server.directory.model import HOSTS, Principal
from armgs_server.errors import DomainError, Invalid
from armgs_server.storage import items, returned
from armgs_server.storage.tx import Tx

READ = 500  # bodies read through the store
PEOPLE = 20  # of each department, whose things are looked at
PAGE = 100  # of each of their collections
APP_PASSWORD = "armgs backup trial"


def trial(folder: Folder, moment: datetime | None, scratch: Path | None) -> list[Finding]:
    """Tries the generation of that moment, the newest without one."""
    with folder.locked(exclusive=False):
        generation = folder.at(moment)
        findings: list[Finding] = []
        try:
            check_members(generation)
            _ok(
                findings, generation, "files", f"{len(generation.manifest['members'])} are what was backed up"
            )
            _ok(findings, generation, "database", f"{check_database(generation)} rows")
            asyncio.run(_try(folder, generation, scratch, findings))
        except (DomainError, OSError) as error:
            findings.append(Finding(generation.path.name, "restore", "problem", str(error)))
        return findings


async def _try(folder: Folder, generation: Generation, scratch: Path | None, findings: list[Finding]) -> None:
    async with open_generation(folder, generation, scratch) as workplace:
        departments = await workplace.directory.departments()
        _ok(findings, generation, "store", f"opened, {len(departments)} departments")
        items = await workplace.store.read(_check_sums)
        _ok(findings, generation, "items", f"{items}, as the collections count them")
        lost = set(generation.manifest["damaged"])
        for place, size in generation.places():
            if place not in lost and not _has(folder.blobs / place, size):
                raise Invalid(f"the body {place} is missing")
        _ok(findings, generation, "bodies", f"all are there; {await _read(workplace)} read through the store")
        _ok(findings, generation, "parts", await _parts(workplace))
        _ok(findings, generation, "log-in", await _log_in(workplace))


async def _check_sums(tx: Tx) -> int:
    """Whether every collection has as many items as it says; how many all have."""
    row = await tx.row(
        "SELECT COUNT(*), MIN(collection.owner), MIN(collection.id) FROM collection WHERE items <>"
        " (SELECT COUNT(*) FROM item WHERE item.owner = collection.owner AND item.collection = collection.id)"
    )
    assert row is not None, "a count is always there"
    if row[0]:
        raise Invalid(f"{row[0]} collections count their items wrongly; {row[1]}/{row[2]} is one")
    return int(await tx.value("SELECT COUNT(*) FROM item"))


async def _read(workplace: Workplace) -> int:
    """Reads some bodies as a client's request would."""
    rows = await workplace.store.read(
        lambda tx: tx.rows(
            "SELECT hash FROM blob WHERE refs > 0 AND (data IS NOT NULL OR place IS NOT NULL)"
            " ORDER BY hash LIMIT ?",
            READ,
        )
    )
    for (digest,) in rows:
        if hashlib.sha256(await workplace.store.blobs.read(bytes(digest))).digest() != bytes(digest):
            raise Invalid(f"the body {bytes(digest).hex()} is damaged")
    return len(rows)


async def _parts(workplace: Workplace) -> str:
    """Reads what a restore of one person would bring, with all that lies beside it."""
    people = count = 0
    for department in await workplace.directory.departments():
        for person in (await workplace.directory.people(department.id))[:PEOPLE]:
            count += await workplace.store.read(partial(_things, owner=person.id))
            people += 1
    return f"{count} things of {people} people could come back"


async def _things(tx: Tx, owner: int) -> int:
    """A page of each collection; Invalid where the bytes of one have no row."""
    count = 0
    for kind in returned.KINDS:
        for collection, _ in await returned.tree(tx, owner, kind):
            page = await items.scan(tx, owner, collection.id, limit=PAGE)
            for each in await returned.load(tx, collection, page):
                for digest, size in each.bodies:
                    if await tx.value("SELECT size FROM blob WHERE hash = ?", digest) != size:
                        raise Invalid(f"{each.title or each.id} in {collection.name} has lost its bytes")
            count += len(page)
    return count


async def _log_in(workplace: Workplace) -> str:
    """Logs somebody in, with an app password that is made for it in the restored store alone."""
    person = await _somebody(workplace)
    if person is None:
        return "nobody is there to log in as"
    password = await workplace.directory.add_app_password(person.id, APP_PASSWORD)
    auth = workplace.directory.auth
    found = await auth.verify("imap", "password", "127.0.0.1", True, person.address, password)
    return f"as {found.address}"


async def _somebody(workplace: Workplace) -> Principal | None:
    """Who may log in from anywhere."""
    for department in await workplace.directory.departments():
        for person in await workplace.directory.people(department.id):
            if not person.disabled and HOSTS not in person.data:
                return person
    return None


def _has(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _ok(findings: list[Finding], generation: Generation, check: str, detail: str) -> None:
    findings.append(Finding(generation.path.name, check, "ok", detail))
