# SPDX-License-Identifier: Apache-2.0
"""/me/password: a new password, by who knows the old one. Everything that was logged in with it ends."""

from __future__ import annotations

import hmac
from typing import Final

from armgs_server import log
from armgs_server.directory import policy
from armgs_server.directory.new_passwords import PasswordRefused
from armgs_server.errors import Denied, Invalid, Throttled
from armgs_server.net.http import Response
from armgs_server.portal.moments import moment
from armgs_server.portal.own_page import OwnPage
from armgs_server.portal.pages import language_of
from armgs_server.portal.signin import HOME, SignIn, Visit
from armgs_server.service import Core
from armgs_server.storage import clock

PATH: Final = "/me/password"

_log = log.get("portal")


class OwnPassword(OwnPage):
    """The page and its form."""

    path = PATH

    def __init__(self, core: Core, sign_in: SignIn) -> None:
        super().__init__(core, sign_in)
        self._settings = core.config.security

    @property
    def is_there(self) -> bool:
        return self._settings.change_password

    async def _act(self, visit: Visit) -> Response:
        old, new, again = (visit.form.get(name, [""])[0] for name in ("old", "new", "again"))
        try:
            await self._sign_in.check_password(visit.request, visit.person.address, old)
        except Throttled:
            return await self._page(visit, "sign_in_wait", 429)
        except Denied:
            return await self._page(visit, "password_old_wrong", 403)
        if not hmac.compare_digest(new.encode("utf-8", "replace"), again.encode("utf-8", "replace")):
            return await self._page(visit, "password_differs", 400)
        if new == old:
            return await self._page(visit, "password_former", 400)
        try:
            await self._directory.set_password(visit.person.id, new)
        except PasswordRefused as error:
            return await self._page(visit, f"password_{error.rule}", 400)
        except Invalid:
            return await self._page(visit, "password_weak", 400)
        _log.info("password changed", service="web", account=visit.person.address, peer=visit.request.peer)
        return await self._sign_in.start(visit.request, visit.person, HOME)

    async def _page(self, visit: Visit, problem: str = "", status: int = 200) -> Response:
        person, language = visit.person, language_of(visit.request)
        changed = await self._directory.password_changed(person.id)
        wanted = await policy.of_person(self._directory, person)
        until = changed + wanted.password_days * clock.DAY if changed and wanted.password_days else 0
        return self._sign_in.render(
            "own_password.html",
            visit,
            status=status,
            problem=visit.text(problem) if problem else "",
            changed=moment(changed, language),
            shortest=wanted.password_length,
            history=wanted.password_history,
            until=moment(until, language),
            is_expired=0 < until < clock.now(),
            is_listed=bool(self._settings.breached_passwords),
            app_passwords=wanted.app_passwords,
        )
