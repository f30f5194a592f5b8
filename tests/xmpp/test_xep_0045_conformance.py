# SPDX-License-Identifier: Apache-2.0
"""XEP-0045, what its sentences with MUST and SHOULD say beyond the everyday: each test names the section."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from armgs_server.directory.people import Change
from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import xep_0486_muc_avatars
from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import NAMESPACES, Client, error_of, find, text
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import MUC, ROOM, administer, codes, configure, create, enter, entry, item, say

INFO = "http://jabber.org/protocol/disco#info"
HATS = "urn:xmpp:hats:0"
NAMESPACES.update({"hats": HATS, "update": "vcard-temp:x:update"})
OTHER = f"{ROOM}/petrova"


async def info(client: Client, to: str, node: str = "") -> Element:
    part = f" node='{node}'" if node else ""
    return await client.iq(f"<query xmlns='{INFO}'{part}/>", to=to)


def fields(form: Element) -> dict[str, list[str]]:
    return {
        each.get("var", ""): [value.text or "" for value in each.iterfind("data:value", NAMESPACES)]
        for each in form.iter("{jabber:x:data}field")
    }


async def test_a_room_says_what_it_is(log_in: LogIn) -> None:
    """§6.4, §15.5.4"""
    ivanov = await log_in(IVANOV)
    await create(
        ivanov, "ivanov", roomdesc="For tea", lang="ru", changesubject="1", pubsub="xmpp:a@b?;node=n"
    )
    ivanov.send(f"<message to='{ROOM}' type='groupchat'><subject>Five</subject></message>")
    await ivanov.receive("c:message", lambda stanza: stanza.findtext("c:subject", "", NAMESPACES) == "Five")
    told = fields(await info(ivanov, ROOM))
    assert told["muc#roominfo_description"] == ["For tea"]
    assert told["muc#roominfo_occupants"] == ["1"]
    assert told["muc#roominfo_subject"] == ["Five"]
    assert told["muc#roominfo_subjectmod"] == ["1"]
    assert told["muc#roominfo_lang"] == ["ru"]
    assert told["muc#roominfo_pubsub"] == ["xmpp:a@b?;node=n"]
    assert told["muc#roominfo_contactjid"] == [IVANOV]
    petrova = await log_in(PETROVA)
    assert fields(await info(petrova, ROOM))["muc#roominfo_subject"] == ["Five"]
    await configure(ivanov, membersonly="1")
    told = fields(await info(petrova, ROOM))  # who may not enter does not learn what is talked about, by whom
    assert "muc#roominfo_subject" not in told and "muc#roominfo_contactjid" not in told
    assert told["muc#roominfo_description"] == ["For tea"]
    assert error_of(await info(ivanov, ROOM, f"{MUC}#traffic")) == "service-unavailable"  # §15.7
    service = await info(ivanov, "conference.digital.example")
    features = [each.get("var") for each in service.iter(f"{{{INFO}}}feature")]
    assert f"{MUC}#stable_id" in features  # §7.4


async def test_an_occupant_is_not_for_everybody_to_ask(log_in: LogIn) -> None:
    """§6.6"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    assert error_of(await info(petrova, f"{ROOM}/ivanov")) == "bad-request"


async def test_an_invisible_nickname(log_in: LogIn) -> None:
    """§15.1"""
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov")
    ivanov.send(f"<presence to='{ROOM}/  '/>")
    refusal = await ivanov.receive("c:presence", lambda stanza: stanza.get("type") == "error")
    assert error_of(refusal) == "jid-malformed"


async def test_a_password_is_for_everybody(log_in: LogIn) -> None:
    """§7.2.5"""
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov", passwordprotectedroom="1", roomsecret="sesame")
    again = await log_in(IVANOV)
    again.send(entry("ivanov"))
    assert error_of(await again.presence_of(f"{ROOM}/ivanov", "error")) == "not-authorized"
    await enter(again, "ivanov", "<password>sesame</password>")


