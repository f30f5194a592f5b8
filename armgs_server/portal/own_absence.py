# SPDX-License-Identifier: Apache-2.0
"""/me/absence: said once, mail answers, the calendar is busy, chat shows it."""

from __future__ import annotations

from typing import Final

from armgs_server.errors import Invalid
from armgs_server.net.http import Response
from armgs_server.portal.moments import day, end_of, iso_day, parse_day, start_of, today
from armgs_server.portal.own_page import OwnPage
from armgs_server.portal.pages import language_of
from armgs_server.portal.safety import see_other
from armgs_server.portal.signin import LONG_FORM_LIMIT, Visit
from armgs_server.rules.away import TEXT_LIMIT, clear_absence, set_absence
from armgs_server.storage import absences, clock
from armgs_server.storage.absences import Absence

PATH: Final = "/me/absence"


class OwnAbsence(OwnPage):
    """The page and its forms."""

    path = PATH
    form_limit = LONG_FORM_LIMIT

    async def _act(self, visit: Visit) -> Response:
        if visit.value("clear"):
            await clear_absence(self._store, visit.person.id)
        else:
            try:
                absence = await self._absence(visit)
            except Invalid as error:
                return await self._page(visit, error.text)
            try:
                await set_absence(self._store, absence, clock.now())
            except Invalid:
                return await self._page(visit, visit.text("absence_days_wrong"))
        return see_other(PATH)

    async def _absence(self, visit: Visit) -> Absence:
        """What the form says. Invalid."""
        try:
            first, last = parse_day(visit.value("first")), parse_day(visit.value("last"))
        except Invalid as error:
            raise Invalid(visit.text("absence_days_wrong")) from error
        starts, ends = start_of(first), end_of(last)
        if ends <= max(starts, clock.now()):
            raise Invalid(visit.text("absence_days_wrong"))
        deputy, given = 0, visit.value("deputy")
        if given:
            found = await self._directory.resolve(given)
            if found is None or found.kind != "person" or found.id == visit.person.id or found.disabled:
                raise Invalid(visit.text("absence_deputy_wrong"))
            deputy = found.id
        inside = visit.value("inside")
        if not inside:
            raise Invalid(visit.text("absence_text_wrong"))
        return Absence(visit.person.id, starts, ends, inside, visit.value("outside"), deputy)

    async def _page(self, visit: Visit, problem: str = "") -> Response:
        person, language = visit.person.id, language_of(visit.request)
        found = await self._store.read(lambda tx: absences.of(tx, person))
        deputy = await self._directory.by_id(found.deputy) if found is not None and found.deputy else None
        is_over = found is None or found.ends <= clock.now()
        filled = {
            "first": today().isoformat() if found is None or is_over else iso_day(found.starts),
            "last": "" if found is None or is_over else iso_day(found.ends - 1),
            "inside": found.inside if found is not None else "",
            "outside": found.outside if found is not None else "",
            "deputy": deputy.address if deputy is not None else "",
        }
        if problem:
            filled = {name: visit.value(name) for name in filled}
        return self._sign_in.render(
            "own_absence.html",
            visit,
            status=400 if problem else 200,
            problem=problem,
            filled=filled,
            limit=TEXT_LIMIT,
            absence=None
            if found is None or is_over
            else (day(found.starts, language), day(found.ends - 1, language)),
        )
