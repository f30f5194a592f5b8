# SPDX-License-Identifier: Apache-2.0
"""sync-collection with DAV:sync-level infinite (RFC 6578 §3.3): a folder and everything below it.

Every collection has its own modseq, so the token lists them all and a tree of more collections than
`[dav] sync_collections` is refused (DAV:sync-traversal-supported). A collection that was made or moved
since is told whole: whoever asks knows nothing of what is in it under its present URL.
"""

import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.methods.propfind import child_folders
from armgs_server.dav.multistatus import SLICE, status_response
from armgs_server.dav.names import dav
from armgs_server.dav.paths import quote
from armgs_server.dav.resources import CollectionResource, Resource, member
from armgs_server.dav.sync_tokens import sync_token
from armgs_server.storage import changes
from armgs_server.storage.changes import Changes
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Standing

PAGE = 1000  # changes read at once


@dataclass(frozen=True, slots=True)
class Branch:
    """A collection of the tree and the modseq from which on it is to be told; `is_new`: nothing is known."""

    resource: CollectionResource
    since: int
    is_new: bool


class TreeAnswer:
    """What changed in a tree, read collection by collection while it is sent."""

    def __init__(
        self, call: Call, top: CollectionResource, since: int, known: Mapping[int, int], limit: int
    ) -> None:
        self._call = call
        self._top = top
        self._known = dict(known)
        self._left = limit
        self._waiting = [Branch(top, since, is_new=since == 0)]
        self._reached: dict[int, int] = {}
        self._gone: list[str] = []
        self._is_cut = False

    async def check(self) -> None:
        """403 for a tree that is too large; to be asked before anything is sent.

        Also where a folder has taken the URL of another since: what was in that one is not known any more,
        so the client must begin anew.
        """
        limit = self._call.engine.config.dav.sync_collections
        tree, position = [self._top], 0
        while position < len(tree):
            if len(tree) > limit:
                raise DavError(403, condition=dav("sync-traversal-supported"))
            tree += await _children(self._call, tree[position])
            position += 1
        if await self._is_replaced({each.collection.id: each.collection for each in tree}):
            raise DavError(403, condition=dav("valid-sync-token"))

    async def _is_replaced(self, tree: Mapping[int, Collection]) -> bool:
        """Whether a folder the client knows has gone from its place and another has taken its URL."""
        owner, known = self._top.collection.owner, dict(self._known)
        is_gone = any(
            number not in tree
            or tree[number].changed > known.get(tree[number].parent, self._waiting[0].since)
            for number in known
        )
        known[self._top.collection.id] = self._waiting[0].since
        present = {number: since for number, since in known.items() if number in tree}
        work = functools.partial(changes.any_replaced, owner=owner, since=present)
        return is_gone and await self._call.engine.store.read(work)

    async def slices(self) -> AsyncIterator[Sequence[Resource]]:
        """The members that are there, parents before children."""
        while self._waiting and not self._is_cut:
            branch = self._waiting.pop(0)
            parent = branch.resource
            page = await read_changes(self._call, parent, branch.since, min(self._left, PAGE))
            children = await _children(self._call, parent)
            new = {each.id for each in page.collections}
            for number in {each.collection.id for each in children} if branch.is_new else new:
                self._known.pop(number, None)  # at once: the answer may be cut before it is told
            if new:
                yield [each for each in children if each.collection.id in new]
            for start in range(0, len(page.items), SLICE):
                yield [member(parent, item) for item in page.items[start : start + SLICE]]
            if not branch.is_new:
                self._gone += [removed(parent, uid, name) for uid, name in page.removed]
            self._left -= len(page.items) + len(page.removed) + len(page.collections)
            self._reached[parent.collection.id] = page.modseq
            if page.truncated:
                self._waiting.insert(0, Branch(parent, page.modseq, branch.is_new))
            else:
                self._waiting += map(self._branch, children)
            self._is_cut = self._left <= 0 and bool(self._waiting)

    def _branch(self, child: CollectionResource) -> Branch:
        since = self._known.get(child.collection.id, 0)
        return Branch(child, since, is_new=since == 0)

    def tail(self) -> str:
        """What is gone, whether there is more (§3.6), and the token to go on from."""
        top = self._top
        if self._is_cut:
            # What was not reached is told the next time, from where the client knows it.
            self._reached = {**self._known, **self._reached}
            self._gone.append(status_response(top.href, 507, "<D:number-of-matches-within-limits/>"))
        modseq = self._reached.pop(top.collection.id)
        token = sync_token(top.collection, modseq, self._reached)
        return f"{''.join(self._gone)}<D:sync-token>{token}</D:sync-token>"


async def _children(call: Call, parent: CollectionResource) -> list[CollectionResource]:
    return [each for each in await child_folders(call, parent) if isinstance(each, CollectionResource)]


async def read_changes(call: Call, parent: CollectionResource, since: int, limit: int) -> Changes:
    """A page of the change feed, never older than what the asker knows."""
    owner, number = parent.collection.owner, parent.collection.id
    known = Standing(owner, number, max(since, parent.collection.modseq))
    return await call.engine.store.read_aside(
        lambda tx: changes.changes(tx, owner, number, since, limit), as_of=known
    )


def removed(parent: CollectionResource, uid: int, name: str) -> str:
    """§3.5.2; uid 0 is a child collection."""
    return status_response(parent.href + quote(name) + ("" if uid else "/"), 404)
