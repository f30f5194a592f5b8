# SPDX-License-Identifier: Apache-2.0
"""RFC 6578: sync-token and the sync-collection report, on every kind of collection, files included.

One level here, whole trees in sync_tree.py, homes in sync_home.py.
"""

from collections.abc import AsyncIterator, Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Property, Report, Shape
from armgs_server.dav.listing import member_texts
from armgs_server.dav.methods.propfind import child_folders
from armgs_server.dav.multistatus import SLICE, multistatus, status_response, stream, stream_texts
from armgs_server.dav.names import dav
from armgs_server.dav.resources import CollectionResource, HomeResource, Resource, child_collection, member
from armgs_server.dav.sync_home import collections_of, handle_home, home_token, known_of
from armgs_server.dav.sync_tokens import parse_token, sync_token
from armgs_server.dav.sync_tree import PAGE, TreeAnswer, read_changes, removed
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, number_of, parse_propfind_element, text_of
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response
from armgs_server.storage.changes import NO_LIMIT, Changes
from armgs_server.storage.collections import Collection

SYNC_TOKEN = dav("sync-token")


def _parse_limit(root: Element) -> int:
    limit = root.find(dav("limit"))
    results = limit.find(dav("nresults")) if limit is not None else None
    if results is None:
        return NO_LIMIT
    number = number_of(results)
    if not number:
        raise DavError(400, "DAV:nresults must be a positive number.")
    return number


def _parse_level(call: Call, root: Element) -> str:
    """§6.3. COMPAT: Thunderbird sends Depth: 1 where §3.3 says 0; the level is in the body.

    COMPAT Apple: "infinity" for infinite, and before there was a sync-level the Depth header had it.
    """
    element = root.find(dav("sync-level"))
    level = (call.header("depth") or "1").lower() if element is None else text_of(element)
    if level == "infinity":
        return "infinite"
    if element is not None and level not in ("1", "infinite"):
        raise DavError(400, "DAV:sync-level must be 1 or infinite.")
    return level


async def handle_sync_collection(call: Call, root: Element) -> Response:
    """§3.2: what changed below one collection since the token."""
    level = _parse_level(call, root)
    given = root.find(dav("sync-token"))
    token = text_of(given) if given is not None else ""
    limit = _parse_limit(root)
    view = call.view(parse_propfind_element(root))
    if isinstance(call.resource, HomeResource):
        if limit != NO_LIMIT:  # §3.6: refused where it cannot be followed
            raise DavError(507, condition=dav("number-of-matches-within-limits"))
        return await handle_home(call, call.resource, token, view, deep=level == "infinite")
    collection = call.require(call.resource, Rights.READ)
    since, known = parse_token(token, collection.collection)
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


async def _prepare_token(view: View, resources: Sequence[Resource]) -> None:
    known: dict[str, str] = view.cache.setdefault(SYNC_TOKEN, {})
    for resource in resources:
        if isinstance(resource, HomeResource):
            known[resource.href] = home_token(known_of(await collections_of(view, resource)))


def _sync_token(view: View, resource: CollectionResource | HomeResource) -> str:
    if isinstance(resource, HomeResource):
        return f"<D:sync-token>{view.cache[SYNC_TOKEN][resource.href]}</D:sync-token>"
    return _token(resource.collection, resource.collection.modseq)


FEATURE = Feature(
    properties=(Property(SYNC_TOKEN, Shape.COLLECTION | Shape.HOME, _sync_token, prepare=_prepare_token),),
    reports=(Report(dav("sync-collection"), Shape.COLLECTION | Shape.HOME, handle_sync_collection),),
)
