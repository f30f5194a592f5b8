# SPDX-License-Identifier: Apache-2.0
"""What the pages of who is signed in have in common: one path with nothing below it, shown by GET, and what
its forms do by POST."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from armgs_server.errors import NotFound
from armgs_server.net.http import Handler, Response
from armgs_server.portal.signin import FORM_LIMIT, SignIn, Visit
from armgs_server.service import Core


class OwnPage(ABC):
    """One page; the sign-in admits nobody else, and has checked the form."""

    path: ClassVar[str]
    form_limit: ClassVar[int] = FORM_LIMIT

    def __init__(self, core: Core, sign_in: SignIn) -> None:
        self._core = core
        self._store = core.store
        self._directory = core.directory
        self._sign_in = sign_in

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        """A page without forms takes no POST."""
        methods = ("GET",) if type(self)._act is OwnPage._act else ("GET", "POST")
        handler = self._sign_in.people(self._answer, methods=methods, limit=self.form_limit)
        return ((self.path, handler),)

    @property
    def is_there(self) -> bool:
        """Whether this server has the page at all."""
        return True

    async def _answer(self, visit: Visit) -> Response:
        if visit.request.path != self.path or not self.is_there:
            raise NotFound()
        return await (self._act(visit) if visit.request.method == "POST" else self._page(visit))

    @abstractmethod
    async def _page(self, visit: Visit) -> Response:
        """What is shown."""

    async def _act(self, visit: Visit) -> Response:
        """What a form of the page does."""
        raise NotFound()
