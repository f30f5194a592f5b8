# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §6.2, §6.3: IQs to conference.DOMAIN itself: what it is, which rooms it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from armgs_server.storage import rooms as stored
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza, StanzaError, element, result
from armgs_server.xmpp.xeps import (
    xep_0030_disco,
    xep_0045_config,
    xep_0045_info,
    xep_0059_rsm,
    xep_0199_ping,
    xep_0433_channel_search,
    xep_0486_muc_avatars,
)
from armgs_server.xmpp.xeps.xep_0045_history import send
from armgs_server.xmpp.xeps.xep_0045_query import Registry, qualified
from armgs_server.xmpp.xeps.xep_0045_room import MUC, OCCUPANT_ID

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

ROOM_LIST: Final = 200  # rooms in one disco#items page
CONFERENCE: Final = "jabber:x:conference"  # XEP-0249

FEATURES: Final = (
    MUC,
    xep_0045_info.STABLE_ID,
    xep_0030_disco.INFO,
    xep_0030_disco.ITEMS,
    xep_0059_rsm.NAMESPACE,
    xep_0199_ping.NAMESPACE,
    OCCUPANT_ID,
    CONFERENCE,
    xep_0433_channel_search.NAMESPACE,
    xep_0486_muc_avatars.NAMESPACE,
)


async def answer_service(registry: Registry, stanza: Stanza, origin: JID, domain: str) -> None:
    """An IQ to conference.DOMAIN."""
    if stanza.type not in ("get", "set"):
        return
    kind = (stanza.type, *qualified(stanza))
    if kind == ("get", xep_0030_disco.INFO, "query"):
        inner = xep_0030_disco.info([("conference", "text", registry.name)], FEATURES)
    elif kind == ("get", xep_0030_disco.ITEMS, "query"):
        inner = await _list_rooms(registry.server, stanza.payload(), domain)
    elif kind == ("get", xep_0199_ping.NAMESPACE, "ping"):
        inner = b""
    elif kind == ("get", xep_0433_channel_search.NAMESPACE, "search"):
        inner = await xep_0433_channel_search.answer(registry.server, stanza.payload(), domain)
    else:
        raise StanzaError("service-unavailable")
    send(registry.server, origin, result(stanza, inner))


async def _list_rooms(server: Server, query: etree._Element, domain: str) -> bytes:
    """§6.3: the public rooms, a page at a time."""
    page = xep_0059_rsm.parse_set(query, ROOM_LIST)
    records = await server.store.read(
        lambda tx: stored.of_domain(tx, domain, page.after or "", max(1, page.max))
    )
    items = b""
    for record in records:
        config = xep_0045_config.from_data(record.data)
        if config.is_public:
            name = config.name or record.address.partition("@")[0]
            items += element("item", {"jid": record.address, "name": name})
    bounds = (records[0].address, records[-1].address) if records else ("", "")
    return element("query", {"xmlns": xep_0030_disco.ITEMS}, items + xep_0059_rsm.serialise_set(*bounds))
