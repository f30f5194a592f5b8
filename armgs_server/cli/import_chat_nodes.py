# SPDX-License-Identifier: Apache-2.0
"""XEP-0227 §4.10: personal events (XEP-0163): how each node is configured, who may see it, what lies there.

Options that are not known here are passed over (§4.10.1); a node whose access model is not known is refused,
as it would be open to others than it was.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from armgs_server.cli.workplace import Workplace
from armgs_server.config import XmppSettings
from armgs_server.directory import Principal
from armgs_server.errors import DomainError, Invalid
from armgs_server.formats import xmltree
from armgs_server.storage import pubsub, pubsub_members
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.stanza import element as element_of
from armgs_server.xmpp.xeps import xep_0060_config, xep_0060_fields
from armgs_server.xmpp.xeps.xep_0060_nodes import MAX_NAME

PUBSUB = "{http://jabber.org/protocol/pubsub}"
OWNER = "{http://jabber.org/protocol/pubsub#owner}"
_MAX_ITEMS = "pubsub#max_items"
_AFFILIATIONS = frozenset({"owner", "publisher", "publish-only", "member", "outcast"})

Counts = tuple[int, int, list[str]]  # accepted, unchanged, refused


async def configure(workplace: Workplace, person: Principal, element: etree._Element) -> Counts:
    """Makes the nodes that are missing, with the standing of others at them."""
    refused: list[str] = []
    configured: dict[str, dict[str, Any]] = {}
    for child in element.iterfind(f"{OWNER}configure"):
        node = child.get("node") or ""
        try:
            configured[node] = _config(workplace, node, child)
        except DomainError as error:
            refused.append(f"{node}: {error.text}")
    standings = [
        (each.get("node") or "", *_standing(entry))
        for each in element.iterfind(f"{OWNER}affiliations")
        for entry in each
    ]

    async def work(tx: Tx) -> int:
        made = set()
        for node, config in configured.items():
            if await pubsub.get(tx, person.id, node) is None:
                await pubsub.configure(tx, person.id, node, config, person.address)
                made.add(node)
        for node, jid, affiliation in standings:
            if node in made and affiliation in _AFFILIATIONS and jid != person.address:
                await pubsub_members.set_affiliation(tx, person.id, node, jid, affiliation)
        return len(made)

    made = await workplace.store.write(work)
    return made, len(configured) - made, refused


def _config(workplace: Workplace, node: str, element: etree._Element) -> dict[str, Any]:
    if not 0 < len(node) <= MAX_NAME:
        raise Invalid("a node has a name")
    settings = workplace.config.xmpp
    values = dict(xep_0060_config.submitted(element, xep_0060_config.NODE_CONFIG) or {})
    most = next(iter(values.get(_MAX_ITEMS, ())), "")
    if most.isdecimal() and not 0 < int(most) <= settings.node_items:
        values[_MAX_ITEMS] = ("max",)
    defaults = xep_0060_config.defaults(node, is_personal=True)
    return xep_0060_fields.to_data(xep_0060_config.parse(defaults, values, settings, is_personal=True))


def _standing(entry: etree._Element) -> tuple[str, str]:
    return parse(entry.get("jid") or "").bare, entry.get("affiliation") or ""


async def publish(workplace: Workplace, person: Principal, element: etree._Element) -> Counts:
    """The items that are missing, in the order of the file, at nodes that are there."""
    items = [
        (found.get("node") or "", item.get("id") or "", _item(item))
        for found in element.iterfind(f"{PUBSUB}items")
        for item in found.iterfind(f"{PUBSUB}item")
    ]
    settings = workplace.config.xmpp
    refused = [f"{node}: item {id_[:100]!r}" for node, id_, data in items if not _fits(id_, data, settings)]

    async def work(tx: Tx) -> tuple[int, set[str]]:
        added, missing = 0, set()
        for node, id_, data in items:
            found = await pubsub.get(tx, person.id, node)
            if found is None:
                missing.add(node)
            elif _fits(id_, data, settings) and await pubsub.item(tx, person.id, node, id_) is None:
                limit = xep_0060_config.from_data(found.config).items_limit(settings)
                await pubsub.publish(tx, person.id, node, id_, data, limit, person.address)
                added += 1
        return added, missing

    added, missing = await workplace.store.write(work)
    refused += [f"{node}: is not configured in the file" for node in sorted(missing)]
    kept = sum(node not in missing and _fits(id_, data, settings) for node, id_, data in items)
    return added, kept - added, refused


def _item(item: etree._Element) -> bytes:
    """Without a namespace of its own: it stands in answers and in events, which have different ones."""
    payload = b"".join(xmltree.serialise(child) for child in item)
    return element_of("item", {"id": item.get("id") or ""}, payload)


def _fits(item_id: str, data: bytes, settings: XmppSettings) -> bool:
    return 0 < len(item_id) <= MAX_NAME and len(data) <= settings.node_payload
