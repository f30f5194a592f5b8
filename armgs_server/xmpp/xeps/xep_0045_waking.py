# SPDX-License-Identifier: Apache-2.0
"""Devices that sleep hear of what is said in their rooms (XEP-0357), joined or not.

Whoever belongs to a room (members and above, the people of a unit) and has a device with a push service that
is away is notified. A room notifies once in a while, of the last message; nobody waits for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from armgs_server.storage import clock
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza
from armgs_server.xmpp.xeps import xep_0045_structure, xep_0357_push
from armgs_server.xmpp.xeps.xep_0045_room import Affiliation, Room

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

GATHERING: Final = 1.0  # seconds between notifications of one room
KNOWN: Final = 60 * clock.SECOND  # for so long the people of a room are not looked up again
SLICE: Final = 200  # people looked at before the loop turns


def tell(server: Server, room: Room, stanza: Stanza, from_: JID) -> None:
    """A message has been said; those who sleep will hear of it."""
    notice = xep_0357_push.notice_of(stanza, from_)
    if notice is None:
        return
    if room.notice is None:
        server.spawn(_wake(server, room))
    room.notice = notice


async def _wake(server: Server, room: Room) -> None:
    await asyncio.sleep(GATHERING)
    notice, room.notice = room.notice, None
    assert notice is not None, "whoever starts this sets it"
    if room.people_until < clock.now():
        jids = [jid for jid, each in room.affiliations.items() if each >= Affiliation.MEMBER]
        room.people = await xep_0045_structure.people(server, room.place, jids)
        room.people_until = clock.now() + KNOWN
    sender = room.occupants.get(notice.sender.partition("/")[2])
    for number, person in enumerate(room.people):
        if number % SLICE == SLICE - 1:
            await asyncio.sleep(0)
        is_sender = sender is not None and sender.bare.full == person.address
        if not is_sender and await server.pushes.get(person.id):
            await xep_0357_push.wake(server, person, notice)
