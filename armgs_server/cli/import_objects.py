# SPDX-License-Identifier: Apache-2.0
"""Calendar objects and cards into an account. A file that holds one resource is stored byte for byte; of
others each object becomes a resource of its own (RFC 4791 §4.1, RFC 6352 §5.1). One whose UID is there is
replaced.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from armgs_server.cli.output import Bar
from armgs_server.cli.report import Report, reason
from armgs_server.cli.workplace import Workplace
from armgs_server.directory import birthdays, department_calendars
from armgs_server.directory.model import Principal
from armgs_server.errors import DomainError, Invalid, NotFound, Temporary
from armgs_server.formats import icalendar_split, vcard
from armgs_server.formats.icalendar import CalendarObject
from armgs_server.formats.vcard import Card
from armgs_server.storage import calindex, cards, collections, items
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

CALENDAR_TYPE = "text/calendar; charset=utf-8"
CARD_TYPE = "text/vcard; charset=utf-8"
# Tasks have a list of their own, so that clients which show only one kind find them where they look.
_KINDS = {"VTODO": "tasks"}
_PLAIN_UID = re.compile(r"[A-Za-z0-9@_-][A-Za-z0-9@._-]{0,200}")

Index = Callable[[Tx, Item], Awaitable[None]]
Holder = Callable[[Tx, Collection], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Resource:
    """One object to store: where it came from, its bytes, and how it is found and indexed."""

    file: Path
    line: int
    data: bytes
    uid: str
    name: str
    content_type: str
    holder: Holder  # the name of the item that has its UID already
    index: Index


async def run_calendar(workplace: Workplace, address: str, files: Sequence[Path], name: str) -> Report:
    """Imports .ics files; `name` chooses one calendar for all, else events and tasks go where they belong.

    A department's calendar has a name, and is read by everybody in the department.
    """
    holder = await workplace.principal(address, "person", "room", "equipment", "department")
    is_shared = holder.kind == "department"
    if is_shared:
        await _provide(workplace, holder, name)
    importer = Importer(workplace, holder.id, name, workplace.config.dav.calendar_size)
    with Bar("Importing calendars") as bar:
        for file in _files(files, ".ics"):
            split = icalendar_split.split(file.read_bytes())
            for error in split.refused:
                importer.report.refuse(file, error.line, reason(error))
            for part in split.parts:
                kind = "calendar" if is_shared else _KINDS.get(part.object.kind, "calendar")
                resource = calendar_resource(file, part.line, part.data, part.object)
                await importer.store(kind, resource)
                bar.advance()
    return importer.report


async def run_contacts(workplace: Workplace, address: str, files: Sequence[Path], name: str) -> Report:
    """Imports .vcf files into the address book `name`, the default one where there is no name."""
    owner = (await workplace.principal(address, "person")).id
    importer = Importer(workplace, owner, name, workplace.config.dav.card_size)
    with Bar("Importing contacts") as bar:
        for file in _files(files, ".vcf"):
            parts, refused = vcard.split(file.read_bytes())
            for error in refused:
                importer.report.refuse(file, error.line, reason(error))
            for part in parts:
                resource = card_resource(file, part.line, part.data, part.card)
                await importer.store("addressbook", resource)
                bar.advance()
    return importer.report


def calendar_resource(file: Path, line: int, data: bytes, found: CalendarObject) -> Resource:
    entry = calindex.entry(found)

    async def holder(tx: Tx, collection: Collection) -> str | None:
        return await calindex.name_of_holder(tx, collection.owner, collection.id, found.uid)

    async def index(tx: Tx, item: Item) -> None:
        await calindex.put(tx, item, entry)

    return Resource(
        file, line, data, found.uid, resource_name(found.uid, ".ics"), CALENDAR_TYPE, holder, index
    )


def card_resource(file: Path, line: int, data: bytes, card: Card) -> Resource:
    async def holder(tx: Tx, collection: Collection) -> str | None:
        return await cards.name_of_holder(tx, collection.owner, collection.id, card.uid)

    async def index(tx: Tx, item: Item) -> None:
        if await cards.put(tx, item, card):
            await birthdays.follow(tx, item.owner, card.uid)

    return Resource(file, line, data, card.uid, resource_name(card.uid, ".vcf"), CARD_TYPE, holder, index)


def resource_name(uid: str, suffix: str) -> str:
    """A name made of the UID, as clients make it; its hash where it holds what no path should."""
    return (uid if _PLAIN_UID.fullmatch(uid) else hashlib.sha256(uid.encode()).hexdigest()) + suffix


async def put(tx: Tx, collection: Collection, resource: Resource, ref: BlobRef) -> bool:
    """Adds or replaces a resource by its UID; False where the same bytes are there."""
    name = await resource.holder(tx, collection)
    existing = None if name is None else await items.by_name(tx, collection.owner, collection.id, name)
    if existing is None:
        item = await items.add(tx, collection, ref, name=resource.name, content_type=resource.content_type)
    elif existing.blob == ref.hash:
        return False
    else:
        item = await items.replace(tx, existing, ref, resource.content_type)
    await resource.index(tx, item)
    return True


class Importer:
    """One import into one account."""

    def __init__(self, workplace: Workplace, owner: int, name: str, limit: int) -> None:
        self.workplace = workplace
        self.owner = owner
        self.name = name
        self.limit = limit
        self.report = Report()
        self.seen: dict[tuple[str, str], Resource] = {}

    async def store(self, kind: str, resource: Resource) -> None:
        """Stores a resource or reports why not. What this import has stored it does not replace."""

        async def work(tx: Tx) -> bool:
            return await put(tx, await _collection(tx, self.owner, kind, self.name), resource, ref)

        first = self.seen.setdefault((kind, resource.uid), resource)
        if len(resource.data) > self.limit:
            self.report.refuse(resource.file, resource.line, f"larger than {self.limit} bytes")
            return
        if first is not resource and first.data != resource.data:
            text = f"another object with this UID was imported from {first.file} line {first.line}"
            self.report.refuse(resource.file, resource.line, text)
            return
        try:
            ref = await self.workplace.store.blobs.put(resource.data)
            changed = await self.workplace.store.write(work)
            self.report.accepted += changed
            self.report.unchanged += not changed
        except Temporary:
            raise
        except DomainError as error:
            self.report.refuse(resource.file, resource.line, reason(error))


async def _collection(tx: Tx, owner: int, kind: str, name: str) -> Collection:
    """The collection of that name, made where missing; the default one for no name."""
    if not name:
        found = await collections.by_role(tx, owner, kind, "default")
        if found is None:
            raise NotFound(f"the account has no default collection of kind {kind}")
        return found
    found = await collections.find(tx, owner, kind, name)
    return found or await collections.create(tx, owner, kind, name)


async def _provide(workplace: Workplace, department: Principal, name: str) -> None:
    """The calendar of a department. Invalid for none, and for one that is copied from the web."""
    if not name:
        raise Invalid("a department's calendar has a name: --calendar NAME")
    found = await workplace.store.read(lambda tx: department_calendars.find(tx, department, name))
    if found is None:
        await workplace.office.run("calendars.create", {"domain": department.address, "calendar": name})
    elif found.kind != department_calendars.KIND:
        raise Invalid(f"{name} is copied from an address on the web")


def _files(paths: Sequence[Path], suffix: str) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(child for child in path.rglob(f"*{suffix}") if child.is_file())
        elif path.is_file():
            yield path
        else:
            raise NotFound(f"{path} does not exist")
