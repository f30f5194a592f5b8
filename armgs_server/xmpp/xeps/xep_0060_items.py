# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §6.5: reading items: all, some by their ids, the newest, or page by page (XEP-0059)."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from armgs_server.storage import clock, pubsub
from armgs_server.storage.pubsub import PublishedItem
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.stanza import StanzaError, element, text_element
from armgs_server.xmpp.xeps import xep_0059_rsm
from armgs_server.xmpp.xeps import xep_0060_access as access
from armgs_server.xmpp.xeps import xep_0060_nodes as names
from armgs_server.xmpp.xeps.xep_0059_rsm import PageRequest
from armgs_server.xmpp.xeps.xep_0060_access import Standing
from armgs_server.xmpp.xeps.xep_0060_nodes import NAMESPACE, Nodes, Request, error, unsupported


@dataclass(frozen=True, slots=True)
class _Wanted:
    ids: tuple[str, ...]
    newest: int | None  # max_items: only so many, from the newest
    page: PageRequest | None


@dataclass(frozen=True, slots=True)
class _Found:
    items: list[PublishedItem]
    count: int
    index: int | None  # of the first item among all
    is_cut: bool = False  # not all that was asked for fits into an answer (§6.5.4)


async def handle_items(request: Request, child: etree._Element) -> bytes:
    """§6.5"""
    nodes, node = request.nodes, names.name_of(child)
    wanted = _parse(request, child)
    derived = await _derived(nodes, node)
    if derived is not None:
        return names.pubsub(element("items", {"node": node}, derived))
    found = await access.find(nodes, node, request.origin)
    _check_subid(found, child.get("subid") or "", request.origin.full)
    await access.check_access(nodes, found, request.origin.bare)
    if not found.config.persist_items:
        raise unsupported("persistent-items")  # §6.5.9.4
    read = await nodes.server.store.read(lambda tx: _read(tx, nodes, found, wanted))
    inner = element("items", {"node": node}, b"".join(item.payload for item in read.items))
    if wanted.page is not None or read.is_cut:
        inner += _set(read)
    return names.pubsub(inner)


async def _derived(nodes: Nodes, node: str) -> bytes | None:
    """The items of a node that nobody has made, but that can be answered all the same."""
    derive = nodes.derived.get(node)
    if derive is None:
        return None
    made = await nodes.server.store.read(lambda tx: pubsub.get(tx, nodes.owner, node))
    return await derive(nodes) if made is None else None


def _parse(request: Request, child: etree._Element) -> _Wanted:
    ids = tuple(item.get("id") or "" for item in child.iterfind(f"{{{NAMESPACE}}}item"))
    text = child.get("max_items")
    if text is not None and not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise StanzaError("bad-request", "max_items is a number")
    has_set = request.child("set", xep_0059_rsm.NAMESPACE) is not None
    limit = request.nodes.settings.node_items
    page = xep_0059_rsm.parse_set(request.payload, limit) if has_set else None
    return _Wanted(ids, int(text) if text is not None else None, page)


def _check_subid(found: Standing, subid: str, full: str) -> None:
    """§6.5.9.1, §6.5.9.2"""
    own = [each for each in found.subscriptions if each.jid in (full, each.bare)]
    if subid and own and all(each.subid != subid for each in own):
        raise error("not-acceptable", "invalid-subid")
    if not subid and len(own) > 1:
        raise error("bad-request", "subid-required")


async def _read(tx: Tx, nodes: Nodes, found: Standing, wanted: _Wanted) -> _Found:
    owner, node = nodes.owner, found.node.name
    since = max(0, found.config.oldest(clock.now()))
    limit, budget = nodes.settings.node_items, nodes.settings.node_page
    if wanted.ids:
        ids = wanted.ids[:limit]
        return _Found(await pubsub.items(tx, owner, node, ids=ids, since=since, budget=budget), 0, None)
    count = await pubsub.count_items(tx, owner, node)
    page = wanted.page or PageRequest(limit if wanted.newest is None else min(wanted.newest, limit))
    after, before = await _place(tx, owner, node, page.after), await _place(tx, owner, node, page.before)
    items = await pubsub.items(
        tx,
        owner,
        node,
        limit=page.max,
        since=since,
        after=after,
        before=before,
        is_oldest_first=page.before is None and wanted.newest is None,
        budget=budget,
    )
    index = await pubsub.count_before(tx, owner, node, items[0].published) if items else None
    is_cut = wanted.page is None and len(items) < min(page.max, count)
    return _Found(items, count, index, is_cut)


async def _place(tx: Tx, owner: int, node: str, item_id: str | None) -> int:
    """XEP-0059 §2.2: `item-not-found` where the item that the page begins at is not there any more."""
    if not item_id:
        return 0
    item = await pubsub.item(tx, owner, node, item_id)
    if item is None:
        raise StanzaError("item-not-found")
    return item.published


def _set(read: _Found) -> bytes:
    """§6.5.4: what the page covers, where it begins among all items, and how many there are."""
    inner = b""
    if read.items:
        inner = text_element(
            "first", read.items[0].id, {"index": "" if read.index is None else str(read.index)}
        )
        inner += text_element("last", read.items[-1].id)
    inner += text_element("count", str(read.count))
    return element("set", {"xmlns": xep_0059_rsm.NAMESPACE}, inner)
