# SPDX-License-Identifier: Apache-2.0
"""XEP-0045: Multi-User Chat, the service at conference.DOMAIN. The parts are in the files beside this one:
config, room (state), homes, presence, history, messages, invitations, admin, owner, queries.

Invariants:
- A room is in memory while somebody is in it or a stanza for it is being handled, else in the store only.
- What the store keeps of a room (configuration, subject, affiliations, archive) is changed there first.
- A room lives in one process (homes); its messages are in the order in which their commits returned.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from armgs_server import log
from armgs_server.directory import people, structure
from armgs_server.directory.model import TOPIC
from armgs_server.directory.passwords import load_secret
from armgs_server.errors import DomainError
from armgs_server.storage import archive, clock, rooms
from armgs_server.storage.rooms import AffiliationRecord
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import Stanza, StanzaError, head
from armgs_server.xmpp.xeps import (
    xep_0045_admin,
    xep_0045_presence,
    xep_0045_queries,
    xep_0045_requests,
    xep_0045_service,
    xep_0045_store,
    xep_0045_structure,
    xep_0317_hats,
)
from armgs_server.xmpp.xeps.xep_0045_config import RoomConfig
from armgs_server.xmpp.xeps.xep_0045_homes import Homes
from armgs_server.xmpp.xeps.xep_0045_room import MUC, Affiliation, Room

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

_LOG = log.get("xmpp")
LABEL = "conference"
SETTLING = 0.1  # seconds: an import of many people is followed in few steps


class Rooms:
    """The host; see the head of this file."""

    name = "Chat rooms"

    def __init__(self, server: Server) -> None:
        self.server = server
        self._rooms: dict[str, Room] = {}  # by address
        self._busy: Counter[str] = Counter()  # stanzas being handled for a room: it stays in memory meanwhile
        self._homes = Homes(server, self.handle, self._lose)
        self._secret = b""
        self._seen: dict[tuple[int, str], int] = {}  # who has left: up to which archive id it had seen
        self._loading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._restless: set[int] = set()  # principals that have changed
        server.before_parking.append(self.park)
        server.store.bus.subscribe(TOPIC, self._on_directory)

    async def handle(self, stanza: Stanza, origin: JID) -> None:
        """One stanza to conference.DOMAIN, a room, or an occupant."""
        to = jids.parse(stanza.to)
        if not to.local:
            if stanza.name != "iq":
                raise StanzaError("service-unavailable")
            await xep_0045_service.answer_service(self, stanza, origin, to.domain)
        elif await self._homes.is_here(to.bare):
            self._busy[to.bare] += 1
            try:
                await self._handle_here(stanza, origin, to)
            finally:
                self._busy[to.bare] -= 1
                await self._release(to.bare)
        elif not await self._homes.forward(stanza, origin, to.bare):
            await self.handle(stanza, origin)  # its home has stopped

    async def _handle_here(self, stanza: Stanza, origin: JID, to: JID) -> None:
        enters = stanza.name == "presence" and stanza.type == "" and stanza.has("x", MUC)
        hats = await xep_0317_hats.of(self.server, origin) if enters else b""
        room = self._rooms.get(to.bare) or await self._load(to.to_bare())
        if xep_0045_structure.is_reserved(to):
            if room is None or (room.place is not None and self.server.is_outside(origin.domain)):
                raise StanzaError("item-not-found", "there is no such room")
        if room is not None and room.is_destroyed:
            raise StanzaError("recipient-unavailable", "the room is being closed")
        is_new = room is None and enters and bool(to.resource)  # §10.1.1: who enters a new room makes it
        if is_new:
            room = self._rooms[to.bare] = self._make(to.to_bare(), 0, RoomConfig())
        if stanza.name == "presence" and (stanza.type or room is not None):
            self._handle_presence(room, stanza, origin, to.resource, hats, is_new=is_new)
        elif stanza.name == "presence":
            xep_0045_presence.turn_away(self.server, to, to.resource, origin)
        elif stanza.name == "iq" and to.resource:
            await xep_0045_queries.relay(self.server, room, stanza, origin, to.resource)
        elif stanza.name == "iq":
            await xep_0045_queries.answer_room(self, room, stanza, origin)
        else:
            await xep_0045_requests.handle_message(self, room, stanza, origin, to.resource)

    async def gone(self, origin: JID) -> None:
        """The session ended together with its process, which could not say so any more."""
        for room in tuple(self._rooms.values()):
            seat = room.seats.get(origin.full)
            if seat is not None:
                address = f"{room.address.bare}/{seat.occupant.nick}"
                data = head("presence", origin.full, address) + b" type='unavailable'/>"
                await self.handle(parse_stanza(data), origin)

    # Rooms in memory and in the store

    async def park(self) -> None:
        """The process stops: whoever is in a room stays in it, wherever the room lives next."""
        await self._homes.close()
        results = await asyncio.gather(
            *(self._park(room) for room in tuple(self._rooms.values())), return_exceptions=True
        )
        for error in results:
            if isinstance(error, DomainError):
                _LOG.warning("a room is left without its people", error=error.text)
        self._homes.closed()

    async def _park(self, room: Room) -> None:
        if room.is_locked:  # nobody but its creator knows it
            self._lose(room.address.bare)
        else:
            await xep_0045_store.leave(self.server, room)
            self._rooms.pop(room.address.bare, None)
        await self._homes.let_go(room.address.bare)

    async def _load(self, address: JID) -> Room | None:
        lock = self._loading.setdefault(address.bare, asyncio.Lock())
        async with lock:
            known = self._rooms.get(address.bare)
            if known is not None:
                return known  # somebody else was faster
            if not self._secret:
                self._secret = await self.server.store.write(lambda tx: load_secret(tx, "occupant_secret"))
            place = await xep_0045_structure.place_of(self.server, address)
            loaded = await xep_0045_store.load(self.server, address, place, self._make)
            if loaded is None and place is not None:
                await xep_0045_structure.create(self.server, address, place)
                loaded = await xep_0045_store.load(self.server, address, place, self._make)
            if loaded is None:
                return None
            room, absent = loaded
            self._rooms[address.bare] = room
        for seat in absent:
            xep_0045_presence.leave(self.server, room, seat, b"")
        return room

    def _make(self, address: JID, owner: int, config: RoomConfig) -> Room:
        room = Room(address, owner, config, self._secret, self.server.config.xmpp.room_history)
        room.lease = self._homes.lease(address.bare)
        return room

    async def _release(self, address: str) -> None:
        """Lets go of a room that nobody is in; §10.9: a temporary one is destroyed then."""
        if self._busy[address]:
            return
        del self._busy[address]
        room = self._rooms.get(address)
        if room is not None and room.left:
            self._note(room)
        if room is not None and not room.seats:
            if room.is_destroyed:
                return  # whoever destroys it goes on
            if not room.is_locked and not room.config.is_persistent:
                await self.forget(room)
            self._rooms.pop(address, None)
        if address not in self._rooms:
            await self._homes.let_go(address)

    def _lose(self, address: str) -> None:
        """The room lives in another process by now; whoever is in it here has to enter again."""
        room = self._rooms.pop(address, None)
        if room is not None:
            for occupant in tuple(room.occupants.values()):
                change = xep_0045_presence.Change(codes=(332,), is_leaving=True)
                xep_0045_presence.remove(self.server, room, occupant, change)

    def _note(self, room: Room) -> None:
        """Who has left had seen the room up to then."""
        left, room.left = room.left, {}
        for bare, time in left.items():
            if not room.is_locked and self.server.is_local(jids.parse(bare).domain):
                self._seen[room.owner, bare] = archive.first_id(time)

    def sightings(self) -> dict[tuple[int, str], int]:
        """By room and bare JID of ours, the archive id that was seen; those who have left are named once."""
        seen, self._seen = self._seen, {}
        now = archive.first_id(clock.now())
        for room in self._rooms.values():
            for occupant in room.occupants.values():
                if not room.is_locked and self.server.is_local(occupant.bare.domain):
                    seen[room.owner, occupant.bare.full] = now
        return seen

    def _on_directory(self, data: bytes) -> None:
        """Somebody has moved, perhaps: rooms that are in memory follow."""
        if self._rooms:
            if not self._restless:
                self.server.spawn(self._follow())
            self._restless.add(int(data))

    async def _follow(self) -> None:
        await asyncio.sleep(SETTLING)
        changed, self._restless = self._restless, set()
        rooms_ = tuple(self._rooms.values())
        hats = await xep_0317_hats.of_changed(self.server, changed)
        for room in rooms_:
            await asyncio.sleep(0)
            xep_0045_presence.wear(self.server, room, hats)
            if room.place is not None and not room.is_destroyed:
                standing = await xep_0045_structure.standing(self.server, room.place)
                xep_0045_admin.follow(self.server, room, standing)
            elif room.owner in changed and not room.is_destroyed:
                await xep_0045_store.renew(self.server, room)

    async def keep(self, room: Room) -> None:
        """Unlocks a new room: from now on it is in the store."""
        bare, domain = room.address.bare, room.address.domain.partition(".")[2]
        department = self.server.directory.domains[domain]
        owner_jids = room.with_affiliation(Affiliation.OWNER)
        limit = self.server.config.xmpp.rooms_owned
        affiliations = [
            AffiliationRecord(jid, each.text, room.nicks.get(jid, ""), room.reasons.get(jid, ""))
            for jid, each in room.affiliations.items()
        ]

        async def work(tx: Tx) -> int:
            await room.check_home(tx)
            if await rooms.count_of(tx, owner_jids[0], "owner") >= limit:
                raise StanzaError("resource-constraint", f"nobody owns more than {limit} rooms")
            made = await structure.create_chatroom(tx, bare, room.config.name, department)
            await rooms.create(tx, made.id, bare, room.config.to_data(), affiliations)
            return made.id

        room.owner = await self.server.store.write(work)

    async def forget(self, room: Room) -> None:
        """Takes a room out of the store and out of memory."""
        room.is_destroyed = True
        try:
            if not room.is_locked:
                await self.server.store.write(lambda tx: self._delete(tx, room))
        except DomainError:
            room.is_destroyed = False
            raise
        self._rooms.pop(room.address.bare, None)

    async def _delete(self, tx: Tx, room: Room) -> None:
        await room.check_home(tx)
        await rooms.delete(tx, room.owner)
        await people.delete(tx, room.owner)

    def _handle_presence(
        self, room: Room | None, stanza: Stanza, origin: JID, nick: str, hats: bytes, *, is_new: bool
    ) -> None:
        seat = room.seats.get(origin.full) if room is not None else None
        if stanza.type in ("unavailable", "error"):
            if room is not None and seat is not None:
                codes = (333,) if stanza.type == "error" else ()
                presence = xep_0045_presence.payload(stanza) if stanza.type == "unavailable" else b""
                xep_0045_presence.leave(self.server, room, seat, presence, codes)
            return
        if stanza.type:
            raise StanzaError("feature-not-implemented", "rooms have no subscriptions")
        assert room is not None, "without a type, presence enters a room that is made or there"
        if not nick or nick.isspace():
            raise StanzaError("jid-malformed", "a nickname is needed")  # §7.2.1, §15.1
        if seat is None and not stanza.has("x", MUC):
            xep_0045_presence.turn_away(self.server, room.address, nick, origin)
            return
        if is_new:
            room.affiliations[origin.bare] = Affiliation.OWNER  # §10.1.1
        if seat is None:
            xep_0045_presence.enter(self.server, room, stanza, origin, nick, hats, is_new=is_new)
        elif seat.occupant.nick != nick:
            xep_0045_presence.change_nick(self.server, room, seat, stanza, nick)
        elif stanza.has("x", MUC):
            xep_0045_presence.enter_again(self.server, room, seat, stanza)
        else:
            xep_0045_presence.update(self.server, room, seat, stanza)
