# SPDX-License-Identifier: Apache-2.0
"""XEP-0292: vCard4 over XMPP (RFC 6351) at the node `urn:xmpp:vcard4`, kept in step with vcard-temp.

What is common to both formats is converted; what the other format has beside it stays there. Who has made
neither is answered with what the directory knows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from lxml import etree

from armgs_server.formats import xmltree
from armgs_server.storage import documents
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.stanza import element, text_element
from armgs_server.xmpp.xeps import xep_0054_cards, xep_0060_config
from armgs_server.xmpp.xeps import xep_0163_behalf as behalf
from armgs_server.xmpp.xeps.xep_0060_nodes import Nodes
from armgs_server.xmpp.xeps.xep_0060_notify import Event

NODE = "urn:xmpp:vcard4"
VCARD4 = "urn:ietf:params:xml:ns:vcard-4.0"
_TEMP = xep_0054_cards.NAMESPACE
_ITEM = "current"
# A card of vcard-temp is for everybody, and so is the node made of it (XEP-0222).
_OPEN = dataclasses.replace(xep_0060_config.PERSONAL_DEFAULTS, access_model="open")

# vcard-temp element, vCard4 property, the value type of that.
_SIMPLE = (
    ("FN", "fn", "text"),
    ("NICKNAME", "nickname", "text"),
    ("TITLE", "title", "text"),
    ("ROLE", "role", "text"),
    ("URL", "url", "uri"),
    ("DESC", "note", "text"),
    ("BDAY", "bday", "date"),
)
_NAME = (
    ("FAMILY", "surname"),
    ("GIVEN", "given"),
    ("MIDDLE", "additional"),
    ("PREFIX", "prefix"),
    ("SUFFIX", "suffix"),
)
_PLACES = (("HOME", "home"), ("WORK", "work"))
_PHONES = (*_PLACES, ("VOICE", "voice"), ("CELL", "cell"), ("FAX", "fax"), ("PAGER", "pager"))
_CONVERTED_TEMP = frozenset({"N", "ORG", "TEL", "EMAIL", "JABBERID", *(row[0] for row in _SIMPLE)})
_CONVERTED_4 = frozenset({"n", "org", "tel", "email", "impp", *(row[1] for row in _SIMPLE)})


async def on_node(tx: Tx, nodes: Nodes) -> list[Event]:
    """A vCard4 was published: the vcard-temp follows."""
    card = await behalf.last_payload(tx, nodes, NODE)
    if card is not None and card.tag == f"{{{VCARD4}}}vcard":
        before = await documents.get(tx, nodes.owner, xep_0054_cards.DOCUMENT)
        await documents.put(tx, nodes.owner, xep_0054_cards.DOCUMENT, to_temp(card, before))
    return []


async def on_card(tx: Tx, nodes: Nodes, card: etree._Element) -> list[Event]:
    """A vcard-temp was set: the vCard4 follows, and who watches it is told."""
    before = await behalf.last_payload(tx, nodes, NODE)
    return await behalf.publish(tx, nodes, NODE, _ITEM, to_vcard4(card, before), _OPEN)


async def derive(nodes: Nodes) -> bytes:
    """The vCard4 of who has published none."""
    assert nodes.person is not None, "only accounts have derived nodes"
    card = await xep_0054_cards.card_of(nodes.server, nodes.person)
    payload = to_vcard4(xmltree.parse(card, max_size=len(card)), None)
    return element("item", {"id": _ITEM}, payload)


def to_vcard4(card: etree._Element, before: etree._Element | None) -> bytes:
    """§11: a vcard-temp as vCard4, with what a former vCard4 has of its own."""
    parts = []
    for temp, name, kind in _SIMPLE:
        for value in _texts(card, temp):
            parts.append(element(name, {}, text_element(kind, value)))
    found = card.find(f"{{{_TEMP}}}N")
    if found is not None:
        inner = b"".join(text_element(name, _text(found, temp)) for temp, name in _NAME)
        parts.append(element("n", {}, inner))
    for organisation in card.iterfind(f"{{{_TEMP}}}ORG"):
        values = [_text(organisation, "ORGNAME"), *_texts(organisation, "ORGUNIT")]
        parts.append(element("org", {}, b"".join(text_element("text", value) for value in values if value)))
    for phone in card.iterfind(f"{{{_TEMP}}}TEL"):
        number = text_element("uri", f"tel:{_text(phone, 'NUMBER')}")
        parts.append(element("tel", {}, _parameters(phone, _PHONES) + number))
    for email in card.iterfind(f"{{{_TEMP}}}EMAIL"):
        parts.append(
            element("email", {}, _parameters(email, _PLACES) + text_element("text", _text(email, "USERID")))
        )
    for jid in _texts(card, "JABBERID"):
        parts.append(element("impp", {}, text_element("uri", f"xmpp:{jid}")))
    parts += _others(before, VCARD4, _CONVERTED_4)
    return element("vcard", {"xmlns": VCARD4}, b"".join(parts))


def to_temp(card: etree._Element, before: bytes | None) -> bytes:
    """A vCard4 as vcard-temp, with what a former vcard-temp has of its own."""
    parts = []
    for temp, name, kind in _SIMPLE:
        for found in card.iterfind(f"{{{VCARD4}}}{name}/{{{VCARD4}}}{kind}"):
            parts.append(text_element(temp, found.text or ""))
    name_element = card.find(f"{{{VCARD4}}}n")
    if name_element is not None:
        values = ((temp, name_element.findtext(f"{{{VCARD4}}}{name}") or "") for temp, name in _NAME)
        parts.append(element("N", {}, b"".join(text_element(temp, value) for temp, value in values)))
    for organisation in card.iterfind(f"{{{VCARD4}}}org"):
        texts = [each.text or "" for each in organisation.iterfind(f"{{{VCARD4}}}text")]
        inner = b"".join(
            text_element("ORGUNIT" if number else "ORGNAME", value) for number, value in enumerate(texts)
        )
        parts.append(element("ORG", {}, inner))
    for phone in card.iterfind(f"{{{VCARD4}}}tel"):
        number = _value(phone).removeprefix("tel:")
        parts.append(element("TEL", {}, _types(phone, _PHONES) + text_element("NUMBER", number)))
    for email in card.iterfind(f"{{{VCARD4}}}email"):
        kinds = element("INTERNET") + _types(email, _PLACES)
        parts.append(element("EMAIL", {}, kinds + text_element("USERID", _value(email))))
    for impp in card.iterfind(f"{{{VCARD4}}}impp"):
        if _value(impp).startswith("xmpp:"):
            parts.append(text_element("JABBERID", _value(impp).removeprefix("xmpp:")))
    if before is not None:
        parts += _others(xmltree.parse(before, max_size=len(before)), _TEMP, _CONVERTED_TEMP)
    return element("vCard", {"xmlns": _TEMP}, b"".join(parts))


def _others(card: etree._Element | None, xmlns: str, converted: Iterable[str]) -> list[bytes]:
    """The properties of a card that the other format has not."""
    if card is None:
        return []
    names = {f"{{{xmlns}}}{name}" for name in converted}
    return [xmltree.serialise(each) for each in card if each.tag not in names]


def _texts(parent: etree._Element, name: str) -> list[str]:
    found = [(each.text or "").strip() for each in parent.iterfind(f"{{{_TEMP}}}{name}")]
    return [text for text in found if text]


def _text(parent: etree._Element, name: str) -> str:
    return (parent.findtext(f"{{{_TEMP}}}{name}") or "").strip()


def _parameters(parent: etree._Element, kinds: Iterable[tuple[str, str]]) -> bytes:
    """RFC 6351 §5: TYPE parameters of the flags that a vcard-temp element has."""
    types = [name for temp, name in kinds if parent.find(f"{{{_TEMP}}}{temp}") is not None]
    if not types:
        return b""
    inner = b"".join(text_element("text", name) for name in types)
    return element("parameters", {}, element("type", {}, inner))


def _types(parent: etree._Element, kinds: Iterable[tuple[str, str]]) -> bytes:
    path = f"{{{VCARD4}}}parameters/{{{VCARD4}}}type/{{{VCARD4}}}text"
    given = {(each.text or "").lower() for each in parent.iterfind(path)}
    return b"".join(element(temp) for temp, name in kinds if name in given)


def _value(parent: etree._Element) -> str:
    for kind in ("uri", "text"):
        found = parent.findtext(f"{{{VCARD4}}}{kind}")
        if found:
            return found.strip()
    return ""
