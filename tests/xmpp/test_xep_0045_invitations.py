# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.8.2: invitations through the room, for who is there and who comes later."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from tests.world import IVANOV, PETROVA, SIDOROV
from tests.xmpp.client import NAMESPACES, Client, error_of, find, text
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import MUC, ROOM, configure, create, enter


def invite(*people: str) -> str:
    invites = "".join(f"<invite to='{jid}'><reason>tea</reason></invite>" for jid in people)
    return f"<message to='{ROOM}'><x xmlns='{MUC}#user'>{invites}</x></message>"


async def invitation(client: Client) -> Element:
    return await client.receive(
        "c:message", lambda stanza: stanza.find("user:x/user:invite", NAMESPACES) is not None
    )


async def test_an_invitation_names_the_room_and_who_invites(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov", passwordprotectedroom="1", roomsecret="sesame")
    ivanov.send(invite(PETROVA))
    message = await invitation(petrova)
    assert message.get("from") == ROOM
    assert find(message, "user:x/user:invite").get("from") == IVANOV
    assert text(message, "user:x/user:invite/user:reason") == "tea"
    assert text(message, "user:x/user:password") == "sesame"
    assert find(message, "conference:x").get("jid") == ROOM
    await enter(petrova, "petrova", "<password>sesame</password>")


async def test_who_is_away_finds_the_invitation_later(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov", membersonly="1")
    ivanov.send(invite(PETROVA))
    await ivanov.settle()
    petrova = await log_in(PETROVA)
    assert (await invitation(petrova)).get("from") == ROOM
    await enter(petrova, "petrova")  # the invitation has made her a member


async def test_an_invitation_is_declined(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    ivanov.send(invite(PETROVA))
    await invitation(petrova)
    decline = f"<decline to='{IVANOV}'><reason>busy</reason></decline>"
    petrova.send(f"<message to='{ROOM}'><x xmlns='{MUC}#user'>{decline}</x></message>")
    message = await ivanov.receive(
        "c:message", lambda stanza: stanza.find("user:x/user:decline", NAMESPACES) is not None
    )
    assert message.get("from") == ROOM
    assert find(message, "user:x/user:decline").get("from") == PETROVA
    assert text(message, "user:x/user:decline/user:reason") == "busy"


async def test_a_decline_goes_to_people_of_the_room_only(log_in: LogIn) -> None:
    """§7.8.2: to the inviter, by whatever address; nobody else is written to in the name of the room."""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create(ivanov, "ivanov", whois="moderators")
    ivanov.send(invite(PETROVA))
    inviter = find(await invitation(petrova), "user:x/user:invite").get("from")
    assert inviter == f"{ROOM}/ivanov"
    for to, reason in ((SIDOROV, "spam"), (f"{ROOM}/nobody", "lost")):
        decline = f"<decline to='{to}'><reason>{reason}</reason></decline>"
        petrova.send(f"<message to='{ROOM}'><x xmlns='{MUC}#user'>{decline}</x></message>")
        error = await petrova.receive("c:message", lambda stanza: stanza.get("type") == "error")
        assert error_of(error) == "not-acceptable"
    petrova.send(f"<message to='{ROOM}'><x xmlns='{MUC}#user'><decline to='{inviter}'/></x></message>")
    message = await ivanov.receive(
        "c:message", lambda stanza: stanza.find("user:x/user:decline", NAMESPACES) is not None
    )
    assert find(message, "user:x/user:decline").get("from") == PETROVA
    many = f"<decline to='{IVANOV}'/>" * 51
    petrova.send(f"<message to='{ROOM}'><x xmlns='{MUC}#user'>{many}</x></message>")
    error = await petrova.receive("c:message", lambda stanza: stanza.get("type") == "error")
    assert error_of(error) == "resource-constraint"
    assert not [each for each in await sidorov.settle() if each.get("from") == ROOM]


async def test_who_may_invite(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create(ivanov, "ivanov", allowinvites="0")
    await enter(petrova, "petrova")
    for client in (petrova, sidorov):
        client.send(invite(SIDOROV))
        error = await client.receive("c:message", lambda stanza: stanza.get("type") == "error")
        assert error_of(error) == ("forbidden" if client is petrova else "not-acceptable")
    await configure(ivanov, allowinvites="1")
    petrova.send(invite(SIDOROV))
    assert find(await invitation(sidorov), "user:x/user:invite").get("from") == PETROVA
    petrova.send(invite("@"))
    error = await petrova.receive("c:message", lambda stanza: stanza.get("type") == "error")
    assert error_of(error) == "jid-malformed"
    petrova.send(invite(*(f"p{number}@digital.example" for number in range(51))))
    error = await petrova.receive("c:message", lambda stanza: stanza.get("type") == "error")
    assert error_of(error) == "resource-constraint"
