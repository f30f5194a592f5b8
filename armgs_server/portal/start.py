# SPDX-License-Identifier: Apache-2.0
"""The start page: how to connect every program, those for the reader's device first, and what is connected.

It needs no sign-in: with an address it carries ready links. Who is signed in sees the own address in them,
and a tick at each service that a program of theirs has reached.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from armgs_server.directory.logins import ALL_PARTS
from armgs_server.net.http import Request, Response
from armgs_server.portal.addresses import address_of
from armgs_server.portal.connecting import links
from armgs_server.portal.endpoints import Endpoints
from armgs_server.portal.pages import Pages
from armgs_server.portal.platforms import PLATFORMS, platform_of
from armgs_server.portal.signin import SignIn
from armgs_server.portal.texts import TEXTS
from armgs_server.portal.webchat import WebChat
from armgs_server.service import Core
from armgs_server.storage import logins

LANGUAGES: Final = tuple(sorted(TEXTS))


class StartPage:
    """Answers /."""

    def __init__(
        self,
        core: Core,
        endpoints: Endpoints,
        pages: Pages,
        sign_in: SignIn,
        *,
        has_ca: bool,
        chat: WebChat,
    ) -> None:
        self._core = core
        self._endpoints = endpoints
        self._pages = pages
        self._sign_in = sign_in
        self._has_ca = has_ca
        self._chat = chat

    async def answer(self, request: Request) -> Response:
        domains = self._core.config.server.domains
        visit = await self._sign_in.visit(request)
        address = address_of(request, domains) or (visit.person.address if visit is not None else "")
        connected = None
        if visit is not None and address == visit.person.address:
            person = visit.person.id
            connected = await self._core.store.read(lambda tx: logins.connected(tx, person))
        current = platform_of(request)
        query = {"address": address} if address else {}
        page = self._pages.render(
            "start.html",
            request,
            languages=LANGUAGES,
            endpoints=self._endpoints,
            domains=domains,
            has_ca=self._has_ca,
            has_chat=self._chat.is_there,
            visit=visit,
            address=address,
            example=address or f"ivanov@{domains[0] if domains else self._endpoints.hostname}",
            links=links(self._endpoints, address),
            query=urlencode(query),
            chosen={language: urlencode({"lang": language, **query}) for language in LANGUAGES},
            platforms=(current, *(each for each in PLATFORMS if each != current)),
            connected=connected,
            parts=ALL_PARTS,
            dav_host=self._endpoints.base_url.partition("://")[2],
        )
        return self._pages.html(request, 200, page)
