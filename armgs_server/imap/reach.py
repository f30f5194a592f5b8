# SPDX-License-Identifier: Apache-2.0
"""What the person of a session can get at: names, and rights on what they mean (RFC 4314)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.directory.access import EVERYTHING, NOTHING
from armgs_server.directory.administrators import is_administrator
from armgs_server.errors import Denied, NotFound
from armgs_server.imap.chats import is_hidden, refresh
from armgs_server.imap.namespaces import Place, locate
from armgs_server.imap.responses import no
from armgs_server.storage import chat_folders, collections, mailboxes, restored
from armgs_server.storage.collections import Collection

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

KIND = "mail"
# What was expunged is read, taken back by moving it out, or expunged for good; nothing else comes there.
RESTORED_RIGHTS = Rights.LOOKUP | Rights.READ | Rights.DELETE_ITEMS | Rights.EXPUNGE

# Chats are read here, and led elsewhere.
CHATS_RIGHTS = Rights.LOOKUP | Rights.READ


class Reach:
    """The mailboxes of one session's person, the own ones and those of others."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    async def check(self, collection: Collection, rights: Rights) -> None:
        """NotFound without LOOKUP, Denied without one of the others."""
        held = await self.rights(collection)
        if Rights.LOOKUP not in held:
            raise NotFound()
        if rights not in held:
            raise Denied()

    async def rights(self, collection: Collection) -> Rights:
        """The one place where IMAP asks what the person may do."""
        held = await self._granted(collection)
        if chat_folders.is_inside(collection):
            return held & CHATS_RIGHTS
        return held & RESTORED_RIGHTS if restored.is_inside(collection) else held

    async def _granted(self, collection: Collection) -> Rights:
        if collection.owner == self._session.owner:
            return EVERYTHING
        held = await self._session.core.directory.access.rights(self._session.person, collection)
        return held if held == EVERYTHING else held | await self._as_administrator(collection.owner)

    async def has_lost_selected(self) -> bool:
        """Whether the selected mailbox is another's and the person may not read it any more."""
        selected = self._session.collection
        if selected is None or selected.owner == self._session.owner:
            return False
        return Rights.READ not in await self.rights(selected)

    async def account_rights(self, owner: int) -> Rights:
        """What the person may do at the top of an owner's tree."""
        held = await self._session.core.directory.access.account_rights(self._session.person, owner)
        return held if held == EVERYTHING else held | await self._as_administrator(owner)

    async def _as_administrator(self, owner: int) -> Rights:
        """Who administers a department may do everything with what belongs to no person."""
        directory = self._session.core.directory
        principal = await directory.by_id(owner)
        if principal is None or principal.kind == "person":
            return NOTHING
        administers = await is_administrator(directory, self._session.person, principal.department)
        return EVERYTHING if administers else NOTHING

    async def place(self, name: str, missing: str = "NONEXISTENT") -> Place:
        """Whose mailbox a name means. NO with the code `missing` where there is nobody of that address."""
        place = await locate(self._session.core.directory, self._session.person, name)
        if place is None:
            raise no("no such mailbox", missing)
        return place

    async def find(
        self, name: str, rights: Rights, missing: str = "NONEXISTENT", *, may_be_empty_name: bool = False
    ) -> Collection:
        """The mailbox of a name, with rights on it. NO with the code `missing` where there is none, or only
        a name without a mailbox (unless `may_be_empty_name`)."""
        place = await self.place(name, missing)
        found = await self._session.core.store.read(
            lambda tx: collections.by_path(tx, place.owner.id, KIND, place.path)
        )
        if (
            found is None
            or (mailboxes.is_empty_name(found) and not may_be_empty_name)
            or is_hidden(self._session.core, found)
        ):
            raise no("no such mailbox", missing)
        try:
            await self.check(found, rights)
        except NotFound:
            raise no("no such mailbox", missing) from None
        if chat_folders.is_inside(found) and not mailboxes.is_empty_name(found):
            return await refresh(self._session.core, found)
        return found
