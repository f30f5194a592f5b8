# SPDX-License-Identifier: Apache-2.0
"""XEP-0402: the rooms of a person's unit among the person's bookmarks, so that every client joins them.

A bookmark is offered once: who removes it, or takes `autojoin` away, is not offered it again; who leaves the
unit loses it. What was offered is kept in a document. `[xmpp] unit_rooms` turns this off, and so do people
and departments for themselves (room_wishes).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from armgs_server.directory.unit_rooms import rooms_of
from armgs_server.storage import documents, pubsub
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import room_wishes
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.stanza import element
from armgs_server.xmpp.xeps import xep_0045_structure, xep_0402_bookmarks
from armgs_server.xmpp.xeps import xep_0163_behalf as behalf
from armgs_server.xmpp.xeps.xep_0060_notify import Event, notify
from armgs_server.xmpp.xeps.xep_0163_pep import nodes_of

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

DOCUMENT: Final = "rooms of the unit"
_NODE: Final = xep_0402_bookmarks.NATIVE


async def offer(server: Server, account: Account) -> None:
    """Adds bookmarks of rooms that the person has come to belong to, and takes those of others away."""
    person = account.principal
    offered = await server.store.read(lambda tx: _offered(tx, person.id))
    wanted = await _wanted(server, account)
    server.offered.add(person.id)
    if wanted.keys() == offered:
        return
    nodes = nodes_of(server, person)

    async def work(tx: Tx) -> list[Event]:
        before = await _offered(tx, person.id)
        events: list[Event] = []
        present = {
            item.id for item in await pubsub.items(tx, nodes.owner, _NODE, limit=nodes.settings.node_items)
        }
        for room, name in wanted.items():
            if room not in before and room not in present:
                bookmark = element("conference", {"xmlns": _NODE, "name": name, "autojoin": "true"})
                events += await behalf.publish(tx, nodes, _NODE, room, bookmark)
        gone = [room for room in sorted(before - wanted.keys()) if room in present]
        events += await behalf.retract(tx, nodes, _NODE, gone)
        if events:
            events += await xep_0402_bookmarks.on_native(tx, nodes)
        await documents.put(tx, person.id, DOCUMENT, json.dumps(sorted(wanted)).encode())
        return events

    await notify(nodes, await server.store.write(work))


async def _offered(tx: Tx, owner: int) -> set[str]:
    kept = await documents.get(tx, owner, DOCUMENT)
    return set(json.loads(kept)) if kept is not None else set()


async def _wanted(server: Server, account: Account) -> dict[str, str]:
    """Address and name of each room; none for who is in no unit, or does not want them."""
    person = account.principal
    if not any(person.units) or server.config.xmpp.unit_rooms != "bookmarked":
        return {}
    if not await room_wishes.is_wanted(server.directory, person, room_wishes.BOOKMARKS):
        return {}
    found = {}
    for address in rooms_of(person):
        place = await xep_0045_structure.place_of(server, parse(address))
        if place is not None:
            found[address] = await xep_0045_structure.name_of(server, place)
    return found
