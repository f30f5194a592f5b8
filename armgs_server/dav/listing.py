# SPDX-License-Identifier: Apache-2.0
"""Listings of large folders: the `<response>` text of each member is kept until the member changes.

Only where the text depends on the item alone: every property asked for is `pure` and no member of the
collection has dead properties. A text is used while the item's modseq is the one it was made from, so
nothing has to be told when something changes. Bounded by `[dav] listing_cache`; the folder used longest
ago goes first.
"""

from collections.abc import AsyncIterator, Sequence
from functools import partial

from armgs_server.dav.engine import Engine
from armgs_server.dav.listing_cache import Texts
from armgs_server.dav.resources import CollectionResource, MemberResource, member
from armgs_server.dav.view import View
from armgs_server.directory.access import Rights
from armgs_server.storage import items, properties
from armgs_server.storage.tx import Tx

# Members rendered before the loop may do something else (about two milliseconds), and looked up at once.
RENDERED = 200
LOOKED_UP = 2000
_NEVER = (0, "")


async def member_texts(view: View, parent: CollectionResource) -> AsyncIterator[Sequence[str]]:
    """The DAV:response of every member, in slices; none where the person may not read."""
    if Rights.READ not in parent.rights:
        return
    owner, number = parent.collection.owner, parent.collection.id
    store = view.engine.store
    if not view.is_pure(parent.kind.member) or await store.read(
        lambda tx: properties.any_of_items(tx, owner, number)
    ):
        async for page in _rendered(view, parent):
            yield page
        return
    key = (owner, number, parent.href, view.asked.names, view.minimal)
    texts = dict(view.engine.listings.texts(key))
    there: list[int] = []
    is_changed, after = False, 0
    while True:
        found = await store.read(
            partial(items.revisions, owner=owner, collection=number, after_uid=after, limit=LOOKED_UP)
        )
        for start in range(0, len(found), RENDERED):
            part = found[start : start + RENDERED]
            stale = [uid for uid, modseq in part if texts.get(uid, _NEVER)[0] != modseq]
            if stale:
                is_changed = True
                texts.update(await _render(view, parent, stale))
            yield [texts[uid][1] for uid, _ in part if uid in texts]
        there += [uid for uid, _ in found]
        if len(found) < LOOKED_UP:
            break
        after = found[-1][0]
    if is_changed or len(there) != len(texts):
        view.engine.listings.keep(key, {uid: texts[uid] for uid in there if uid in texts})


async def _render(view: View, parent: CollectionResource, uids: Sequence[int]) -> Texts:
    owner, number = parent.collection.owner, parent.collection.id

    async def work(tx: Tx) -> list[items.Item]:
        return await items.by_uids(tx, owner, number, uids)

    changed = await view.engine.store.read(work)
    texts = await view.responses([member(parent, item) for item in changed])
    return {item.uid: (item.modseq, text) for item, text in zip(changed, texts, strict=True)}


async def _rendered(view: View, parent: CollectionResource) -> AsyncIterator[Sequence[str]]:
    """Every member rendered anew."""
    async for page in member_pages(view.engine, parent):
        yield await view.responses(page)


async def member_pages(engine: Engine, parent: CollectionResource) -> AsyncIterator[list[MemberResource]]:
    """The members of a collection in the order they were made."""
    owner, number = parent.collection.owner, parent.collection.id
    after = 0
    while True:
        page = await engine.store.read_aside(
            partial(items.scan, owner=owner, collection=number, after_uid=after, limit=RENDERED),
            as_of=parent.collection,
        )
        if page:
            yield [member(parent, item) for item in page]
        if len(page) < RENDERED:
            return
        after = page[-1].uid
