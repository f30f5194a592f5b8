# SPDX-License-Identifier: Apache-2.0
"""Federation with real servers, both directions: messages, presence, rooms here and there, their archives."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.peers.federation_peers import Ejabberd, Peer, Prosody
from tests.world import HOST, IVANOV, PASSWORD, PORTS
from tests.xmpp.client import NAMESPACES, Client, chat, find, text
from tests.xmpp.federation import Authority, Workplace, federation, offsets
from tests.xmpp.rooms import create, enter, item, say

pytestmark = pytest.mark.peer


class Meeting:
    """Our Ivanov and their Orlova, both online."""

    def __init__(self, ours: Workplace, peer: Peer, ivanov: Client, orlova: Client) -> None:
        self.ours = ours
        self.peer = peer
        self.ivanov = ivanov
        self.orlova = orlova


class PeerClient(Client):
    """Logs in as these servers want it: with the local part."""

    async def authenticate(self, password: str = PASSWORD) -> None:
        initial = base64.b64encode(f"\0{self.jid.partition('@')[0]}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{initial}</auth>")
        await self.receive("sasl:success")


async def meet(stack: AsyncExitStack, path: Path, kind: type[Peer], tls: str, **options: bool) -> Meeting:
    authority = Authority(path / "ca")
    (offset,) = offsets(1)
    peer = kind(path / "peer", authority, PORTS["xmpp-server"] + offset, **options)
    section = federation(authority, {"*": f"{HOST}:{peer.s2s}"}, tls=tls)
    settings = {"federation": section, "server": {"port_offset": offset}}
    ours = await stack.enter_async_context(Workplace(path / "ours", authority, settings=settings))
    await stack.enter_async_context(peer)
    ivanov = await stack.enter_async_context(Client(ours, IVANOV, "office"))
    orlova = await stack.enter_async_context(PeerClient(peer, f"orlova@{peer.domain}", "desk"))
    for client in (ivanov, orlova):
        await client.log_in()
        await client.iq("<query xmlns='jabber:iq:roster'/>")  # RFC 6121 §3.1.6: for who is interested
        await client.go_online()
    return Meeting(ours, peer, ivanov, orlova)


@pytest.fixture(params=["certificates", "dialback"])
async def prosody(
    request: pytest.FixtureRequest, tmp_path: Path, debian: Callable[..., None]
) -> AsyncIterator[Meeting]:
    debian("prosody")
    by_certificate = request.param == "certificates"
    async with AsyncExitStack() as stack:
        tls = "verified" if by_certificate else "required"
        yield await meet(stack, tmp_path, Prosody, tls, is_secure=by_certificate)


async def test_prosody(prosody: Meeting) -> None:
    await check_messages(prosody)
    await check_presence(prosody)
    await check_our_room(prosody)
    await check_their_room(prosody)


@pytest.fixture
async def ejabberd(tmp_path: Path, debian: Callable[..., None]) -> AsyncIterator[Meeting]:
    debian("ejabberd")
    async with AsyncExitStack() as stack:
        yield await meet(stack, tmp_path, Ejabberd, "verified")


async def test_ejabberd(ejabberd: Meeting) -> None:
    await check_messages(ejabberd)
    await check_presence(ejabberd)
    await check_our_room(ejabberd)
    await check_their_room(ejabberd)


async def check_messages(meeting: Meeting) -> None:
    ivanov, orlova = meeting.ivanov, meeting.orlova
    ivanov.send(chat(orlova.jid, "Добрый день"))
    assert (await orlova.message("Добрый день")).get("from") == ivanov.full
    orlova.send(chat(ivanov.full, "Здравствуйте"))
    assert (await ivanov.message("Здравствуйте")).get("from") == orlova.full
    ivanov.send(chat(f"nobody@{meeting.peer.domain}", "есть кто?", id_="none"))
    error = await ivanov.receive("c:message", lambda stanza: stanza.get("id") == "none")
    assert error.get("type") == "error"
    orlova.send(chat("nobody@digital.example", "anybody?", id_="none"))
    error = await orlova.receive("c:message", lambda stanza: stanza.get("id") == "none")
    assert error.get("type") == "error"
    version = await orlova.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to="digital.example")
    assert version.get("type") == "result"


async def check_presence(meeting: Meeting) -> None:
    ivanov, orlova = meeting.ivanov, meeting.orlova
    for one, other in ((ivanov, orlova), (orlova, ivanov)):
        one.send(f"<presence type='subscribe' to='{other.jid}'/>")
        await other.presence_of(one.jid, "subscribe")
        other.send(f"<presence type='subscribed' to='{one.jid}'/>")
        await one.presence_of(other.jid, "subscribed")
        await one.presence_of(other.full)
    ivanov.send("<presence><show>away</show></presence>")
    assert text(await orlova.presence_of(ivanov.full), "c:show") == "away"
    orlova.send("<presence><show>dnd</show></presence>")
    assert text(await ivanov.presence_of(orlova.full), "c:show") == "dnd"


async def check_our_room(meeting: Meeting) -> None:
    room = "meeting@conference.digital.example"
    await create(meeting.ivanov, "Ivanov", room, persistentroom="1", whois="anyone")
    await enter(meeting.orlova, "Orlova", room=room)
    assert item(await meeting.ivanov.presence_of(f"{room}/Orlova"))["jid"] == meeting.orlova.full
    assert await talk(meeting.ivanov, meeting.orlova, room) == ["Начнём", "Готова"]


async def check_their_room(meeting: Meeting) -> None:
    room = f"meeting@conference.{meeting.peer.domain}"
    await enter(meeting.orlova, "Orlova", room=room)
    await enter(meeting.ivanov, "Ivanov", room=room)
    await meeting.orlova.presence_of(f"{room}/Ivanov")
    # prosody's files order messages of one second by chance.
    assert sorted(await talk(meeting.orlova, meeting.ivanov, room)) == ["Готова", "Начнём"]


async def talk(host: Client, guest: Client, room: str) -> list[str]:
    """Both speak, both hear; what the guest finds in the room's archive."""
    host.send(say("Начнём", room))
    await guest.message("Начнём")
    guest.send(say("Готова", room))
    await host.message("Готова")
    await guest.message("Готова")
    await guest.iq("<query xmlns='urn:xmpp:mam:2'/>", "set", room)
    found = [each for each in guest.stanzas if each.find("mam:result", NAMESPACES) is not None]
    messages = [find(each, "mam:result/forward:forwarded/c:message") for each in found]
    return [body for each in messages if (body := each.findtext("c:body", None, NAMESPACES))]
