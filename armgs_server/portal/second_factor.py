# SPDX-License-Identifier: Apache-2.0
"""The pages of the second factor: its step of the sign-in, and where people turn it on and off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs

from armgs_server.directory import totp
from armgs_server.directory.model import Principal
from armgs_server.directory.second_factor import SecondFactor
from armgs_server.directory.webauthn import STEP as KEY_STEP
from armgs_server.errors import Denied, NotFound, Throttled
from armgs_server.net.http import Handler, Request, Response
from armgs_server.portal.own_keys import PATH as KEYS
from armgs_server.portal.own_keys import OwnKeys
from armgs_server.portal.pages import Pages, code_image, text_of
from armgs_server.portal.safety import SCRIPT_POLICY, Safety, see_other
from armgs_server.portal.signin import HOME, SignIn, Visit, local_target
from armgs_server.portal.signin import PATH as SIGN_IN
from armgs_server.service import Core

STEP: Final = "/signin/code"
DESK: Final = "/me/second-factor"


class SecondFactorPages:
    """Makes itself the second step of the sign-in."""

    def __init__(self, core: Core, pages: Pages, sign_in: SignIn) -> None:
        self._core = core
        self._keys = OwnKeys(core, sign_in)
        self._factor = SecondFactor(core.directory)
        self._pages = pages
        self._sign_in = sign_in
        self._safety = Safety(core.config, pages)
        sign_in.second_step = self._next_step

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return (
            (STEP, self._safety.guarded(self._step)),
            (DESK, self._sign_in.people(self._desk)),
            *self._keys.routes,
        )

    async def _next_step(self, person: Principal) -> str:
        return STEP if await self._factor.is_on(person) else ""

    # At the sign-in

    async def _step(self, request: Request) -> Response:
        """Who has given the password shows a code or a key, and only then is signed in."""
        if request.path != STEP:
            raise NotFound()
        visit = await self._sign_in.visit(request, "password")
        if visit is None:
            return Response(303, [("Location", SIGN_IN), ("Cache-Control", "no-store")])
        target = local_target(parse_qs(request.query).get("next", [HOME])[0])
        if request.method in ("GET", "HEAD"):
            return await self._ask(visit, 200, target)
        if request.method != "POST":
            return Response(405, [("Allow", "GET, HEAD, POST")])
        form = await self._sign_in.form(request, visit.form_token)
        target = local_target(form.get("next", [HOME])[0])
        answer, code = (form.get(name, [""])[0] for name in ("answer", "code"))
        try:
            if answer:
                keys, token = self._sign_in.keys, visit.form_token
                is_right = await keys.check(visit.person, answer, token, KEY_STEP, request.peer)
            else:
                is_right = await self._factor.check(visit.person, code, request.peer)
        except Throttled:
            return await self._ask(visit, 429, target, problem="sign_in_wait")
        if not is_right:
            return await self._ask(visit, 403, target, problem="keys_wrong" if answer else "second_wrong")
        return await self._sign_in.start(request, visit.person, target)

    async def _ask(self, visit: Visit, status: int, target: str, problem: str = "") -> Response:
        page = self._pages.render(
            "second_step.html",
            visit.request,
            form_token=visit.form_token,
            target=target,
            question=await self._sign_in.keys.asked(visit.person, visit.form_token, KEY_STEP),
            problem=text_of(visit.request, problem) if problem else "",
        )
        response = self._pages.html(visit.request, status, page)
        response.headers.append(SCRIPT_POLICY)
        if status == 429:
            response.headers.append(("Retry-After", "60"))
        return response

    # One's own page

    async def _desk(self, visit: Visit) -> Response:
        if visit.request.path != DESK:
            raise NotFound()
        if visit.request.method != "POST":
            return await self._show(visit)
        try:
            return await self._change(visit)
        except Throttled:
            return await self._show(visit, 429, problem="sign_in_wait")

    async def _change(self, visit: Visit) -> Response:
        """Whatever is changed takes the password or a code: a browser left open is not enough."""
        request, person, wish = visit.request, visit.person, visit.value("do")
        if wish == "begin":
            if not self._keys.is_proven(visit):
                if await self._factor.is_on(person):  # the password alone is not enough then
                    return see_other(KEYS)
                try:
                    password = visit.form.get("password", ("",))[0]
                    await self._sign_in.check_password(request, person.address, password)
                except Denied:
                    return await self._show(visit, 403, problem="second_password_wrong")
            await self._factor.begin(person)
            return await self._show(visit)
        code = visit.value("code")
        if wish == "confirm":
            codes = await self._factor.confirm(person, code, request.peer, visit.session.token)
            if codes is None:
                return await self._show(visit, 403, problem="second_wrong")
            return await self._show(visit, codes=codes)
        if not await self._factor.check(person, code, request.peer):
            return await self._show(visit, 403, problem="second_wrong")
        if wish == "renew":
            return await self._show(visit, codes=await self._factor.renew(person))
        if wish == "off":
            await self._factor.remove_app(person)
        return await self._show(visit)

    async def _show(
        self, visit: Visit, status: int = 200, *, problem: str = "", codes: Sequence[str] = ()
    ) -> Response:
        person = visit.person
        key = await self._factor.pending(person)
        issuer = self._core.config.server.hostname
        return self._sign_in.render(
            "second_factor.html",
            visit,
            status=status,
            is_on=await self._factor.has_app(person),
            has_keys=bool(await self._sign_in.keys.of(person)),
            left=await self._factor.left(person),
            key="" if key is None else totp.shown(key),
            image=""
            if key is None
            else code_image(totp.uri(key, issuer, person.address), visit.text("second_code_image")),
            codes=codes,
            problem=visit.text(problem) if problem else "",
        )
