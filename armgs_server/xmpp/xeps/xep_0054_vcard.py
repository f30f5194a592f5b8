# SPDX-License-Identifier: Apache-2.0
"""XEP-0054: vcard-temp. Its picture is the avatar of the account (XEP-0398), and its other data is the
vCard4 there (XEP-0292): setting one changes the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from armgs_server.directory import Principal
from armgs_server.formats import xmltree
from armgs_server.storage import documents
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import roster
from armgs_server.xmpp.iq import ACCOUNT, CONTACT, SERVER, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element, text_element
from armgs_server.xmpp.xeps import xep_0292_vcard4, xep_0398_avatars
from armgs_server.xmpp.xeps.xep_0054_cards import DOCUMENT, NAMESPACE, card_of
from armgs_server.xmpp.xeps.xep_0060_notify import Event, notify
from armgs_server.xmpp.xeps.xep_0163_pep import nodes_of

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

FEATURES: tuple[str, ...] = (NAMESPACE,)
ACCOUNT_FEATURES: tuple[str, ...] = (NAMESPACE,)
_PHOTO = f"{{{NAMESPACE}}}PHOTO"


async def handle_get(query: Query) -> bytes:
    """§3.1 and §3.3: one's own card, or another's."""
    person = await query.server.person(query.to)
    if person is None:
        raise StanzaError("service-unavailable")
    asker = query.session
    if asker.is_outside and not await roster.sees(query.server, person, asker.account.bare):
        raise StanzaError("service-unavailable")  # the directory is not for everybody elsewhere
    return await card_for(query.server, person, asker.account.bare)


async def card_for(server: Server, person: Principal, bare: str) -> bytes:
    """The card as somebody sees it, with the avatar if that may be seen."""
    card = await card_of(server, person)
    photo = await xep_0398_avatars.photo(nodes_of(server, person), bare)
    return card if photo is None else _with_photo(card, photo)


def _with_photo(card: bytes, photo: bytes) -> bytes:
    """The card with that picture and no other."""
    parsed = xmltree.parse(card, max_size=len(card))
    for old in parsed.findall(_PHOTO):
        parsed.remove(old)
    if photo:
        parsed.append(_in_namespace(photo))
    return xmltree.serialise(parsed)


def _in_namespace(photo: bytes) -> etree._Element:
    wrapped = element("vCard", {"xmlns": NAMESPACE}, photo)
    return xmltree.parse(wrapped, max_size=len(wrapped))[0]


async def handle_server_get(query: Query) -> bytes:
    inner = text_element("FN", query.to.domain) + text_element("JABBERID", query.to.domain)
    return element("vCard", {"xmlns": NAMESPACE}, inner)


async def handle_set(query: Query) -> bytes:
    """§3.2"""
    card, owner = query.payload, query.owner
    value = xmltree.serialise(card)
    nodes = nodes_of(query.server, query.session.account.principal)

    async def work(tx: Tx) -> list[Event]:
        before = await documents.get(tx, owner, DOCUMENT)
        await documents.put(tx, owner, DOCUMENT, value)
        events = await xep_0398_avatars.on_card(tx, nodes, card, before)
        return events + await xep_0292_vcard4.on_card(tx, nodes, card)

    await notify(nodes, await query.server.store.write(work))
    return b""


ROUTES: tuple[Route, ...] = (
    Route("get", NAMESPACE, "vCard", ACCOUNT | CONTACT, handle_get, outside=True),
    Route("get", NAMESPACE, "vCard", SERVER, handle_server_get, outside=True),
    Route("set", NAMESPACE, "vCard", ACCOUNT, handle_set),
)
