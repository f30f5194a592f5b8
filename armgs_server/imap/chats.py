# SPDX-License-Identifier: Apache-2.0
"""Chats as mailboxes, for the sessions of this process: which there are, what they are called, and that an
open one hears of new messages.

The folders are brought up to date when somebody lists them, opens one, or asks for its status. For one that
is open the archive is looked at once in a while; what is found goes into the folder, and so by the change
feed to every session that has it open, in whichever process. Messages of chat pay nothing for it.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from armgs_server import log
from armgs_server.directory.unit_rooms import rooms_of
from armgs_server.errors import DomainError, Temporary
from armgs_server.imap.mailbox_names import MAX_SEGMENT
from armgs_server.service import Core
from armgs_server.storage import chat_arrivals, chat_folders, collections
from armgs_server.storage.chat_folders import Chat
from armgs_server.storage.collections import Collection

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# What a mailbox name cannot have (RFC 9051 §5.1), as it is shown.
_UNSAFE = {ord(char): "-" for char in "/%*"} | dict.fromkeys((*range(32), 127), " ")
# Room for the address behind a name that two chats have.
_LONGEST_NAME = MAX_SEGMENT // 2

_log = log.get("imap")


def is_hidden(core: Core, collection: Collection) -> bool:
    """Whether a mailbox is one that shows chats, and they are not to be shown any more."""
    return chat_folders.is_inside(collection) and not core.config.imap.chats


async def discover(session: Session) -> None:
    """Makes the folders of chats that are new, before mailboxes are listed."""
    core, person = session.core, session.person
    if not core.config.imap.chats:
        return
    rooms = rooms_of(person)
    found = await core.store.read(lambda tx: chat_folders.news(tx, person.id, person.address, rooms))
    if found.is_none:
        return
    named = [dataclasses.replace(chat, name=await _name(core, chat)) for chat in found.chats]
    news = dataclasses.replace(found, chats=named)
    try:
        await core.store.write(lambda tx: chat_folders.show(tx, person.id, news))
    except DomainError as error:  # a full disk must not hide the mailboxes; the next look tries again
        _log.warning("chats wait to be shown", owner=person.id, error=error.text)


async def _name(core: Core, chat: Chat) -> str:
    """What the contact or the room is called in the directory; an address where it is not there."""
    directory = core.directory
    principal = await (directory.by_address(chat.peer) if chat.peer else directory.by_id(chat.source))
    name = principal.name if principal is not None and principal.name else chat.address
    name = name.translate(_UNSAFE).strip()
    while len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        name = name[:-1]
    return name if name not in ("", ".", "..") else chat.address.translate(_UNSAFE)


async def refresh(core: Core, folder: Collection) -> Collection:
    """The folder as the archive has it now, or, where nothing can be written, as it was."""
    try:
        await chat_arrivals.catch_up(core.store, folder, core.config.imap.chat_messages)
    except Temporary as error:
        _log.warning("a chat folder waits", owner=folder.owner, error=error.text)
    return await core.store.read(lambda tx: collections.get(tx, folder.owner, folder.id))


async def refresh_opened(core: Core, folder: Collection) -> Collection:
    """The same, for a list with the status of many: only of folders that somebody has opened before."""
    key = folder.owner, folder.id
    if await core.store.read(lambda tx: chat_arrivals.is_behind(tx, *key, opened=True)):
        return await refresh(core, folder)
    return folder


class ChatWatch:
    """Keeps the folders that are open up to date."""

    def __init__(self, core: Core, open_folders: Callable[[], Iterable[Collection]]) -> None:
        self._core = core
        self._open_folders = open_folders
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="imap-chats")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._core.config.imap.chat_interval)
            folders = {(folder.owner, folder.id): folder for folder in self._open_folders()}
            for key, folder in folders.items():
                try:
                    if await self._core.store.read(lambda tx, key=key: chat_arrivals.is_behind(tx, *key)):  # type: ignore[misc]
                        await refresh(self._core, folder)
                except DomainError as error:
                    _log.warning("a chat folder waits", owner=key[0], error=error.text)
