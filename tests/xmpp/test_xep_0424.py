# SPDX-License-Identifier: Apache-2.0
"""XEP-0424, XEP-0425: what is taken back is in no archive and no history any more, only that it was there."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats.xmltree import quote
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.xeps import xep_0424_retraction
from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import NAMESPACES, Client, error_of, find, text
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import ROOM, create, enter, entry, say

RETRACT = "urn:xmpp:message-retract:1"
MODERATE = "urn:xmpp:message-moderate:1"
NAMESPACES.update({"retract": RETRACT, "moderate": MODERATE})
QUERY = "<query xmlns='urn:xmpp:mam:2'/>"


def retraction(target: str, to: str, type_: str) -> str:
    return (
        f"<message to='{to}' type='{type_}' id='undo'><retract xmlns='{RETRACT}' id='{target}'/>"
        "<body>taken back</body></message>"
    )


async def archived(client: Client, to: str | None = None) -> list[Element]:
    """The messages of an archive, in order."""
    await client.settle()
    await client.iq(QUERY, "set", to)
    found = []
    for stanza in await client.settle():
        message = stanza.find("mam:result/forward:forwarded/c:message", NAMESPACES)
        if message is not None:
            found.append(message)
    return found


def moderate(target: str, reason: str = "spam") -> str:
    inner = f"<retract xmlns='{RETRACT}'/><reason>{reason}</reason>"
    return f"<moderate xmlns='{MODERATE}' id='{target}'>{inner}</moderate>"


async def said(client: Client, speaker: Client, body: str) -> str:
    """The archive id of what somebody says in the room."""
    speaker.send(say(body))
    return find(await client.message(body), "sid:stanza-id").get("id", "")


async def test_between_two_people(tmp_path: Path, store_url: str) -> None:
    async with World(tmp_path, store_url=store_url) as world:
        async with Client(world, IVANOV) as ivanov, Client(world, PETROVA) as petrova:
            await (await ivanov.log_in()).go_online()
            await (await petrova.log_in()).go_online()
            ivanov.send(f"<message to='{PETROVA}' type='chat' id='m1'><body>secret</body></message>")
            await petrova.message("secret")
            petrova.send(retraction("m1", IVANOV, "chat"))  # not hers
            await ivanov.message("taken back")
            for client in (ivanov, petrova):
                assert [text(each, "c:body") for each in await archived(client)] == ["secret", "taken back"]
            ivanov.send(retraction("m1", PETROVA, "chat"))
            await petrova.message("taken back")
            for client in (ivanov, petrova):
                tombstone, *others = await archived(client)
                assert tombstone.find("c:body", NAMESPACES) is None
                retracted = find(tombstone, "retract:retracted")
                assert (tombstone.get("id"), retracted.get("id")) == ("m1", "undo")
                assert retracted.get("stamp")
                assert [text(each, "c:body") for each in others] == ["taken back", "taken back"]


async def test_in_a_room(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    target = await said(petrova, ivanov, "secret")
    petrova.send(retraction(target, ROOM, "groupchat"))  # not hers
    await petrova.message("taken back")
    assert [text(each, "c:body") for each in await archived(petrova, ROOM)] == ["secret", "taken back"]
    ivanov.send(retraction(target, ROOM, "groupchat"))
    await petrova.message("taken back")
    tombstone = (await archived(petrova, ROOM))[0]
    assert tombstone.find("c:body", NAMESPACES) is None
    assert find(tombstone, "retract:retracted").get("id") == "undo"
    assert tombstone.find("occupant:occupant-id", NAMESPACES) is not None
    sidorov.send(entry("sidorov"))
    await sidorov.receive("c:message", lambda stanza: stanza.find("c:subject", NAMESPACES) is not None)
    assert "secret" not in [each.findtext("c:body", "", NAMESPACES) for each in sidorov.stanzas]


async def test_by_a_moderator(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    target = await said(ivanov, petrova, "buy this")
    assert error_of(await petrova.iq(moderate(target), "set", ROOM)) == "forbidden"
    assert error_of(await ivanov.iq(moderate("12"), "set", ROOM)) == "item-not-found"
    assert error_of(await ivanov.iq(moderate("twelve"), "set", ROOM)) == "item-not-found"
    nothing = f"<moderate xmlns='{MODERATE}' id='{target}'/>"
    assert error_of(await ivanov.iq(nothing, "set", ROOM)) == "bad-request"
    assert (await ivanov.iq(moderate(target), "set", ROOM)).get("type") == "result"
    for client in (ivanov, petrova):
        told = await client.receive(
            "c:message", lambda stanza: stanza.find("retract:retract", NAMESPACES) is not None
        )
        assert (told.get("from"), told.get("type")) == (ROOM, "groupchat")
        retract = find(told, "retract:retract")
        assert (retract.get("id"), text(retract, "retract:reason")) == (target, "spam")
        assert find(retract, "moderate:moderated").get("by") == f"{ROOM}/ivanov"
    tombstone, kept = await archived(petrova, ROOM)
    assert tombstone.find("c:body", NAMESPACES) is None
    retracted = find(tombstone, "retract:retracted")
    assert retracted.get("id") == kept.get("id")
    assert find(retracted, "moderate:moderated").get("by") == f"{ROOM}/ivanov"


async def test_it_is_told_that_this_is_done(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov")
    info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    for to, feature in ((IVANOV, f"{RETRACT}#tombstone"), (ROOM, MODERATE), (ROOM, f"{RETRACT}#tombstone")):
        answer = await ivanov.iq(info, to=to)
        features = [each.get("var") for each in answer.iterfind("disco:query/disco:feature", NAMESPACES)]
        assert feature in features


_TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), max_size=40)


@given(
    st.lists(st.tuples(st.sampled_from(["body", "subject", "x", "occupant-id"]), _TEXT), max_size=5), _TEXT
)
def test_a_tombstone_says_nothing(children: list[tuple[str, str]], id_: str) -> None:
    """Whatever the message was: only who, when and that it is gone is left."""
    inner = "".join(f"<{name} xmlns='urn:x'>secret{quote(text_)}</{name}>secret" for name, text_ in children)
    message = f"<message xmlns='jabber:client' from='a@b/c' to='d@e' id='{quote(id_)}'>{inner}</message>"
    data = xep_0424_retraction.tombstone(
        parse_stanza(message.encode()), xep_0424_retraction.retracted("undo")
    )
    assert b"secret" not in data
    stanza = parse_stanza(data)
    assert (stanza.from_, stanza.to, stanza.id) == ("a@b/c", "d@e", id_)
    assert stanza.has("retracted", RETRACT)
    assert xep_0424_retraction.target_of(stanza) == ""
