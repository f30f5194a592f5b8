# SPDX-License-Identifier: Apache-2.0
"""/me/space: how much of the quota is used, and by what."""

from __future__ import annotations

from typing import Final

from armgs_server.net.http import Response
from armgs_server.portal.moments import size
from armgs_server.portal.own_page import OwnPage
from armgs_server.portal.pages import language_of
from armgs_server.portal.signin import Visit
from armgs_server.storage import accounts, space
from armgs_server.storage.space import Share
from armgs_server.storage.tx import Tx

PATH: Final = "/me/space"
_SHOWN: Final = 10
KINDS: Final = ("mail", "files", "calendar", "tasks", "addressbook", "chat", "news")


class OwnSpace(OwnPage):
    """The page."""

    path = PATH

    async def _page(self, visit: Visit) -> Response:
        person, language = visit.person.id, language_of(visit.request)

        async def work(tx: Tx) -> tuple[accounts.Usage, list[Share], list[Share]]:
            return (
                await accounts.usage(tx, person),
                await space.by_kind(tx, person),
                await space.by_collection(tx, person, _SHOWN),
            )

        usage, kinds, collections = await self._store.read(work)
        large = await space.largest(self._store, person, _SHOWN)

        def kind(name: str) -> str:
            return visit.text(f"kind_{name}" if name in KINDS else "kind_other")

        return self._sign_in.render(
            "own_space.html",
            visit,
            used=size(usage.bytes, language),
            quota=size(usage.quota, language) if usage.quota else "",
            percent=min(100, usage.bytes * 100 // usage.quota) if usage.quota else 0,
            kinds=[(kind(each.kind), each.items, size(each.bytes, language)) for each in kinds],
            collections=[
                (kind(each.kind), each.name or "/", each.items, size(each.bytes, language))
                for each in collections
            ],
            large=[
                (each.name, kind(each.kind), each.place or "/", size(each.size, language)) for each in large
            ],
        )
