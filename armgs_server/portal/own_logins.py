# SPDX-License-Identifier: Apache-2.0
"""/me/logins: from where, when and how somebody has logged in as the reader, or tried to."""

from __future__ import annotations

from typing import Final

from armgs_server.net.http import Response
from armgs_server.portal.moments import moment
from armgs_server.portal.own_page import OwnPage
from armgs_server.portal.pages import language_of
from armgs_server.portal.signin import Visit
from armgs_server.storage import logins

PATH: Final = "/me/logins"
_SHOWN: Final = 200


class OwnLogins(OwnPage):
    """The page."""

    path = PATH

    async def _page(self, visit: Visit) -> Response:
        person, language = visit.person.id, language_of(visit.request)
        found = await self._store.read(lambda tx: logins.of(tx, person, _SHOWN))
        return self._sign_in.render(
            "own_logins.html",
            visit,
            days=self._core.config.security.login_days,
            logins=[
                {
                    "when": moment(each.last, language),
                    "since": moment(each.first, language) if each.first != each.last else "",
                    "service": each.service,
                    "mechanism": each.mechanism,
                    "peer": each.peer,
                    "is_admitted": each.admitted == 1,
                    "times": each.times,
                }
                for each in found
            ],
        )
