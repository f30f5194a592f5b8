# SPDX-License-Identifier: Apache-2.0
"""Signing in by a passkey alone, from the page of signing in, and the script that asks the browser for a key.

The page works without script as before: what needs it stays hidden. Whatever is wrong, the answer is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from armgs_server.errors import Denied, NotFound, Throttled
from armgs_server.net.http import Handler, Request, Response
from armgs_server.portal.pages import Pages
from armgs_server.portal.safety import HOME, Safety, local_target
from armgs_server.portal.signin import SignIn
from armgs_server.service import Core

PATH: Final = "/signin/passkey"
SCRIPT: Final = "/webauthn.js"


class PasskeySignIn:
    """Two routes."""

    def __init__(self, core: Core, pages: Pages, sign_in: SignIn) -> None:
        self._provider = core.config.sign_in_provider
        self._pages = pages
        self._sign_in = sign_in
        self._safety = Safety(core.config, pages)

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return (
            (f"POST {PATH}", self._safety.guarded(self._answer)),
            self._safety.page(SCRIPT, self._script),
        )

    async def _answer(self, request: Request) -> Response:
        if request.path != PATH or not self._provider.takes_password:
            raise NotFound()
        sent = await self._sign_in.sent_by_anybody(request)
        if sent is None:
            return self._sign_in.ask(request, 403, HOME, problem="sign_in_again")
        form, bound = sent
        target = local_target(form.get("next", [HOME])[0])
        text = form.get("answer", [""])[0]
        try:
            person = await self._sign_in.keys.sign_in(text, bound, request.peer, is_tls=request.is_tls)
        except Throttled:
            return self._sign_in.ask(request, 429, target, problem="sign_in_wait")
        except Denied:
            return self._sign_in.ask(request, 403, target, problem="sign_in_key_wrong")
        # The key has checked its owner: it is what one has and what one knows or is, both at once.
        return await self._sign_in.start(request, person, target)

    async def _script(self, request: Request) -> Response:
        headers = [("Content-Type", "text/javascript; charset=utf-8"), ("Cache-Control", "max-age=3600")]
        return Response(200, headers, self._pages.script)
