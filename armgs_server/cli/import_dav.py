# SPDX-License-Identifier: Apache-2.0
"""`armgs import dav`: calendars, address books and files from another server, with a proof.

The proof stands beside each collection: how many objects there are at the other server and here, and a
hash over the UID (of files the path) and the bytes of each. An import that was interrupted goes on where it
was: the file of its state says which resources were taken, with their entity tags.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

from armgs_server.cli import import_files, import_objects
from armgs_server.cli.dav_source import Found, Source
from armgs_server.cli.import_proof import DavReport, Proof, State
from armgs_server.cli.output import Bar
from armgs_server.cli.report import reason
from armgs_server.cli.workplace import Workplace
from armgs_server.errors import DomainError, Invalid, Temporary
from armgs_server.formats import icalendar, vcard
from armgs_server.storage import collections, items, versions
from armgs_server.storage.tx import Tx

CALDAV = "{urn:ietf:params:xml:ns:caldav}"
CARDDAV = "{urn:ietf:params:xml:ns:carddav}"
APPLE = "{http://apple.com/ns/ical/}"
_HOMES = (f"{CALDAV}calendar-home-set", f"{CARDDAV}addressbook-home-set")
_ASKED = (
    "{DAV:}resourcetype",
    "{DAV:}displayname",
    "{DAV:}current-user-principal",
    *_HOMES,
    f"{CALDAV}supported-calendar-component-set",
    f"{APPLE}calendar-color",
)
_MEMBERS = ("{DAV:}resourcetype", "{DAV:}getetag")


async def run(
    workplace: Workplace, address: str, source: Source, state_file: Path | None, folder: str | None
) -> DavReport:
    """Imports what the URL leads to: a collection, a home, a principal's homes; with `folder` its files."""
    report, state = DavReport(), State(state_file)
    with Bar("Importing over WebDAV") as bar:
        try:
            if folder is not None:
                owner = await import_files.owner_of_files(workplace, address)
                base = tuple(import_files.check_name(part) for part in folder.split("/") if part)
                await _Files(workplace, owner, source, report, state, bar).take(base)
            else:
                owner = (await workplace.principal(address, "person", "room", "equipment")).id
                objects = _Objects(workplace, owner, source, report, state, bar)
                for found in await asyncio.to_thread(discover, source):
                    await objects.take(found)
        finally:
            state.save()
    return report


def discover(source: Source) -> list[Found]:
    """Calendars and address books at the URL, in it, or in the homes that it leads to."""
    at, *below = source.propfind(source.path, 1, _ASKED)
    if at.is_a(f"{CALDAV}calendar") or at.is_a(f"{CARDDAV}addressbook"):
        return [at]
    found = {each.path: each for each in below if _is_collection(each)}
    homes = [href for name in _HOMES for href in at.hrefs(name)]
    if not found and not homes:
        for principal in at.hrefs("{DAV:}current-user-principal"):
            answer = source.propfind(principal, 0, _ASKED)
            homes += [href for each in answer for name in _HOMES for href in each.hrefs(name)]
    for home in dict.fromkeys(homes):
        found.update({each.path: each for each in source.propfind(home, 1, _ASKED) if _is_collection(each)})
    if not found:
        raise Invalid("there is no calendar and no address book at this URL (for files: --files FOLDER)")
    return list(found.values())


def _holds_events(found: Found) -> bool:
    """RFC 4791 §5.2.3: without the property a calendar takes everything."""
    known = found.properties.get(f"{CALDAV}supported-calendar-component-set")
    return known is None or any(each.get("name") == "VEVENT" for each in known)


def _is_collection(found: Found) -> bool:
    return found.is_a(f"{CALDAV}calendar") or found.is_a(f"{CARDDAV}addressbook")


@dataclass(slots=True)
class _Taking:
    workplace: Workplace
    owner: int
    source: Source
    report: DavReport
    state: State
    bar: Bar