async def test_the_subject_tells_when_it_was_set(log_in: LogIn) -> None:
    """§7.2.15"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    ivanov.send(f"<message to='{ROOM}' type='groupchat'><subject>Five</subject></message>")
    live = await ivanov.receive(
        "c:message", lambda stanza: stanza.findtext("c:subject", "", NAMESPACES) == "Five"
    )
    assert live.find("delay:delay", NAMESPACES) is None
    petrova.send(entry("petrova"))
    late = await petrova.receive("c:message", lambda stanza: stanza.find("c:subject", NAMESPACES) is not None)
    assert find(late, "delay:delay").get("from") == ROOM


async def test_history_is_limited_by_the_room(log_in: LogIn) -> None:
    """§7.2.13, muc#maxhistoryfetch"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    form_type = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>"
    limit = "<field var='muc#maxhistoryfetch'><value>1</value></field>"
    form = f"<x xmlns='jabber:x:data' type='submit'>{form_type}{limit}</x>"
    await ivanov.iq(f"<query xmlns='{MUC}#owner'>{form}</query>", "set", ROOM)
    for number in range(3):
        ivanov.send(say(f"number {number}"))
        await ivanov.message(f"number {number}")
    await enter(petrova, "petrova")
    past = [
        each.findtext("c:body", "", NAMESPACES) for each in petrova.stanzas if each.tag.endswith("}message")
    ]
    assert past == ["number 2"]


async def test_presence_of_some_roles_is_not_shown(log_in: LogIn) -> None:
    """§7.2.2, muc#roomconfig_presencebroadcast; §5.1.3"""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create(ivanov, "ivanov", moderatedroom="1", presencebroadcast="moderator")
    assert codes(await enter(petrova, "petrova")) == [100, 110, 170]
    await enter(sidorov, "sidorov")
    seen = {stanza.get("from") for stanza in (*await ivanov.settle(), *sidorov.stanzas)}
    assert OTHER not in seen
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='admin'/>")
    assert item(await sidorov.presence_of(OTHER))["role"] == "moderator"
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='member'/>")
    assert item(await sidorov.presence_of(OTHER, "unavailable"))["role"] == "none"
    assert item(await petrova.presence_of(OTHER))["role"] == "moderator"
    assert item(await petrova.presence_of(OTHER))["role"] == "participant"


async def test_a_whole_domain_is_banned(log_in: LogIn) -> None:
    """§9.2"""
    ivanov, sidorov = await log_in(IVANOV), await log_in(SIDOROV)
    await create(ivanov, "ivanov")
    await enter(sidorov, "sidorov")
    await administer(ivanov, "<item jid='finance.example' affiliation='outcast'/>")
    gone = await sidorov.presence_of(f"{ROOM}/sidorov", "unavailable")
    assert (codes(gone), item(gone)["affiliation"]) == ([110, 301], "outcast")
    sidorov.send(entry("sidorov"))
    assert error_of(await sidorov.presence_of(f"{ROOM}/sidorov", "error")) == "forbidden"
    await administer(ivanov, f"<item jid='{SIDOROV}' affiliation='member'/>")
    assert item(await enter(sidorov, "sidorov"))["affiliation"] == "member"


async def test_a_ghost_is_removed(log_in: LogIn) -> None:
    """§15.8"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    for condition in ("policy-violation", "recipient-unavailable"):
        error = f"<error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        petrova.send(f"<message to='{ROOM}/ivanov' type='error'>{error}</message>")
    assert codes(await ivanov.presence_of(OTHER, "unavailable")) == [333]
    assert codes(await petrova.presence_of(OTHER, "unavailable")) == [110, 333]


async def test_a_room_is_destroyed_in_one_presence_each(log_in: LogIn) -> None:
    """§10.9"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    await ivanov.settle()
    inner = "<reason>moved</reason><password>sesame</password>"
    destroy = f"<destroy jid='coffee@conference.digital.example'>{inner}</destroy>"
    assert (await ivanov.iq(f"<query xmlns='{MUC}#owner'>{destroy}</query>", "set", ROOM)).get(
        "type"
    ) == "result"
    for client, nick in ((ivanov, "ivanov"), (petrova, "petrova")):
        told = [each for each in await client.settle() if each.tag.endswith("}presence") and each.get("type")]
        (gone,) = told
        assert gone.get("from") == f"{ROOM}/{nick}"
        assert (item(gone)["affiliation"], item(gone)["role"]) == ("none", "none")
        found = find(gone, "user:x/user:destroy")
        assert found.get("jid") == "coffee@conference.digital.example"
        assert (text(found, "user:reason"), text(found, "user:password")) == ("moved", "sesame")


