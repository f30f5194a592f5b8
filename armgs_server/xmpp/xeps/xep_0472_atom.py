# SPDX-License-Identifier: Apache-2.0
"""XEP-0472: social feeds over HTTP, as Atom documents (RFC 4287): /feed/pubsub.DOMAIN/NODE, /feed/JID/NODE.

What must always hold: a node that is not open is for who logs in and may read it, and who may not cannot
tell it from one that is not there; a browser runs nothing of what an entry carries.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from lxml import etree

from armgs_server.errors import Denied, DomainError, Throttled
from armgs_server.formats import xmltree
from armgs_server.net.http import Request, Response
from armgs_server.net.http.basic import CHALLENGE, parse_basic
from armgs_server.storage import clock, pubsub
from armgs_server.storage.pubsub import PublishedItem
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.xeps import xep_0060_access as access
from armgs_server.xmpp.xeps import xep_0060_service
from armgs_server.xmpp.xeps import xep_0163_behalf as behalf
from armgs_server.xmpp.xeps.xep_0060_access import Standing
from armgs_server.xmpp.xeps.xep_0060_nodes import Nodes
from armgs_server.xmpp.xeps.xep_0160_offline import timestamp
from armgs_server.xmpp.xeps.xep_0163_pep import nodes_of
from armgs_server.xmpp.xeps.xep_0472_feed import ATOM, MICROBLOG, namespace_of

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

PREFIX = "/feed"
_SAFE_HEADERS = [
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "private, no-cache"),
]
_A = f"{{{ATOM}}}"


class Feeds:
    """The handler of everything under /feed/."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def answer(self, request: Request) -> Response:
        """GET and HEAD of a feed."""
        if request.method not in ("GET", "HEAD"):
            return Response(405, [*_SAFE_HEADERS, ("Allow", "GET, HEAD")])
        credentials = parse_basic(request.header("authorization"))
        bare = ""
        if credentials is not None:
            try:
                auth = self._server.directory.auth
                bare = (await auth.login("http", request.peer, request.is_tls, *credentials)).address
            except (Denied, Throttled):
                return Response(401, [*_SAFE_HEADERS, CHALLENGE])
        address, _, node = request.target.partition("?")[0].removeprefix(PREFIX).strip("/").partition("/")
        found = await self._find(unquote(address), unquote(node), bare)
        if found is None:
            return Response(404 if bare else 401, _SAFE_HEADERS if bare else [*_SAFE_HEADERS, CHALLENGE])
        body = await self._feed(*found)
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = [*_SAFE_HEADERS, ("Content-Type", "application/atom+xml; charset=utf-8"), ("ETag", etag)]
        if request.header("if-none-match") == etag:
            return Response(304, headers)
        return Response(200, headers, body)

    async def _find(self, address: str, node: str, bare: str) -> tuple[Nodes, Standing] | None:
        """The node, where it is a feed and may be read by that person, or by anybody where that is nobody."""
        nodes = await self._nodes(address)
        if nodes is None:
            return None
        found = await self._server.store.read(lambda tx: access.standing(tx, nodes, node, bare))
        if found is None or (not bare and found.config.access_model != "open"):
            return None
        is_feed = node == MICROBLOG or namespace_of(found.config.type) == ATOM
        return (nodes, found) if is_feed and await access.may_read(nodes, found, bare) else None

    async def _nodes(self, address: str) -> Nodes | None:
        try:
            jid = jids.parse(address)
        except DomainError:
            return None
        if jid.local:
            person = await self._server.person(jid)
            return None if person is None or jid.resource else nodes_of(self._server, person)
        label, _, domain = jid.domain.partition(".")
        if label != xep_0060_service.LABEL or not self._server.is_local(domain):
            return None
        return Nodes(self._server, self._server.directory.domains[domain], jid.domain)

    async def _feed(self, nodes: Nodes, found: Standing) -> bytes:
        owner, node, limit = nodes.owner, found.node.name, nodes.settings.feed_entries
        since = max(0, found.config.oldest(clock.now()))
        items = await self._server.store.read(
            lambda tx: pubsub.items(tx, owner, node, limit=limit, since=since)
        )
        uri = f"xmpp:{nodes.address}?;node={quote(node, safe='')}"
        feed = xmltree.parse(f"<feed xmlns='{ATOM}'/>".encode())
        _add(feed, "id", uri)
        _add(feed, "title", found.config.title or node)
        if found.config.description:
            _add(feed, "subtitle", found.config.description)
        _add(feed, "updated", timestamp(items[-1].time if items else found.node.created))
        etree.SubElement(feed, f"{_A}link", rel="alternate", href=uri)
        for item in reversed(items):
            entry = _entry(item, uri, item.publisher or found.node.creator or nodes.address)
            if entry is not None:
                feed.append(entry)
        data: bytes = etree.tostring(feed, encoding="utf-8", xml_declaration=True)
        return data


def _entry(item: PublishedItem, uri: str, author: str) -> etree._Element | None:
    """RFC 4287 §4.1.2: what an entry must have and its publisher has left out is added."""
    entry = behalf.payload_of(item.payload)
    if entry is None or entry.tag != f"{_A}entry":
        return None
    if entry.find(f"{_A}id") is None:
        _add(entry, "id", f"{uri};item={quote(item.id, safe='')}")
    if entry.find(f"{_A}title") is None:
        _add(entry, "title", "")
    if entry.find(f"{_A}updated") is None:
        _add(entry, "updated", timestamp(item.time))
    if entry.find(f"{_A}author") is None:
        person = etree.SubElement(entry, f"{_A}author")
        _add(person, "name", author)
        _add(person, "uri", f"xmpp:{author}")
    return entry


def _add(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, f"{_A}{name}").text = text
