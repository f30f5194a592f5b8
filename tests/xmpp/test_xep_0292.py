# SPDX-License-Identifier: Apache-2.0
"""XEP-0292: vCard4 at its node and vcard-temp are one card; the directory's where there is none."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from armgs_server.xmpp.xeps.xep_0292_vcard4 import to_temp, to_vcard4
from tests.world import IVANOV, PETROVA
from tests.xmpp.client import Client
from tests.xmpp.conftest import LogIn
from tests.xmpp.nodes import done, event, fetch, item, publish, silent
from tests.xmpp.test_pep import wants

NODE = "urn:xmpp:vcard4"
VCARD4 = "urn:ietf:params:xml:ns:vcard-4.0"
V4 = f"{{{VCARD4}}}"
V3 = "{vcard-temp}"
# The parts of the example of XEP-0292 §12 that both formats have.
TEMP = (
    "<vCard xmlns='vcard-temp'><FN>Peter Saint-Andre</FN>"
    "<N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN><MIDDLE/></N><NICKNAME>stpeter</NICKNAME>"
    "<URL>https://stpeter.im/</URL><BDAY>1966-08-06</BDAY>"
    "<ORG><ORGNAME>XSF</ORGNAME><ORGUNIT>Council</ORGUNIT></ORG><TITLE>Director</TITLE>"
    "<TEL><WORK/><VOICE/><NUMBER>303-308-3282</NUMBER></TEL>"
    "<EMAIL><INTERNET/><WORK/><USERID>stpeter@jabber.org</USERID></EMAIL>"
    "<JABBERID>stpeter@jabber.org</JABBERID><DESC>More</DESC><GEO><LAT>39</LAT></GEO></vCard>"
)


def text(parent: Element | etree._Element, path: str) -> str | None:
    found = parent.find("/".join(f"{V4}{part}" for part in path.split("/")))
    return None if found is None else found.text


def test_there_and_back() -> None:
    card = etree.fromstring(to_vcard4(etree.fromstring(TEMP), None))
    assert text(card, "fn/text") == "Peter Saint-Andre"
    assert text(card, "n/surname") == "Saint-Andre"
    assert [each.text for each in card.findall(f"{V4}org/{V4}text")] == ["XSF", "Council"]
    assert text(card, "tel/uri") == "tel:303-308-3282"
    assert [each.text for each in card.findall(f"{V4}tel/{V4}parameters/{V4}type/{V4}text")] == [
        "work",
        "voice",
    ]
    assert text(card, "impp/uri") == "xmpp:stpeter@jabber.org"
    assert card.find(f"{V4}geo") is None
    back = etree.fromstring(to_temp(card, TEMP.encode()))
    assert {each.tag for each in back} == {each.tag for each in etree.fromstring(TEMP)}
    assert back.findtext(f"{V3}GEO/{V3}LAT") == "39"  # what vCard4 does not carry stays
    assert back.findtext(f"{V3}TEL/{V3}NUMBER") == "303-308-3282"
    assert back.find(f"{V3}EMAIL/{V3}WORK") is not None


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1))
def test_any_name_survives(name: str) -> None:
    card = etree.Element(f"{V3}vCard", nsmap={None: "vcard-temp"})
    etree.SubElement(card, f"{V3}FN").text = name.strip() or "x"
    made = etree.fromstring(to_vcard4(card, None))
    back = etree.fromstring(to_temp(made, None))
    assert back.findtext(f"{V3}FN") == card.findtext(f"{V3}FN")


async def card4(client: Client, jid: str) -> Element:
    found = done(await fetch(client, NODE, to=jid)).find(f".//{V4}vcard")
    assert found is not None
    return found


async def test_who_has_made_none_is_known_to_the_directory(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    card = await card4(ivanov, PETROVA)
    assert text(card, "fn/text") == "Петрова Анна"
    assert text(card, "email/text") == PETROVA


async def test_one_card_in_two_formats(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await wants(petrova, NODE)
    mine = f"<vcard xmlns='{VCARD4}'><fn><text>Иван</text></fn><kind><text>individual</text></kind></vcard>"
    done(await publish(ivanov, NODE, item("current", mine), to=IVANOV))
    await event(petrova, IVANOV)
    temp = done(await petrova.iq("<vCard xmlns='vcard-temp'/>", to=IVANOV))
    assert temp.findtext(f"{V3}vCard/{V3}FN") == "Иван"
    done(await ivanov.iq("<vCard xmlns='vcard-temp'><FN>Ваня</FN></vCard>", "set"))
    told = (await event(petrova, IVANOV)).find(f".//{V4}vcard")
    assert told is not None
    assert (text(told, "fn/text"), text(told, "kind/text")) == ("Ваня", "individual")
    assert text(await card4(petrova, IVANOV), "fn/text") == "Ваня"
    done(await publish(ivanov, NODE, item("current", "<other xmlns='urn:x'/>"), to=IVANOV))
    temp = done(await petrova.iq("<vCard xmlns='vcard-temp'/>", to=IVANOV))
    assert temp.findtext(f"{V3}vCard/{V3}FN") == "Ваня"
    await event(petrova, IVANOV)
    await silent(petrova)
