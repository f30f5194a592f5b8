# SPDX-License-Identifier: Apache-2.0
"""Keeps the words of searched mailboxes indexed (decision 45): one process does, whoever holds the lease.

A slice of messages is read, its words are sorted on a thread, and written in one transaction, so nobody waits
and an interruption loses nothing. The bus tells of mailboxes searched for the first time; what comes later is
looked for every `[imap] search_index_interval`, so that is how far the index lags when nothing is wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from typing import Final

from armgs_server import log
from armgs_server.errors import DomainError
from armgs_server.imap.attachments import AttachmentReader
from armgs_server.imap.search_mailbox import Mailbox
from armgs_server.service import Core
from armgs_server.storage import attachment_texts, leases, mail_words
from armgs_server.storage.leases import Lease

LEASE: Final = "mail words"
PAGE: Final = 100  # mailboxes in one read
FORGETTING: Final = 3600.0  # seconds between looks for texts of attachments that are gone
_TEXTS: Final = 500

_log = log.get("imap")


class SearchUpkeep:
    """From `start` to `stop`."""

    def __init__(self, core: Core) -> None:
        self._store = core.store
        self._settings = core.config.imap
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        work = leases.hold(self._store, LEASE, holder, self._run)
        self._task = asyncio.get_running_loop().create_task(work, name="mail-words")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, lease: Lease) -> None:
        loop = asyncio.get_running_loop()
        unsubscribe = self._store.bus.subscribe(mail_words.TOPIC, lambda _: self._woken.set())
        forgotten = loop.time()
        try:
            while True:
                self._woken.clear()
                try:
                    count = await self.index(lease)
                    if loop.time() - forgotten > FORGETTING:
                        await self.forget()
                        forgotten = loop.time()
                except DomainError as error:
                    _log.warning("mail not indexed, will be tried again", error=error.text)
                else:
                    if count:
                        _log.info("mail indexed", messages=count)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.search_index_interval):
                        await self._woken.wait()
        finally:
            unsubscribe()

    async def index(self, lease: Lease) -> int:
        """Everything that is not indexed yet, in mailboxes that are searched; how many messages."""
        reader = AttachmentReader(self._store, self._settings)
        count, after = 0, (-1, -1)
        try:
            while page := await self._store.read(lambda tx, after=after: mail_words.behind(tx, after, PAGE)):  # type: ignore[misc]
                for key in page:
                    mailbox = Mailbox(self._store, lease, *key)
                    while (done := await mailbox.index(reader)) is not None:
                        count += done
                        await mailbox.merge()
                after = page[-1]
        finally:
            await reader.stop()
        return count

    async def forget(self) -> None:
        """Texts of attachments of messages that nobody has any more."""
        after: bytes | None = b""
        while after is not None:
            after = await self._store.write(
                lambda tx, after=after: attachment_texts.forget(tx, after, _TEXTS)  # type: ignore[misc]
            )
