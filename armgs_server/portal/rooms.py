# SPDX-License-Identifier: Apache-2.0
"""/rooms?day=: the meeting rooms of the departments whose people the reader may look up, with bookings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qs

from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.directory.people_search import visible_departments
from armgs_server.errors import Invalid
from armgs_server.net.http import Response
from armgs_server.portal import agenda
from armgs_server.portal.moments import day, hours, parse_day, start_of, today
from armgs_server.portal.own_page import OwnPage
from armgs_server.portal.pages import language_of
from armgs_server.portal.signin import Visit
from armgs_server.storage import clock, scheduling

PATH: Final = "/rooms"
SHOWN: Final = 100


class Rooms(OwnPage):
    """The page."""

    path = PATH

    async def _page(self, visit: Visit) -> Response:
        asked = parse_qs(visit.request.query).get("day", [""])[0]
        try:
            chosen = parse_day(asked) if asked else today()
        except Invalid:
            chosen = today()
        rooms: list[Principal] = []
        for department in await visible_departments(self._directory, visit.person):
            rooms += [each for each in await self._directory.rooms(department) if not each.disabled]
        rooms.sort(key=lambda each: each.name)
        now = clock.now()
        rows: list[dict[str, Any]] = []
        for room in rooms[:SHOWN]:
            booked = await agenda.bookings(
                self._store, room.id, chosen, titles=await self._may_read(visit.person, room)
            )
            rows.append(
                {
                    "room": room,
                    "capacity": room.data.get("capacity") or "",
                    "bookings": [(*hours(b.starts, b.ends), b.title) for b in booked],
                    "is_busy": any(b.starts <= now < b.ends for b in booked),
                }
            )
        return self._sign_in.render(
            "rooms.html",
            visit,
            rows=rows,
            chosen=chosen.isoformat(),
            shown=day(start_of(chosen), language_of(visit.request)),
            before=(chosen - timedelta(days=1)).isoformat(),
            after=(chosen + timedelta(days=1)).isoformat(),
            is_today=chosen == today(),
        )

    async def _may_read(self, person: Principal, room: Principal) -> bool:
        calendar = await self._store.read(lambda tx: scheduling.default_calendar(tx, room.id, "VEVENT"))
        if calendar is None:
            return False
        return Rights.READ in await self._directory.access.rights(person, calendar)
