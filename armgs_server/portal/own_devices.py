# SPDX-License-Identifier: Apache-2.0
"""/me/devices: the programs that log in for a person, and the browsers where the person is signed in.

A password for one program is made here and shown once; each can be taken back, which ends what it has open.
"""

from __future__ import annotations

from typing import Final

from armgs_server import log
from armgs_server.errors import DomainError, Invalid, NotFound
from armgs_server.net.http import Response
from armgs_server.portal.moments import moment
from armgs_server.portal.own_page import OwnPage
from armgs_server.portal.pages import language_of
from armgs_server.portal.safety import see_other
from armgs_server.portal.signin import Visit
from armgs_server.storage import web_sessions
from armgs_server.storage.tx import Tx

PATH: Final = "/me/devices"
PROGRAMS: Final = 50  # passwords of programs that one person may have

_log = log.get("portal")


class OwnDevices(OwnPage):
    """The page and its forms."""

    path = PATH

    async def _act(self, visit: Visit) -> Response:
        person = visit.person.id
        try:
            if visit.value("program"):
                return await self._page(visit, made=await self._add(visit))
            if visit.value("remove"):
                await self._directory.remove_app_password(person, visit.value("remove"))
            elif visit.value("device"):
                await self._directory.auth.tokens.revoke(person, visit.value("device"))
            elif visit.value("browser"):
                await self._sign_out(visit)
            else:
                raise Invalid(visit.text("devices_name_wrong"))
        except NotFound:
            return await self._page(visit)  # it is gone already
        except DomainError as error:
            return await self._page(visit, problem=error.text)
        _log.info("device revoked", account=visit.person.address, peer=visit.request.peer)
        return see_other(PATH)

    async def _add(self, visit: Visit) -> tuple[str, str]:
        """The program's name and its new password."""
        name, person = visit.value("program"), visit.person.id
        known = [each for each, _, _ in await self._directory.app_passwords(person)]
        if name in known:
            raise Invalid(visit.text("devices_name_taken"))
        if len(known) >= PROGRAMS:
            raise Invalid(visit.text("devices_too_many"))
        try:
            password = await self._directory.add_app_password(person, name)
        except Invalid as error:
            raise Invalid(visit.text("devices_name_wrong")) from error
        _log.info("app password made", account=visit.person.address, peer=visit.request.peer)
        return name, password

    async def _sign_out(self, visit: Visit) -> None:
        person, wanted = visit.person.id, visit.value("browser")

        async def work(tx: Tx) -> None:
            for session in await web_sessions.of(tx, person):
                if wanted == session.id or (wanted == "others" and session.token != visit.session.token):
                    await web_sessions.remove(tx, person, session.token)

        await self._store.write(work)

    async def _page(self, visit: Visit, made: tuple[str, str] | None = None, problem: str = "") -> Response:
        person, language = visit.person.id, language_of(visit.request)
        devices, with_tokens = await self._directory.auth.tokens.devices(person)
        browsers = await self._store.read(lambda tx: web_sessions.of(tx, person))
        return self._sign_in.render(
            "own_devices.html",
            visit,
            status=400 if problem else 200,
            made=made,
            problem=problem,
            programs=[
                (name, moment(created, language), moment(used, language))
                for name, created, used in await self._directory.app_passwords(person)
            ],
            devices=[
                (each.id, each.software, each.name, moment(each.last_seen, language), each.id in with_tokens)
                for each in devices
            ],
            browsers=[
                (
                    each.id,
                    each.agent,
                    each.peer,
                    moment(each.last_seen, language),
                    each.token == visit.session.token,
                )
                for each in browsers
            ],
        )
