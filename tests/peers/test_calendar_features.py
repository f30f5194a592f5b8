# SPDX-License-Identifier: Apache-2.0
"""python-caldav and curl: a calendar of the web, free time, a file on an event and a zone by its name."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import caldav
import pytest

from tests.dav.calendars import calendar, component
from tests.web import running_web
from tests.world import IVANOV, PASSWORD, World

pytestmark = pytest.mark.peer

TIMEOUT = 30
EVENT = component("VEVENT", "e1", "DTSTART:20261123T100000Z", "DTEND:20261123T110000Z", "SUMMARY:Планёрка")
MKCOL = """<D:mkcol xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/"><D:set><D:prop><D:resourcetype>
<D:collection/><CS:subscribed/></D:resourcetype><D:displayname>Holidays</D:displayname>
<CS:source><D:href>{}</D:href></CS:source></D:prop></D:set></D:mkcol>"""


def curl(*arguments: str) -> str:
    command = ["curl", "-sS", "-f", "-u", f"{IVANOV}:{PASSWORD}", *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT).stdout.decode()


def try_all(url: str, feed: str) -> list[str]:
    client = caldav.DAVClient(url, username=IVANOV, password=PASSWORD, timeout=TIMEOUT)
    principal = client.principal()
    home = str(principal.calendar_home_set.url)
    mine = next(each for each in principal.calendars() if str(each.url).endswith("/default/"))
    mine.save_event(calendar(EVENT).decode())
    busy = mine.freebusy_request(datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC))
    client.request(f"{home}holidays/", "MKCOL", MKCOL.format(feed), {"Content-Type": "text/xml"})
    (event,) = mine.events()
    added = curl("-D", "-", "-H", "Content-Disposition: attachment; filename=plan.txt",
                 "-H", "Content-Type: text/plain", "--data-binary", "the plan",
                 f"{event.url}?action=attachment-add")  # fmt: skip
    location = next(line.split()[1] for line in added.splitlines() if line.lower().startswith("location:"))
    plan = curl(f"{url}/{location.partition('/dav/')[2]}")
    zone = curl(f"{url.removesuffix('/dav')}/timezones/zones/Europe%2FMoscow")
    return [str(busy.data), plan, zone]


def holidays(url: str) -> list[str]:
    client = caldav.DAVClient(url, username=IVANOV, password=PASSWORD, timeout=TIMEOUT)
    shown = [each for each in client.principal().calendars() if str(each.url).endswith("/holidays/")]
    return [str(event.data) for each in shown for event in each.events()]


async def test_what_real_clients_see(tmp_path: Path, debian: Callable[..., None]) -> None:
    debian("curl")
    settings = {"dav": {"subscription_networks": ["127.0.0.0/8"]}}
    async with running_web() as web, World(tmp_path, settings=settings) as world:
        web.put(
            "/h.ics", calendar(component("VEVENT", "h1", "DTSTART;VALUE=DATE:20261231", "SUMMARY:New Year"))
        )
        url = world.url("/dav")
        busy, plan, zone = await asyncio.to_thread(try_all, url, web.url("/h.ics"))
        assert "FREEBUSY:20261123T100000Z/20261123T110000Z" in busy
        assert plan == "the plan"
        assert "TZID:Europe/Moscow" in zone
        async with asyncio.timeout(TIMEOUT):
            while not (found := await asyncio.to_thread(holidays, url)):
                await asyncio.sleep(0.1)
        assert len(found) == 1 and "SUMMARY:New Year" in found[0]
