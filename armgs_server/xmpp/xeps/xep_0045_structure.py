# SPDX-License-Identifier: Apache-2.0
"""Rooms that follow from the structure: each unit has a room and one for announcements, each department
one for announcements. Who belongs to them is computed from the directory and never kept.

`unit-NUMBER@`, `unit-NUMBER-news@` and `department-news@conference.DOMAIN`. Such a room is made when somebody
first turns to it. The people of a unit, and of those below it, are its members, who lead it its admins; who
leads the department owns all its rooms. Where announcements are made the heads write and all read.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from armgs_server.directory import Principal, structure
from armgs_server.storage import rooms
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.xeps.xep_0045_config import RoomConfig
from armgs_server.xmpp.xeps.xep_0045_room import Affiliation, Place, Room

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

_LOCAL: Final = re.compile(r"unit-([1-9][0-9]{0,17})(-news)?|department-news")
_CONFIG: Final = RoomConfig(is_public=False, members_only=True)
_NEWS: Final = dataclasses.replace(
    _CONFIG,
    is_moderated=True,
    allow_voice_requests=False,
    private_messages="none",
    presence_broadcast=("moderator",),  # thousands may listen
    member_list=("moderator",),
)
_NEWS_NAME: Final = {"en": "Announcements: {}", "ru": "Объявления: {}"}


def is_reserved(address: JID) -> bool:
    """Whether nobody makes a room of that address by hand."""
    return _LOCAL.fullmatch(address.local) is not None


async def place_of(server: Server, address: JID) -> Place | None:
    """What of the structure a room's address stands for; None where there is nothing of the kind."""
    match = _LOCAL.fullmatch(address.local)
    domain = address.domain.partition(".")[2]
    department = server.directory.domains.get(domain)
    if match is None or department is None or server.config.xmpp.unit_rooms == "off":
        return None
    if match[1] is None:
        return Place(department, 0, is_news=True)
    unit = await server.directory.by_id(int(match[1]))
    if unit is None or unit.kind != "unit" or unit.department != department:
        return None
    return Place(department, unit.id, is_news=match[2] is not None)


async def name_of(server: Server, place: Place) -> str:
    """What the room is called: after the unit or the department."""
    body = await server.directory.by_id(place.unit or place.department)
    name = body.name if body is not None else ""
    return _NEWS_NAME[server.config.xmpp.language].format(name) if place.is_news else name


async def standing(server: Server, place: Place) -> Mapping[str, Affiliation]:
    """Who belongs to the room: bare JIDs, and for a whole department its domains."""
    directory = server.directory
    found: dict[str, Affiliation] = {}
    unit = await directory.by_id(place.unit) if place.unit else None
    if unit is None:
        for domain, department in directory.domains.items():
            if department == place.department:
                found[domain] = Affiliation.MEMBER
    else:
        people = await directory.members(unit)
        found.update({each.address: Affiliation.MEMBER for each in people if not each.disabled})
    for head in await directory.heads(place.department):
        if head.disabled:
            continue
        if 0 in head.led:
            found[head.address] = Affiliation.OWNER
        elif place.unit == 0 or place.unit in head.led:
            found[head.address] = Affiliation.ADMIN
    return found


async def people(server: Server, place: Place | None, jids: Iterable[str]) -> list[Principal]:
    """The people of ours who belong to a room: those of its place, else those with such an affiliation."""
    directory = server.directory
    if place is not None:
        body = await directory.by_id(place.unit or place.department)
        found = await directory.members(body) if body is not None else []
        return [person for person in found if not person.disabled]
    known = [await server.person(parse(jid)) for jid in jids]
    return [person for person in known if person is not None]


async def create(server: Server, address: JID, place: Place) -> None:
    """The room with its archive; called by the process where it lives."""
    name = await name_of(server, place)
    config = _NEWS if place.is_news else _CONFIG

    async def work(tx: Tx) -> None:
        made = await structure.create_chatroom(tx, address.bare, name, place.department)
        await rooms.create(tx, made.id, address.bare, config.to_data(), ())

    await server.store.write(work)


async def settle(server: Server, room: Room) -> None:
    """Gives a room that was just loaded its name and its people."""
    assert room.place is not None, "only rooms of the structure settle"
    room.config = dataclasses.replace(room.config, name=await name_of(server, room.place))
    room.take_standing(await standing(server, room.place))
