# SPDX-License-Identifier: Apache-2.0
"""`armgs export`: everything of one person in formats that other programs read.

OUT/mail/INBOX.mbox …        a file for each mailbox (RFC 4155, mboxrd quoting)
OUT/calendars/default.ics …  a file for each calendar and task list
OUT/contacts/contacts.vcf …  a file for each address book
OUT/files/…                  the tree
OUT/chat.xml                 roster, waiting messages and archive (XEP-0227)
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click

from armgs_server.cli import export_calendar, export_chat
from armgs_server.cli.output import Bar, print_record
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.errors import AlreadyExists
from armgs_server.storage import chat_folders, collections, items
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Flags, Item

PAGE = 200  # items read at a time


@click.command()
@click.argument("address")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--status", is_flag=True, help="Add Status: fields with the flags to mail, instead of keeping it exact."
)
@click.option(
    "--credentials", is_flag=True, help="Add the keys that prove the password to chat.xml: guard it as one."
)
@config_option
@json_option
def export(
    address: str, out: Path, status: bool, credentials: bool, config_path: Path | None, as_json: bool
) -> None:
    """Writes mail, calendars, contacts, files and chat of ADDRESS into the new folder OUT.

    ADDRESS is a person, or a group with mailboxes of its own.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise AlreadyExists(f"{out} exists already")
    out.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def work(workplace: Workplace) -> dict[str, Any]:
        person = await workplace.principal(address, "person", "group")
        with Bar(f"Exporting {person.address}") as bar:
            exporter = Exporter(workplace, person.id, out, bar)
            record: dict[str, Any] = {"address": person.address, "folder": str(out)}
            record["messages"] = await exporter.mail(status)
            record["calendar_objects"] = await exporter.calendars()
            record["contacts"] = await exporter.contacts()
            record["files"] = await exporter.files()
            if person.kind == "person":
                chat = export_chat.write(workplace, person, out / "chat.xml", credentials=credentials)
                record["chat_messages"] = await chat
        return record

    print_record(as_json, work_on(config_path, work))


class Exporter:
    """Writes the collections of one owner."""

    def __init__(self, workplace: Workplace, owner: int, out: Path, bar: Bar) -> None:
        self.store = workplace.store
        self.owner = owner
        self.out = out
        self.bar = bar

    async def mail(self, status: bool) -> int:
        """One mbox for each mailbox; those below another lie in a folder of its name. Chats are no mail."""
        count = 0
        for collection, path in await self._tree("mail"):
            if chat_folders.is_inside(collection):
                continue
            file = self.out.joinpath("mail", *path[:-1], f"{path[-1]}.mbox")
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as target:
                async for item in self._items(collection):
                    data = await self.store.blobs.read(item.blob)
                    target.write(mbox_entry(item, data, status))
                    count += 1
        return count

    async def calendars(self) -> int:
        count = 0
        for kind in ("calendar", "tasks"):
            for collection, path in await self._tree(kind):
                objects = [await self.store.blobs.read(item.blob) async for item in self._items(collection)]
                self._write("calendars", f"{path[-1]}.ics", export_calendar.merge(objects))
                count += len(objects)
        return count

    async def contacts(self) -> int:
        count = 0
        for collection, path in await self._tree("addressbook"):
            cards = [await self.store.blobs.read(item.blob) async for item in self._items(collection)]
            self._write("contacts", f"{path[-1]}.vcf", b"".join(_ended(card) for card in cards))
            count += len(cards)
        return count

    async def files(self) -> int:
        count = 0
        for collection, path in await self._tree("files"):
            folder = self.out.joinpath("files", *path[1:])  # the first name is that of the root: empty
            folder.mkdir(parents=True, exist_ok=True)
            async for item in self._items(collection):
                assert item.name is not None, "every file has a name"
                with (folder / _safe(item.name)).open("wb") as target:
                    async for chunk in self.store.blobs.stream(item.blob):
                        target.write(chunk)
                count += 1
        return count

    def _write(self, folder: str, name: str, data: bytes) -> None:
        directory = self.out / folder
        directory.mkdir(exist_ok=True)
        (directory / name).write_bytes(data)

    async def _tree(self, kind: str) -> list[tuple[Collection, tuple[str, ...]]]:
        """All collections of a kind with their paths."""
        found = await self.store.read(lambda tx: collections.all_of(tx, self.owner, kind))
        by_id = {collection.id: collection for collection in found}
        tree = []
        for collection in found:
            path = [collection.name]
            above = collection
            while above.parent:
                above = by_id[above.parent]
                path.insert(0, above.name)
            tree.append((collection, tuple(_safe(name) for name in path)))
        return tree

    async def _items(self, collection: Collection) -> AsyncIterator[Item]:
        after = 0
        while True:
            page = await self.store.read(
                lambda tx, at=after: items.scan(tx, self.owner, collection.id, at, PAGE)  # type: ignore[misc]
            )
            for item in page:
                yield item
                self.bar.advance()
            if len(page) < PAGE:
                return
            after = page[-1].uid


def mbox_entry(item: Item, data: bytes, status: bool) -> bytes:
    """One message as mboxrd: a From line, `>` before every line that begins with any `>` and `From `."""
    moment = time.gmtime(item.created / 1_000_000)
    separator = f"From MAILER-DAEMON {time.asctime(moment)}\n".encode("ascii")
    head = _status_fields(item) if status else b""
    # Lines end with LF here, whatever else stands in them: so do an mbox reader's.
    lines = [b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in data.split(b"\n")]
    return separator + head + _ended(b"\n".join(lines)) + b"\n"


def _status_fields(item: Item) -> bytes:
    letters = "".join(letter for flag, letter in _X_STATUS if item.flags & flag)
    status = "RO" if item.flags & Flags.SEEN else "O"
    return f"Status: {status}\nX-Status: {letters}\n".encode("ascii")


def _ended(data: bytes) -> bytes:
    return data if data.endswith(b"\n") else data + b"\n"


def _safe(name: str) -> str:
    """A name that stays inside the folder it is written to."""
    return f"_{name}" if name in (".", "..") else name.replace("/", "_").replace("\0", "_")


_X_STATUS = ((Flags.ANSWERED, "A"), (Flags.FLAGGED, "F"), (Flags.DRAFT, "T"), (Flags.DELETED, "D"))
