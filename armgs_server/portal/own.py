# SPDX-License-Identifier: Apache-2.0
"""/me: the first of a person's own pages, and the list of the others."""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.directory import requests
from armgs_server.directory.administrators import administered
from armgs_server.directory.logins import ALL_PARTS
from armgs_server.net.http import Handler, Response
from armgs_server.portal.own_absence import OwnAbsence
from armgs_server.portal.own_devices import OwnDevices
from armgs_server.portal.own_logins import OwnLogins
from armgs_server.portal.own_page import OwnPage
from armgs_server.portal.own_password import OwnPassword
from armgs_server.portal.own_rights import OwnRights
from armgs_server.portal.own_space import OwnSpace
from armgs_server.portal.signin import HOME, SignIn, Visit
from armgs_server.service import Core
from armgs_server.storage import logins, news
from armgs_server.storage.news import Post
from armgs_server.storage.tx import Tx


class Own(OwnPage):
    """The first of them, and all of them."""

    path = HOME

    def __init__(self, core: Core, sign_in: SignIn) -> None:
        super().__init__(core, sign_in)
        self._parts = (
            OwnDevices(core, sign_in),
            OwnPassword(core, sign_in),
            OwnAbsence(core, sign_in),
            OwnSpace(core, sign_in),
            OwnLogins(core, sign_in),
            OwnRights(core, sign_in),
        )

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return (*super().routes, *(route for part in self._parts for route in part.routes))

    async def _page(self, visit: Visit) -> Response:
        person = visit.person
        unit = await self._directory.by_id(person.unit) if person.unit else None

        async def work(tx: Tx) -> tuple[dict[str, tuple[int, int]], list[Post]]:
            return (
                await logins.connected(tx, person.id),
                await news.unread(tx, person.department, person.id),
            )

        connected, unread = await self._store.read(work)
        return self._sign_in.render(
            "own.html",
            visit,
            unit=unit.name if unit is not None else "",
            connected=connected,
            unread=unread,
            waiting=len(await requests.waiting(self._directory, person)),
            parts=ALL_PARTS,
            administers=bool(await administered(self._directory, person)),
        )
