# SPDX-License-Identifier: Apache-2.0
"""RFC 6578: sync-token and the sync-collection report, on every kind of collection, files included.

One level here, whole trees in sync_tree.py.
"""

from collections.abc import AsyncIterator, Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Property, Report, Shape
from armgs_server.dav.listing import member_texts
from armgs_server.dav.methods.propfind import child_folders
from armgs_server.dav.multistatus import SLICE, multistatus, status_response, stream, stream_texts
from armgs_server.dav.names import dav
from armgs_server.dav.resources import CollectionResource, Resource, child_collection, member
from armgs_server.dav.sync_tokens import parse_token, sync_token
from armgs_server.dav.sync_tree import PAGE, TreeAnswer, read_changes, removed
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, number_of, parse_propfind_element, text_of
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response
from armgs_server.storage.changes import NO_LIMIT, Changes
from armgs_server.storage.collections import Collection


def _parse_limit(root: Element) -> int:
    limit = root.find(dav("limit"))
    results = limit.find(dav("nresults")) if limit is not None else None
    if results is None:
        return NO_LIMIT
    number = number_of(results)
    if not number:
        raise DavError(400, "DAV:nresults must be a positive number.")
    return number


async def handle_sync_collection(call: Call, root: Element) -> Response:
    """§3.2: what changed below one collection since the token."""
    # COMPAT: Thunderbird sends Depth: 1 here where §3.3 says 0; the level is in the body.
    element = root.find(dav("sync-level"))
    level = "1" if element is None else text_of(element)
    if level not in ("1", "infinite"):
        raise DavError(400, "DAV:sync-level must be 1 or infinite.")
    collection = call.require(call.resource, Rights.READ)
    token = root.find(dav("sync-token"))
    since, known = parse_token(text_of(token) if token is not None else "", collection.collection)
    limit = _parse_limit(root)
    view = call.view(parse_propfind_element(root))
    if level == "infinite" and collection.kind.nested:
        tree = TreeAnswer(call, collection, since, known, limit)
        await tree.check()
        return stream(view, tree.slices(), tail=tree.tail, headers=call.headers)
    if since == collection.collection.modseq:
        return multistatus((), _token(collection.collection, since), headers=call.headers)
    if not since and limit == NO_LIMIT:
        return _whole(call, view, collection)
    first = await read_changes(call, collection, since, min(limit, PAGE))
    answer = _Answer(call, collection, since == 0, limit, first)
    return stream(view, answer.slices(), tail=answer.tail, headers=call.headers)


def _whole(call: Call, view: View, parent: CollectionResource) -> Response:
    """The first synchronisation: everything that is there. What changes meanwhile is told the next time."""

    async def texts() -> AsyncIterator[Sequence[str]]:
        below = await child_folders(call, parent)
        if below:
            yield await view.responses(below)
        async for page in member_texts(view, parent):
            yield page

    token = _token(parent.collection, parent.collection.modseq)
    return stream_texts(texts(), tail=lambda: token, headers=call.headers)


class _Answer:
    """What changed, read page by page while it is sent; `tail` says how far it came."""

    def __init__(
        self, call: Call, parent: CollectionResource, is_first: bool, limit: int, page: Changes
    ) -> None:
        self._call = call
        self._parent = parent
        self._is_first = is_first
        self._left = limit
        self._page = page
        self._gone: list[tuple[int, str]] = []

    async def slices(self) -> AsyncIterator[Sequence[Resource]]:
        """The members that are there, child collections first."""
        while True:
            page = self._page
            below = await self._collections(page.collections)
            if below:
                yield below
            for start in range(0, len(page.items), SLICE):
                yield [member(self._parent, item) for item in page.items[start : start + SLICE]]
            self._gone += page.removed
            self._left -= len(page.items) + len(page.removed) + len(page.collections)
            if not page.truncated or self._left <= 0:
                return
            self._page = await read_changes(self._call, self._parent, page.modseq, min(self._left, PAGE))

    def tail(self) -> str:
        """What is gone, whether there is more (§3.6), and the token to go on from."""
        # Who synchronises for the first time knows of nothing that could be gone.
        gone = [] if self._is_first else [removed(self._parent, uid, name) for uid, name in self._gone]
        if self._page.truncated:
            gone.append(status_response(self._parent.href, 507, "<D:number-of-matches-within-limits/>"))
        return "".join(gone) + _token(self._parent.collection, self._page.modseq)

    async def _collections(self, found: Sequence[Collection]) -> list[Resource]:
        below: list[Resource] = []
        for child in found:
            rights = await self._call.engine.rights(self._call.person, child)
            if Rights.LOOKUP in rights:
                below.append(child_collection(self._parent, child, rights))
        return below


def _token(collection: Collection, modseq: int) -> str:
    return f"<D:sync-token>{sync_token(collection, modseq)}</D:sync-token>"


def _sync_token(view: View, resource: CollectionResource) -> str:
    return _token(resource.collection, resource.collection.modseq)


FEATURE = Feature(
    properties=(Property(dav("sync-token"), Shape.COLLECTION, _sync_token),),
    reports=(Report(dav("sync-collection"), Shape.COLLECTION, handle_sync_collection),),
)