async def test_a_cancelled_room_is_destroyed(log_in: LogIn) -> None:
    """§10.1.3"""
    ivanov = await log_in(IVANOV)
    await enter(ivanov, "ivanov")
    cancel = f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='cancel'/></query>"
    assert (await ivanov.iq(cancel, "set", ROOM)).get("type") == "result"
    gone = await ivanov.presence_of(f"{ROOM}/ivanov", "unavailable")
    assert gone.find("user:x/user:destroy", NAMESPACES) is not None


async def test_the_form_names_all_admins_and_owners(log_in: LogIn) -> None:
    """§10.2"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov", roomadmins=PETROVA)
    assert (item(await enter(petrova, "petrova"))["affiliation"]) == "admin"
    form = fields(await ivanov.iq(f"<query xmlns='{MUC}#owner'/>", to=ROOM))
    assert form["muc#roomconfig_roomadmins"] == [PETROVA]
    assert form["muc#roomconfig_roomowners"] == [IVANOV]
    assert form["muc#roomconfig_enablelogging"] == ["1"]
    assert error_of(await configure(ivanov, roomowners="")) == "conflict"
    assert error_of(await configure(ivanov, roomowners="@")) == "not-acceptable"
    assert error_of(await configure(ivanov, roomowners="digital.example")) == "not-acceptable"
    assert (await configure(ivanov, roomowners=PETROVA)).get("type") == "result"
    assert item(await petrova.presence_of(OTHER))["affiliation"] == "owner"
    now = item(await ivanov.presence_of(f"{ROOM}/ivanov"))
    assert (now["affiliation"], now["role"]) == ("admin", "moderator")


async def test_nobody_is_invited_who_is_not_there(log_in: LogIn) -> None:
    """§7.8.2"""
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov")
    invite = f"<x xmlns='{MUC}#user'><invite to='nobody@digital.example'/></x>"
    ivanov.send(f"<message to='{ROOM}'>{invite}</message>")
    refusal = await ivanov.receive("c:message", lambda stanza: stanza.get("type") == "error")
    assert error_of(refusal) == "item-not-found"


async def test_a_conversation_of_two_goes_on_in_a_room(log_in: LogIn) -> None:
    """§7.9"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    invite = f"<invite to='{PETROVA}'><continue thread='t1'/></invite>"
    ivanov.send(f"<message to='{ROOM}'><x xmlns='{MUC}#user'>{invite}</x></message>")
    got = await petrova.receive(
        "c:message", lambda stanza: stanza.find("user:x/user:invite", NAMESPACES) is not None
    )
    assert find(got, "user:x/user:invite/user:continue").get("thread") == "t1"


@pytest.mark.parametrize(("affiliation", "condition"), [("member", "not-allowed"), ("none", "")])
async def test_voice_is_not_taken_from_an_equal(log_in: LogIn, affiliation: str, condition: str) -> None:
    """§8.4: "whose affiliation is at or above the moderator's level"."""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    await enter(sidorov, "sidorov")
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='member'/>")
    await administer(ivanov, f"<item jid='{SIDOROV}' affiliation='{affiliation}'/>")
    await administer(ivanov, "<item nick='petrova' role='moderator'/>")
    answer = await administer(petrova, "<item nick='sidorov' role='visitor'/>")
    assert error_of(answer) == condition if condition else answer.get("type") == "result"
    assert error_of(await administer(petrova, "<item nick='sidorov' role='moderator'/>")) == "forbidden"


