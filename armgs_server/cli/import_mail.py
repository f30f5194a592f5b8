# SPDX-License-Identifier: Apache-2.0
"""Mail into an account: each message is stored with the bytes it has, indexed as one that arrived by SMTP."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from armgs_server.cli import mailboxes
from armgs_server.cli.mailboxes import Found
from armgs_server.cli.output import Bar
from armgs_server.cli.report import Report
from armgs_server.cli.workplace import Workplace
from armgs_server.errors import DomainError, Invalid, Temporary
from armgs_server.formats.mime import MessageIndex
from armgs_server.imap import mailbox_names
from armgs_server.imap.responses import ImapError
from armgs_server.storage import clock, collections
from armgs_server.storage import mail as messages
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

BATCH = 50  # messages in one transaction
BATCH_BYTES = 8 * 1024 * 1024  # held in memory at the most, beside the message being read
_LF = re.compile(rb"(?<!\r)\n")


@dataclass(frozen=True, slots=True)
class Ready:
    """A message whose bytes the blob store has taken."""

    found: Found
    mailbox: Collection
    ref: BlobRef
    index: MessageIndex


async def run(workplace: Workplace, address: str, path: Path, folder: str, crlf: bool) -> Report:
    """Imports everything at `path` into the account's mailbox `folder` and those below it."""
    person = await workplace.principal(address, "person")
    return await Importer(workplace, person.id, folder, crlf).run(path)


class Importer:
    """One import into one account."""

    def __init__(self, workplace: Workplace, owner: int, folder: str, crlf: bool) -> None:
        self.workplace = workplace
        self.owner = owner
        self.base = check_path(folder)
        self.crlf = crlf
        self.report = Report()
        self.mailboxes: dict[tuple[str, ...], Collection] = {}

    async def run(self, path: Path) -> Report:
        batch: list[Ready] = []
        with Bar("Importing mail") as bar:
            for found in mailboxes.read(path, self.workplace.config.imap.message_size):
                if isinstance(found, Path):
                    self.report.ignored.append(str(found))
                    continue
                ready = await self._prepare(found)
                if ready is not None:
                    batch.append(ready)
                if len(batch) >= BATCH or sum(one.ref.size for one in batch) >= BATCH_BYTES:
                    await self._store(batch)
                    batch = []
                bar.advance()
            await self._store(batch)
        return self.report

    async def _prepare(self, found: Found) -> Ready | None:
        if found.oversize:
            limit = self.workplace.config.imap.message_size
            self.report.refuse(found.path, found.line, f"larger than {limit} bytes ([imap] message_size)")
            return None
        if not found.data:
            self.report.refuse(found.path, found.line, "empty: not a message")
            return None
        if self.crlf:
            found = replace(found, data=_LF.sub(b"\r\n", found.data))
        try:
            mailbox = await self._mailbox(found.folder)
            ref = await self.workplace.store.blobs.put(found.data)
            index = await messages.read_index(self.workplace.store.blobs, ref)
        except Temporary:
            raise
        except DomainError as error:
            self.report.refuse(found.path, found.line, error.text)
            return None
        return Ready(found, mailbox, ref, index)

    async def _store(self, batch: list[Ready]) -> None:
        """One transaction for all; where that is refused, one for each, to find whose fault it is."""
        if not batch:
            return

        async def work(tx: Tx) -> None:
            for ready in batch:
                await _append(tx, ready)

        try:
            await self.workplace.store.write(work)
            self.report.accepted += len(batch)
        except Temporary:
            raise
        except DomainError as error:
            if len(batch) == 1:
                self.report.refuse(batch[0].found.path, batch[0].found.line, error.text)
                return
            for ready in batch:
                await self._store([ready])

    async def _mailbox(self, folder: tuple[str, ...]) -> Collection:
        """The mailbox for a folder of the source; subfolders of an import into INBOX lie beside it."""
        path = (*self.base, *folder)
        if folder and self.base == (mailbox_names.INBOX,):
            path = folder
        path = check_path("/".join(path))
        if path not in self.mailboxes:
            self.mailboxes[path] = await self.workplace.store.write(
                lambda tx: open_mailbox(tx, self.owner, path)
            )
        return self.mailboxes[path]


def check_path(name: str) -> tuple[str, ...]:
    """The levels of a name that IMAP clients can use too; Invalid for one that they cannot."""
    try:
        return tuple(mailbox_names.segments(mailbox_names.normalise(name)))
    except ImapError as error:
        raise Invalid(f"{name}: {error.text}") from error


async def open_mailbox(tx: Tx, owner: int, path: tuple[str, ...]) -> Collection:
    """The mailbox at a path, made with all its parents where missing."""
    found = await collections.by_role(tx, owner, "mail", "inbox")
    assert found is not None, "every account has an INBOX"
    if path == (mailbox_names.INBOX,):
        return found
    parent = 0
    for name in path:
        child = await collections.find(tx, owner, "mail", name, parent)
        if child is None:
            child = await collections.create(tx, owner, "mail", name, parent=parent, subscribed=1)
        found, parent = child, child.id
    return found


async def _append(tx: Tx, ready: Ready) -> None:
    received = ready.found.received if ready.found.received is not None else ready.index.sent
    if received is None or not 0 < received < clock.now():
        received = clock.now()
    await messages.append(
        tx,
        ready.mailbox,
        ready.ref,
        ready.index,
        flags=int(ready.found.flags),
        keywords=ready.found.keywords,
        created=received,
    )
