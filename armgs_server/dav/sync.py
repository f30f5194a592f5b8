# SPDX-License-Identifier: Apache-2.0
"""RFC 6578: sync-token and the sync-collection report, on every kind of collection, files included.

A token names the collection and the modseq a client knows. Collection ids and modseqs are never used
again, so a token of something deleted or restored is recognised and refused.
"""

import re
from collections.abc import AsyncIterator, Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Property, Report, Shape
from armgs_server.dav.multistatus import SLICE, status_response, stream
from armgs_server.dav.names import dav
from armgs_server.dav.paths import quote
from armgs_server.dav.resources import CollectionResource, Resource, child_collection, member
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, parse_propfind_element, text_of
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response
from armgs_server.storage import changes
from armgs_server.storage.changes import NO_LIMIT, Changes
from armgs_server.storage.collections import Collection

_TOKEN = re.compile(r"data:,(\d{1,18})-(\d{1,18})-(\d{1,18})\Z")


def sync_token(collection: Collection, modseq: int) -> str:
    """The token of a collection at a modseq: a URI (§4)."""
    return f"data:,{collection.id}-{collection.uid_validity}-{modseq}"


def parse_token(token: str, collection: Collection) -> int:
    """The modseq of a token, 0 for the first synchronisation; 403 for one we cannot go on from."""
    if not token:
        return 0
    match = _TOKEN.match(token)
    if match is None or (int(match[1]), int(match[2])) != (collection.id, collection.uid_validity):
        raise DavError(403, condition=dav("valid-sync-token"))
    modseq = int(match[3])
    if not 0 < modseq <= collection.modseq:
        raise DavError(403, condition=dav("valid-sync-token"))
    return modseq


def _parse_limit(root: Element) -> int:
    limit = root.find(dav("limit"))
    results = limit.find(dav("nresults")) if limit is not None else None
    if results is None:
        return NO_LIMIT
    text = text_of(results)
    if not text.isdecimal() or not 0 < int(text) < NO_LIMIT:
        raise DavError(400, "DAV:nresults must be a positive number.")
    return int(text)


async def handle_sync_collection(call: Call, root: Element) -> Response:
    """§3.2: what changed below one collection since the token."""
    # COMPAT: Thunderbird sends Depth: 1 here where §3.3 says 0; the level is in the body.
    level = root.find(dav("sync-level"))
    if level is not None and text_of(level) not in ("1", "infinite"):
        raise DavError(400, "DAV:sync-level must be 1 or infinite.")
    if level is not None and text_of(level) == "infinite":
        raise DavError(403, condition=dav("sync-traversal-supported"))
    collection = call.require(call.resource, Rights.READ)
    token = root.find(dav("sync-token"))
    since = parse_token(text_of(token) if token is not None else "", collection.collection)
    limit = _parse_limit(root)
    asked = parse_propfind_element(root)
    owner, number = collection.collection.owner, collection.collection.id
    found = await call.engine.store.read(lambda tx: changes.changes(tx, owner, number, since, limit))
    return _answer(call, collection, since, found, call.view(asked))


def _answer(call: Call, parent: CollectionResource, since: int, found: Changes, view: View) -> Response:
    async def slices() -> AsyncIterator[Sequence[Resource]]:
        below: list[Resource] = []
        for child in found.collections:
            rights = await call.engine.rights(call.person, child)
            if Rights.LOOKUP in rights:
                below.append(child_collection(parent, child, rights))
        if below:
            yield below
        for start in range(0, len(found.items), SLICE):
            yield [member(parent, item) for item in found.items[start : start + SLICE]]

    def tail() -> str:
        gone = "" if since == 0 else "".join(_removed(parent, uid, name) for uid, name in found.removed)
        more = ""
        if found.truncated:  # §3.6
            more = status_response(parent.href, 507, "<D:number-of-matches-within-limits/>")
        token = sync_token(parent.collection, found.modseq)
        return f"{gone}{more}<D:sync-token>{token}</D:sync-token>"

    return stream(view, slices(), tail=tail, headers=call.headers)


def _removed(parent: CollectionResource, uid: int, name: str) -> str:
    """§3.5.2; uid 0 is a child collection."""
    return status_response(parent.href + quote(name) + ("" if uid else "/"), 404)


def _sync_token(view: View, resource: CollectionResource) -> str:
    token = sync_token(resource.collection, resource.collection.modseq)
    return f"<D:sync-token>{token}</D:sync-token>"


FEATURE = Feature(
    properties=(Property(dav("sync-token"), Shape.COLLECTION, _sync_token),),
    reports=(Report(dav("sync-collection"), Shape.COLLECTION, handle_sync_collection),),
)
