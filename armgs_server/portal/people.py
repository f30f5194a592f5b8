# SPDX-License-Identifier: Apache-2.0
"""/people: whom the address books show, by search and by structure; who is there, and when each is free.

/people?q=WORDS          who has these words in name, address, post, unit or telephone
/people?unit=NUMBER      the people of a unit, its units and the unit above
/people?person=ADDRESS   one person
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs

from armgs_server.directory.model import Principal
from armgs_server.directory.people_search import PeopleSearch, visible_departments
from armgs_server.errors import NotFound
from armgs_server.net.http import Response
from armgs_server.portal import agenda
from armgs_server.portal.moments import day, hours, today
from armgs_server.portal.own_page import OwnPage
from armgs_server.portal.pages import language_of
from armgs_server.portal.signin import SignIn, Visit
from armgs_server.service import Core
from armgs_server.storage import absences, clock
from armgs_server.storage.absences import Absence

PATH: Final = "/people"
SHOWN: Final = 50
_WORDS_LIMIT: Final = 200  # characters
_NUMBER_LIMIT: Final = 18  # digits


class People(OwnPage):
    """The page."""

    path = PATH

    def __init__(self, core: Core, sign_in: SignIn) -> None:
        super().__init__(core, sign_in)
        self._search = PeopleSearch(core.directory)

    async def _page(self, visit: Visit) -> Response:
        asked = {name: values[0].strip() for name, values in parse_qs(visit.request.query).items()}
        visible = await visible_departments(self._directory, visit.person)
        if asked.get("person"):
            return await self._person(visit, asked["person"], visible)
        words = asked.get("q", "")[:_WORDS_LIMIT]
        if words:
            page = await self._search.find(visit.person, {"any": words}, SHOWN)
            found = [each.person for each in page.found]
            return await self._listing(visit, found, page.count, words=words)
        number = asked.get("unit", "")
        if number.isascii() and number.isdecimal() and len(number) <= _NUMBER_LIMIT:
            here = await self._directory.by_id(int(number))
        else:
            own = visit.person.unit or visit.person.department
            here = await self._directory.by_id(own)
            if here is not None and here.kind == "department" and here.id not in visible:
                return await self._listing(visit, [], 0)
        if here is None or here.kind not in ("unit", "department"):
            raise NotFound()
        department = here.department if here.kind == "unit" else here.id
        if department not in visible:
            raise NotFound()
        return await self._unit(visit, here, visible)

    async def _unit(self, visit: Visit, here: Principal, visible: Sequence[int]) -> Response:
        """A unit or department: who is directly in it, what is below and above."""
        department = here.department if here.kind == "unit" else here.id
        parent = here.id if here.kind == "unit" else 0
        units = [each for each in await self._directory.units(department) if each.unit == parent]
        inside = [
            each
            for each in await self._directory.directly_in(department, parent)
            if each.unit == parent and not each.disabled
        ]
        inside.sort(key=lambda each: (not each.head, each.name))
        above = None
        if here.kind == "unit":
            above = await self._directory.by_id(here.unit or here.department)
        departments = (
            []
            if above is not None
            else [
                each
                for each in await self._directory.departments()
                if each.id in visible and each.id != here.id
            ]
        )
        return await self._listing(
            visit, inside, len(inside), here=here, above=above, units=units, departments=departments
        )

    async def _listing(
        self,
        visit: Visit,
        found: Sequence[Principal],
        count: int | None,
        words: str = "",
        here: Principal | None = None,
        above: Principal | None = None,
        units: Sequence[Principal] = (),
        departments: Sequence[Principal] = (),
    ) -> Response:
        shown = found[:SHOWN]
        now, language = clock.now(), language_of(visit.request)
        ids = [each.id for each in shown]
        away = await self._store.read(lambda tx: absences.of_many(tx, ids)) if ids else {}
        rows = [await self._row(visit, each, away.get(each.id), now, language) for each in shown]
        return self._sign_in.render(
            "people.html",
            visit,
            rows=rows,
            words=words,
            here=here,
            above=above,
            units=sorted(units, key=lambda each: each.name),
            departments=sorted(departments, key=lambda each: each.name),
            count=count,
        )

    async def _row(
        self, visit: Visit, person: Principal, absence: Absence | None, now: int, language: str
    ) -> dict[str, Any]:
        status = await self._directory.statuses.of(visit.person, person)
        unit = await self._directory.by_id(person.unit) if person.unit else None
        return {
            "person": person,
            "unit": unit,
            "telephone": str(person.data.get("telephone") or person.data.get("mobile") or ""),
            "status": status,
            "away": day(absence.ends - 1, language) if absence is not None and absence.is_now(now) else "",
        }

    async def _person(self, visit: Visit, address: str, visible: Sequence[int]) -> Response:
        person = await self._directory.by_address(address)
        is_shown = (
            person is not None
            and person.kind == "person"
            and not person.disabled
            and (person.id == visit.person.id or person.department in visible)
        )
        if person is None or not is_shown:
            raise NotFound(visit.text("people_nobody"))
        owner, now, language = person.id, clock.now(), language_of(visit.request)
        absence = await self._store.read(lambda tx: absences.of(tx, owner))
        times = await self._store.read(lambda tx: agenda.busy(tx, owner, today()))
        department = await self._directory.by_id(person.department)
        return self._sign_in.render(
            "someone.html",
            visit,
            row=await self._row(visit, person, absence, now, language),
            department=department.name if department is not None else "",
            absence=absence if absence is not None and absence.is_now(now) else None,
            busy=[hours(starts, ends) for starts, ends in times],
            is_busy=any(starts <= now < ends for starts, ends in times),
        )