class _Objects(_Taking):
    """Calendar objects and cards."""

    async def take(self, found: Found) -> None:
        """One collection, under its own name."""
        is_book = found.is_a(f"{CARDDAV}addressbook")
        proof = Proof(found.text("{DAV:}displayname") or found.name)
        self.report.proofs.append(proof)
        members = await asyncio.to_thread(self.source.propfind, found.path, 1, _MEMBERS)
        objects = [each for each in members if not each.is_a("{DAV:}collection")]
        proof.listed = len(objects)
        dav = self.workplace.config.dav
        limit = dav.card_size if is_book else dav.calendar_size
        importer = import_objects.Importer(self.workplace, self.owner, "", limit)
        importer.report = self.report
        names: dict[str, str] = {}
        for each in objects:
            etag = each.text("{DAV:}getetag")
            known = self.state.taken(each.path, etag)
            if known is None:
                known = await self._take_one(importer, found, each, names, limit, is_book=is_book)
            else:
                self.report.unchanged += 1
            if known is not None:
                self.state.note(each.path, etag, *known)
                proof.source[known[0]] = known[1]
            self.bar.advance()
        proof.here = await self._stored(set(proof.source), is_book=is_book)

    async def _take_one(
        self,
        importer: import_objects.Importer,
        found: Found,
        member: Found,
        names: dict[str, str],
        limit: int,
        *,
        is_book: bool,
    ) -> tuple[str, str] | None:
        try:
            data = await asyncio.to_thread(self.source.get, member.path, limit)
            file = Path(member.path)
            if is_book:
                kind, resource = "addressbook", import_objects.card_resource(file, 0, data, vcard.check(data))
            else:
                parsed = icalendar.check(data)
                kind = "tasks" if parsed.kind == "VTODO" else "calendar"
                resource = import_objects.calendar_resource(file, 0, data, parsed)
        except Temporary:
            raise
        except DomainError as error:
            self.report.refuse(member.path, getattr(error, "line", 0), reason(error))
            return None
        if kind not in names:
            names[kind] = await self._target(found, kind)
        importer.name = names[kind]
        refused = len(self.report.refused)
        await importer.store(kind, resource)
        taken = len(self.report.refused) == refused
        return (resource.uid, hashlib.sha256(data).hexdigest()) if taken else None

    async def _target(self, found: Found, kind: str) -> str:
        """The name of the collection here, which is made where it is not there yet."""
        wanted = import_files.check_name(found.name)
        if kind == "tasks" and _holds_events(found):
            wanted += "-tasks"  # here they have a list of their own
        data = {"displayname": found.text("{DAV:}displayname") or found.name}
        if color := found.text(f"{APPLE}calendar-color"):
            data["color"] = color[:32]
        home = ("addressbook",) if kind == "addressbook" else ("calendar", "tasks")

        async def work(tx: Tx) -> str:
            name = wanted
            while any([await collections.find(tx, self.owner, each, name) for each in home if each != kind]):
                name += f"-{kind}"
            if await collections.find(tx, self.owner, kind, name) is None:
                await collections.create(tx, self.owner, kind, name, data=data)
            return name

        return await self.workplace.store.write(work)

    async def _stored(self, uids: set[str], *, is_book: bool) -> dict[str, str]:
        table, column = ("card", "card_uid") if is_book else ("event", "ical_uid")

        async def work(tx: Tx) -> dict[str, str]:
            rows = await tx.rows(
                f"SELECT {column}, blob FROM {table} JOIN item USING (owner, collection, uid)"
                " WHERE owner = ?",
                self.owner,
            )
            return {uid: bytes(blob).hex() for uid, blob in rows if uid in uids}

        return await self.workplace.store.read(work)


class _Files(_Taking):
    """A tree of files."""

    async def take(self, base: tuple[str, ...]) -> None:
        """Everything below the URL, into a folder."""
        proof = Proof("/".join(base) or "/")
        self.report.proofs.append(proof)
        waiting = [(self.source.path, base)]
        while waiting:
            path, names = waiting.pop()
            for found in await asyncio.to_thread(self.source.propfind, path, 1, _MEMBERS):
                if found.path.rstrip("/") == path.rstrip("/"):
                    continue
                if found.is_a("{DAV:}collection"):
                    waiting.append((found.path, (*names, found.name)))
                    continue
                proof.listed += 1
                await self._take_file(found, (*names, found.name), proof)
                self.bar.advance()

    async def _take_file(self, found: Found, names: tuple[str, ...], proof: Proof) -> None:
        etag = found.text("{DAV:}getetag")
        known = self.state.taken(found.path, etag)
        if known is None:
            known = await self._take_one(found, names)
        else:
            self.report.unchanged += 1
        if known is not None:
            self.state.note(found.path, etag, *known)
            proof.source[known[0]] = known[1]
            proof.here[known[0]] = await self._stored(names)

    async def _take_one(self, found: Found, names: tuple[str, ...]) -> tuple[str, str] | None:
        blobs = self.workplace.store.blobs
        try:
            checked = tuple(import_files.check_name(name) for name in names)
            writer = blobs.writer(self.workplace.config.dav.file_size)
            chunks = self.source.chunks(found.path)
            while chunk := await asyncio.to_thread(next, chunks, b""):
                await writer.write(chunk)
            ref = await writer.finish()
            kind = import_files.content_type_of(names[-1])
            store = self.workplace.store
            put = import_files.put
            rules = versions.rules(self.workplace.config.dav)
            changed = await store.write(lambda tx: put(tx, self.owner, checked, ref, kind, None, rules))
        except Temporary:
            raise
        except DomainError as error:
            self.report.refuse(found.path, 0, reason(error))
            return None
        self.report.accepted += changed
        self.report.unchanged += not changed
        return "/".join(names), ref.hash.hex()

    async def _stored(self, names: tuple[str, ...]) -> str:
        async def work(tx: Tx) -> str:
            folder = await collections.by_path(tx, self.owner, "files", ("", *names[:-1]))
            item = await items.by_name(tx, self.owner, folder.id, names[-1]) if folder else None
            return item.blob.hex() if item else ""

        return await self.workplace.store.read(work)
