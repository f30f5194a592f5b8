# SPDX-License-Identifier: Apache-2.0
"""The structure changes while people are connected: rosters, presence and bookmarks follow at once.

What the directory says is read anew by itself; here those who are connected to this process are told of it:
roster pushes for who came, left or is called otherwise (RFC 6121 §2.1.6), presence of the one and unavailable
presence of the other, bookmarks of the rooms of the new unit (xep_0402_unit_rooms).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from armgs_server.directory.model import TOPIC
from armgs_server.storage.roster import RosterItem
from armgs_server.xmpp import roster
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.roster import Colleagues
from armgs_server.xmpp.stanza import head
from armgs_server.xmpp.subscriptions import UNAVAILABLE
from armgs_server.xmpp.xeps import xep_0402_unit_rooms
from armgs_server.xmpp.xeps.xep_0191_blocking import is_blocked

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

SETTLING: Final = 0.1  # seconds: an import of many people is followed in few steps
AT_ONCE: Final = 100  # accounts looked at before others have their turn

_Key = tuple[int, tuple[int, ...], bool]  # as in Server.colleagues


class Movements:
    """Follows the topic `directory` from `start` to `stop`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._changed: set[int] = set()  # principals
        self._before: dict[_Key, Colleagues] = {}  # as people were shown them
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        self._unsubscribe = self._server.store.bus.subscribe(TOPIC, self._on_change)

    def stop(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _on_change(self, data: bytes) -> None:
        self._server.offered.clear()
        if not self._server.accounts:
            return
        if not self._changed:
            self._before = dict(self._server.colleagues)
            self._server.spawn(self._follow())
        self._changed.add(int(data))

    async def _follow(self) -> None:
        await asyncio.sleep(SETTLING)
        changed, self._changed, before = self._changed, set(), self._before
        server = self._server
        departments = await self._departments(changed)
        shown_now: dict[_Key, Colleagues] = {}
        for number, account in enumerate(tuple(server.accounts.values())):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            old = account.principal
            if departments is not None and old.department not in departments:
                continue
            if not changed.isdisjoint((old.id, old.department)):
                found = await server.directory.by_id(old.id)
                if found is None or found.disabled:
                    continue  # the topic `kick` ends those sessions
                account.principal = found
                await xep_0402_unit_rooms.offer(server, account)
            person = account.principal
            key = (person.department, person.units, person.head)
            after = shown_now.get(key)
            if after is None:
                after = shown_now[key] = await roster.colleagues_of(server, person)
            shown = before.get((old.department, old.units, old.head))
            if shown is not None and shown is not after:
                await self._tell(account, shown, after)

    async def _departments(self, changed: set[int]) -> set[int] | None:
        """Where something has changed; None where that cannot be known, as somebody is gone."""
        found = [await self._server.directory.by_id(each) for each in changed]
        return None if None in found else {each.department for each in found if each is not None}

    async def _tell(self, account: Account, before: Colleagues, after: Colleagues) -> None:
        """What is different for one account."""
        jids = {
            jid
            for jid in before.items.keys() | after.items.keys()
            if before.items.get(jid) != after.items.get(jid) and jid != account.bare
        }
        if not jids:
            return
        account.forget_contacts()
        now = await roster.load(self._server, account.principal)
        for left, jid in zip(range(len(jids) - 1, -1, -1), sorted(jids), strict=True):
            item = now.get(jid) or RosterItem(jid, subscription="remove")
            # Only the last one makes the new version: who hears no more before it reads all anew.
            version = now.version if left == 0 else f"{before.digest}.{after.digest}.{left}"
            for session in account.interested():
                roster.push_item(session, item, version)
            await self._show(account, jid, is_seen=item.subscription in ("to", "both"))

    async def _show(self, account: Account, jid: str, *, is_seen: bool) -> None:
        """The colleague's presence as the account may see it from now on."""
        other = self._server.accounts.get(jid)
        if other is not None and is_blocked(other.blocked or frozenset(), parse(account.bare)):
            return
        for full, presence in await self._server.presences(jid):
            tail = presence if is_seen else UNAVAILABLE
            for session in account.available():
                session.send(head("presence", full, session.jid.full) + tail)
