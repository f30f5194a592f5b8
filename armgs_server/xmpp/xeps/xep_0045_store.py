# SPDX-License-Identifier: Apache-2.0
"""XEP-0045: a room as it comes out of the store, and who is in it while it lives in no process.

A process that stops leaves the people of its rooms to the store, so that whoever can resume (XEP-0198 §5)
stays in them; the process where the room lives next begins with these people.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from armgs_server.storage import rooms
from armgs_server.storage.rooms import AffiliationRecord, RoomRecord
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.xeps import xep_0045_config, xep_0045_history, xep_0045_structure
from armgs_server.xmpp.xeps.xep_0045_config import RoomConfig
from armgs_server.xmpp.xeps.xep_0045_room import Affiliation, Past, Place, Role, Room, Seat

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server


async def load(
    server: Server, address: JID, place: Place | None, make: Callable[[JID, int, RoomConfig], Room]
) -> tuple[Room, list[Seat]] | None:
    """The room and those of its people whose session has ended meanwhile; called once at a time."""
    limit = server.config.xmpp.room_history

    async def work(tx: Tx) -> tuple[RoomRecord, list[AffiliationRecord], list[Past], bool] | None:
        found = await rooms.load(tx, address.bare)
        if found is None:
            return None
        owner = found[0].owner
        past = await xep_0045_history.load(tx, owner, address, limit)
        return *found, past, await rooms.has_seats(tx, owner)

    loaded = await server.store.read(work)
    if loaded is None:
        return None
    record, affiliations, history, has_seats = loaded
    room = make(address, record.owner, xep_0045_config.from_data(record.data))
    room.subject = record.subject
    room.history.extend(history)
    for each in affiliations:
        room.set_affiliation(each.jid, Affiliation[each.affiliation.upper()], each.nick, each.reason)
    if place is not None:
        room.place = place
        await xep_0045_structure.settle(server, room)
    return room, await _seat(server, room) if has_seats else []


async def leave(server: Server, room: Room) -> None:
    """Leaves the people of the room to the process where it lives next."""
    state = freeze(room)

    async def work(tx: Tx) -> None:
        await room.check_home(tx)
        await rooms.leave_seats(tx, room.owner, state)

    await server.store.write(work)


async def _seat(server: Server, room: Room) -> list[Seat]:
    async def work(tx: Tx) -> str | None:
        await room.check_home(tx)
        return await rooms.take_seats(tx, room.owner)

    state = await server.store.write(work)
    if state is not None:
        thaw(room, state)
    return await _absent(server, room)


def freeze(room: Room) -> str:
    """Occupants in the order they came, with their roles and seats."""
    occupants = [
        {
            "nick": occupant.nick,
            "role": occupant.role.text,
            "hats": occupant.hats.decode(),
            "seats": [[seat.jid.full, seat.presence.decode()] for seat in occupant.seats.values()],
        }
        for occupant in room.occupants.values()
    ]
    return json.dumps(occupants, ensure_ascii=False)


def thaw(room: Room, state: str) -> None:
    """Puts everybody back into a room that is empty."""
    occupants: list[dict[str, Any]] = json.loads(state)
    for occupant in occupants:
        for full, presence in occupant["seats"]:
            seat = room.enter(parse(full), occupant["nick"], presence.encode())
            seat.occupant.role = Role[occupant["role"].upper()]
            seat.occupant.hats = occupant["hats"].encode()


async def _absent(server: Server, room: Room) -> list[Seat]:
    """Those whose session has ended meanwhile; of other servers' people nobody knows."""
    missing = [
        seat
        for seat in room.seats.values()
        if server.is_local(seat.jid.domain) and server.session(seat.jid) is None
    ]
    if server.processes is None or not missing:
        return missing
    rows = await server.processes.sessions_of({seat.jid.bare for seat in missing})
    elsewhere = {f"{row.address}/{row.resource}" for row in rows}
    return [seat for seat in missing if seat.jid.full not in elsewhere]


async def renew(server: Server, room: Room) -> None:
    """Who stands how was changed in the store, by the directory: a successor owns the room from now on."""
    kept = {each.jid: each for each in await server.store.read(lambda tx: rooms.affiliations(tx, room.owner))}
    for bare in room.affiliations.keys() - kept.keys():
        room.set_affiliation(bare, Affiliation.NONE)
    for each in kept.values():
        room.set_affiliation(each.jid, Affiliation[each.affiliation.upper()], each.nick, each.reason)
