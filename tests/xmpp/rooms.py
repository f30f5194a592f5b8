# SPDX-License-Identifier: Apache-2.0
"""What the room tests do with a client: enter, read what the room says."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from tests.xmpp.client import NAMESPACES, Client

ROOM = "tea@conference.digital.example"
MUC = "http://jabber.org/protocol/muc"
NAMESPACES.update(
    {
        "muc": MUC,
        "user": f"{MUC}#user",
        "admin": f"{MUC}#admin",
        "owner": f"{MUC}#owner",
        "data": "jabber:x:data",
        "occupant": "urn:xmpp:occupant-id:0",
        "conference": "jabber:x:conference",
    }
)
INSTANT = (
    "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
)


def entry(nick: str, inner: str = "", room: str = ROOM, id_: str = "enter") -> str:
    return f"<presence to='{room}/{nick}' id='{id_}'><x xmlns='{MUC}'>{inner}</x></presence>"


async def enter(client: Client, nick: str, inner: str = "", room: str = ROOM) -> Element:
    """Enters; own presence. What came before and after is kept, the subject ends it."""
    client.send(entry(nick, inner, room))
    own = await client.presence_of(f"{room}/{nick}")
    await client.receive("c:message", lambda stanza: stanza.find("c:subject", NAMESPACES) is not None)
    return own


async def create(client: Client, nick: str, room: str = ROOM, **fields: str) -> Element:
    """A new room, configured with the fields (roomconfig_…), or instant."""
    own = await enter(client, nick, room=room)
    answer = await configure(client, room, **fields) if fields else await client.iq(INSTANT, "set", room)
    assert answer.get("type") == "result"
    return own


async def configure(client: Client, room: str = ROOM, **fields: str) -> Element:
    inner = "".join(
        f"<field var='muc#roomconfig_{name}'><value>{value}</value></field>" for name, value in fields.items()
    )
    form_type = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
    form = f"<x xmlns='jabber:x:data' type='submit'>{form_type}{inner}</x>"
    return await client.iq(f"<query xmlns='{MUC}#owner'>{form}</query>", "set", room)


async def administer(client: Client, item: str, room: str = ROOM) -> Element:
    return await client.iq(f"<query xmlns='{MUC}#admin'>{item}</query>", "set", room)


def say(body: str, room: str = ROOM, id_: str = "say") -> str:
    return f"<message type='groupchat' to='{room}' id='{id_}'><body>{body}</body></message>"


def codes(stanza: Element) -> list[int]:
    """The status codes (§15.6.2), in order."""
    return sorted(int(code.get("code", "")) for code in stanza.iterfind("user:x/user:status", NAMESPACES))


def item(stanza: Element) -> dict[str, str]:
    found = stanza.find("user:x/user:item", NAMESPACES)
    assert found is not None, "a presence of a room has an item"
    return dict(found.attrib)
