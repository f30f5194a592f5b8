# SPDX-License-Identifier: Apache-2.0
"""sync-collection on a home (RFC 6578): which of a person's calendars, or address books, have changed.

Clients of Apple ask this once instead of asking every calendar. A home has no modseq of its own, so the token
names every collection the client knows in it and how far. A collection is told when anything in it or of it
has changed; with DAV:sync-level infinite its members are as well.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import quote as quote_all
from urllib.parse import unquote

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.multistatus import SLICE, multistatus, status_response, stream
from armgs_server.dav.names import dav
from armgs_server.dav.paths import quote
from armgs_server.dav.resources import CollectionResource, HomeResource, Resource, member
from armgs_server.dav.sync_tree import PAGE, read_changes, removed
from armgs_server.dav.view import View
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response

# Owner and number of a collection: its modseq, and its name in the home.
Known: TypeAlias = Mapping[tuple[int, int], tuple[int, str]]

_PREFIX = "data:,home"
_TOKEN = re.compile(r"data:,home((?:\+\d{1,18}\.\d{1,18}\.\d{1,18}\.[^+\s]+)*)\Z")


def home_token(known: Known) -> str:
    """The token that says what a client knows; a name is spelled so that no delimiter is in it."""
    parts = (
        f"+{owner}.{number}.{modseq}.{quote_all(name, safe='')}"
        for (owner, number), (modseq, name) in known.items()
    )
    return _PREFIX + "".join(parts)


def parse_home_token(token: str) -> Known:
    """403 for one that is none of ours; the empty one knows nothing."""
    match = _TOKEN.match(token or _PREFIX)
    if match is None:
        raise DavError(403, condition=dav("valid-sync-token"))
    known: dict[tuple[int, int], tuple[int, str]] = {}
    for part in match[1].split("+")[1:]:
        owner, number, modseq, name = part.split(".", 3)
        known[int(owner), int(number)] = int(modseq), unquote(name)
    return known


async def collections_of(call_or_view: Call | View, home: HomeResource) -> list[CollectionResource]:
    """What lies in a home, as far as the asker may look it up."""
    found = await call_or_view.engine.home_collections(call_or_view.person, home)
    return [each for each in found if isinstance(each, CollectionResource)]


def known_of(children: Sequence[CollectionResource]) -> Known:
    """What a client knows after it was told of all of these."""
    return {_key(each): (each.collection.modseq, _name(each)) for each in children}


async def handle_home(call: Call, home: HomeResource, token: str, view: View, *, deep: bool) -> Response:
    """The answer for one home; it is never cut (§3.6: a limit that would cut it is refused)."""
    known = parse_home_token(token)
    children = await collections_of(call, home)
    if len(children) > call.engine.config.dav.sync_collections:
        raise DavError(403, condition=dav("sync-traversal-supported"))
    present = {_key(each) for each in children}
    names = {_name(each) for each in children}
    gone = {name for key, (_, name) in known.items() if key not in present}
    if deep and gone & names:
        # Another collection has its place by now: what was in the first is not known any more.
        raise DavError(403, condition=dav("valid-sync-token"))
    answer = _HomeAnswer(call, home, known, children)
    if not deep:
        changed = [each for each in children if answer.since(each) != each.collection.modseq]
        return multistatus(await view.responses(changed), answer.tail(), headers=call.headers)
    return stream(view, answer.slices(), tail=answer.tail, headers=call.headers)


class _HomeAnswer:
    """What changed in a home; `tail` says what is gone and how far the client knows it now."""

    def __init__(
        self, call: Call, home: HomeResource, known: Known, children: Sequence[CollectionResource]
    ) -> None:
        self._call = call
        self._home = home
        self._known = known
        self._children = children
        self._reached = dict(known_of(children))
        self._gone: list[str] = []

    def since(self, child: CollectionResource) -> int:
        """The modseq the client knows it at; 0 where it does not know it by this name."""
        modseq, name = self._known.get(_key(child), (0, ""))
        return modseq if name == _name(child) else 0

    async def slices(self) -> AsyncIterator[Sequence[Resource]]:
        """Every collection that has changed and behind it its members that have."""
        for child in self._children:
            since = self.since(child)
            if since == child.collection.modseq:
                continue
            yield [child]
            if Rights.READ not in child.rights:
                continue
            is_new, truncated = since == 0, True
            while truncated:
                page = await read_changes(self._call, child, since, PAGE)
                for start in range(0, len(page.items), SLICE):
                    yield [member(child, item) for item in page.items[start : start + SLICE]]
                if not is_new:
                    self._gone += [removed(child, uid, name) for uid, name in page.removed]
                since, truncated = page.modseq, page.truncated
            self._reached[_key(child)] = since, _name(child)

    def tail(self) -> str:
        """§3.5.2, and the token to go on from."""
        names = {_name(each) for each in self._children}
        lost = dict.fromkeys(name for _, name in self._known.values() if name not in names)
        gone = [status_response(f"{self._home.href}{quote(name)}/", 404) for name in lost]
        return f"{''.join(gone + self._gone)}<D:sync-token>{home_token(self._reached)}</D:sync-token>"


def _key(child: CollectionResource) -> tuple[int, int]:
    return child.collection.owner, child.collection.id


def _name(child: CollectionResource) -> str:
    """The last segment of its href: another than its own name where somebody else shares it."""
    return unquote(child.href.rstrip("/").rpartition("/")[2])
