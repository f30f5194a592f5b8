# SPDX-License-Identifier: Apache-2.0
"""Rooms and push services (XEP-0357): who belongs to a room and sleeps is notified, others are not."""

from __future__ import annotations

from tests.world import IVANOV, PETROVA, SIDOROV
from tests.xmpp.client import Client
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import ROOM, administer, create, say

PUSH = "urn:xmpp:push:0"


async def enable(client: Client, service: Client) -> None:
    """The push service is a session of somebody's, which sees what is sent to it."""
    answer = await client.iq(f"<enable xmlns='{PUSH}' jid='{service.full}' node='{client.jid}'/>", "set")
    assert answer.get("type") == "result"


async def test_members_who_sleep_are_notified(log_in: LogIn) -> None:
    service = await log_in(SIDOROV)
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await enable(petrova, service)
    await enable(ivanov, service)
    await create(ivanov, "ivanov")
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='member'/>")
    await petrova.disconnect()
    ivanov.send(say("wake up"))
    await ivanov.message("wake up")
    request = await service.receive("c:iq", lambda stanza: stanza.get("type") == "set")
    publish = request.find(".//{http://jabber.org/protocol/pubsub}publish")
    assert publish is not None and publish.get("node") == PETROVA
    await ivanov.settle()
    assert [each for each in await service.settle() if each.tag.endswith("}iq")] == []


async def test_who_does_not_belong_to_the_room_is_not(log_in: LogIn) -> None:
    service = await log_in(SIDOROV)
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await enable(petrova, service)
    await petrova.disconnect()
    room = f"other-{ROOM}"
    await create(ivanov, "ivanov", room)
    await create(ivanov, "ivanov")
    ivanov.send(say("nobody wakes", room))
    await ivanov.message("nobody wakes")
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='member'/>")
    ivanov.send(say("a member wakes"))
    request = await service.receive("c:iq", lambda stanza: stanza.get("type") == "set")
    assert ROOM in "".join(request.itertext())
    assert room not in "".join(request.itertext())
    assert [each for each in await service.settle() if each.tag.endswith("}iq")] == []
