# SPDX-License-Identifier: Apache-2.0
"""/me: the first of a person's own pages."""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.errors import NotFound
from armgs_server.net.http import Handler, Response
from armgs_server.portal.signin import HOME, SignIn, Visit
from armgs_server.service import Core


class Own:
    """What is one's own, behind the sign-in."""

    def __init__(self, core: Core, sign_in: SignIn) -> None:
        self._core = core
        self._sign_in = sign_in

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return ((HOME, self._sign_in.people(self._home, methods=("GET",))),)

    async def _home(self, visit: Visit) -> Response:
        if visit.request.path != HOME:
            raise NotFound()
        return self._sign_in.render("own.html", visit)