async def test_hats_are_worn_where_everybody_is_known(log_in: LogIn, world: World) -> None:
    """XEP-0317 §3.1"""
    person = await world.directory.by_address(PETROVA)
    assert person is not None
    unit = await world.directory.create_unit(person.department, "Accounting")
    await world.directory.update(person.id, Change(unit=unit.id, post="Accountant"))
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    forged = f"<hats xmlns='{HATS}'><hat title='King' uri='k'/></hats>"
    petrova.send(f"<presence to='{OTHER}'><x xmlns='{MUC}'/>{forged}</presence>")
    seen = await ivanov.presence_of(OTHER)
    assert [each.get("title") for each in seen.iter(f"{{{HATS}}}hat")] == ["Accountant", "Accounting"]
    assert len({each.get("uri") for each in seen.iter(f"{{{HATS}}}hat")}) == 2
    await world.directory.update(person.id, Change(post="Chief accountant"))
    seen = await ivanov.presence_of(OTHER)
    assert [each.get("title") for each in seen.iter(f"{{{HATS}}}hat")] == ["Chief accountant", "Accounting"]
    await configure(ivanov, whois="moderators")
    petrova.send(f"<presence to='{OTHER}'><show>away</show></presence>")
    seen = await ivanov.receive("c:presence", lambda stanza: stanza.find("c:show", NAMESPACES) is not None)
    assert seen.find("hats:hats", NAMESPACES) is None


async def test_a_room_has_a_picture(log_in: LogIn) -> None:
    """XEP-0486 §3"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    card = (
        "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>cGljdHVyZQ==</BINVAL></PHOTO></vCard>"
    )
    assert error_of(await petrova.iq(card, "set", ROOM)) == "forbidden"
    broken = card.replace("cGljdHVyZQ==", "a")
    assert error_of(await ivanov.iq(broken, "set", ROOM)) == "bad-request"
    assert (await ivanov.iq(card, "set", ROOM)).get("type") == "result"
    digest = "0e66b49d04a43c19bcb2e13a53aff5d174f610fc"
    changed = await petrova.receive("c:message", lambda stanza: 104 in codes(stanza))
    assert changed.get("from") == ROOM
    assert text(await petrova.presence_of(ROOM), "update:x/update:photo") == digest
    assert fields(await info(petrova, ROOM))["muc#roominfo_avatarhash"] == [digest]
    got = await petrova.iq("<vCard xmlns='vcard-temp'/>", to=ROOM)
    assert text(got, "vcard:vCard/vcard:PHOTO/vcard:BINVAL") == "cGljdHVyZQ=="
    assert (await ivanov.iq("<vCard xmlns='vcard-temp'/>", "set", ROOM)).get("type") == "result"
    assert "muc#roominfo_avatarhash" not in fields(await info(petrova, ROOM))


async def test_the_card_of_an_occupant(log_in: LogIn) -> None:
    """§17.4: avatars of occupants."""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    answer = await ivanov.iq("<vCard xmlns='vcard-temp'/>", to=OTHER)
    assert answer.get("from") == OTHER
    assert find(answer, "vcard:vCard") is not None


async def test_group_calls_pass(log_in: LogIn) -> None:
    """XEP-0272 §4: what clients say of a call in their presence is theirs, and reaches everybody."""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    muji = "<muji xmlns='urn:xmpp:jingle:muji:0'><preparing/></muji>"
    petrova.send(f"<presence to='{OTHER}'>{muji}</presence>")
    seen = await ivanov.receive(
        "c:presence",
        lambda stanza: (
            stanza.find("{urn:xmpp:jingle:muji:0}muji/{urn:xmpp:jingle:muji:0}preparing") is not None
        ),
    )
    assert seen.get("from") == OTHER


@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), max_size=8))
def test_whatever_is_called_a_picture(pictures: list[str | None]) -> None:
    card = etree.Element("{vcard-temp}vCard")
    for text_ in pictures:
        photo = etree.SubElement(card, "{vcard-temp}PHOTO")
        if text_ is not None and text_.isprintable():
            etree.SubElement(photo, "{vcard-temp}BINVAL").text = text_
    try:
        hashes = xep_0486_muc_avatars.hashes(card)
    except StanzaError as error:
        assert error.condition in ("bad-request", "not-acceptable")
    else:
        assert all(len(digest) == 40 for digest in hashes)
        assert len(hashes) <= len(pictures)
