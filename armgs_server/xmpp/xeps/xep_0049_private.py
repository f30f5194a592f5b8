# SPDX-License-Identifier: Apache-2.0
"""XEP-0049: Private XML Storage: one document for each element name; bookmarks (XEP-0048) live here."""

from __future__ import annotations

from lxml import etree

from armgs_server.formats import xmltree
from armgs_server.storage import documents
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.iq import ACCOUNT, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps import xep_0402_bookmarks
from armgs_server.xmpp.xeps.xep_0060_notify import Event, notify
from armgs_server.xmpp.xeps.xep_0163_pep import nodes_of

NAMESPACE = "jabber:iq:private"
FEATURES: tuple[str, ...] = (NAMESPACE,)
ACCOUNT_FEATURES: tuple[str, ...] = (NAMESPACE,)
_PREFIX = "private "
_MAX_DOCUMENTS = 200


def _name(child: etree._Element) -> str:
    name = etree.QName(child)
    if not name.namespace or name.namespace in (NAMESPACE, "jabber:client"):
        raise StanzaError("not-acceptable", "private data has a namespace of its own")  # §3
    return f"{_PREFIX}{name.namespace} {name.localname}"


async def handle_get(query: Query) -> bytes:
    children = list(query.payload)
    if len(children) != 1:
        raise StanzaError("bad-request", "one element at a time")
    name, owner = _name(children[0]), query.owner
    value = await query.server.store.read(lambda tx: documents.get(tx, owner, name))
    if value is None:
        value = xmltree.serialise(children[0])  # §2.3: nothing stored is an empty element
    return element("query", {"xmlns": NAMESPACE}, value)


async def handle_set(query: Query) -> bytes:
    children = {_name(child): child for child in query.payload}
    values = {name: xmltree.serialise(child) for name, child in children.items()}
    if not values:
        raise StanzaError("not-acceptable", "nothing to store")
    owner = query.owner
    nodes = nodes_of(query.server, query.session.account.principal)
    bookmarks = children.get(xep_0402_bookmarks.DOCUMENT)

    async def work(tx: Tx) -> list[Event]:
        known = set(await documents.names(tx, owner, _PREFIX))
        if len(known | set(values)) > _MAX_DOCUMENTS:
            raise StanzaError("resource-constraint", "too many kinds of private data")
        for name, value in values.items():
            await documents.put(tx, owner, name, value)
        return [] if bookmarks is None else await xep_0402_bookmarks.on_private(tx, nodes, bookmarks)

    await notify(nodes, await query.server.store.write(work))
    return b""


ROUTES: tuple[Route, ...] = (
    Route("get", NAMESPACE, "query", ACCOUNT, handle_get),
    Route("set", NAMESPACE, "query", ACCOUNT, handle_set),
)
