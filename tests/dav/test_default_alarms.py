# SPDX-License-Identifier: Apache-2.0
"""Default alarms: kept on calendars and homes, when they are alarms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.default_alarms import is_alarms
from tests.dav.calendars import CALENDAR, HOME
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, Site

ALARM = "BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT15M\nEND:VALARM\n"
NAME = "default-alarm-vevent-datetime"


async def patch(client: Client, path: str, text: str) -> Answer:
    body = (
        '<propertyupdate xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set><prop>'
        f"<C:{NAME}>{text}</C:{NAME}></prop></set></propertyupdate>"
    )
    return await client.request("PROPPATCH", path, body)


async def ask(client: Client, path: str, name: str) -> Answer:
    body = (
        f'<propfind xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><C:{name}/></prop></propfind>'
    )
    return await client.request("PROPFIND", path, body, {"Depth": "0"})


@pytest.mark.parametrize("path", [CALENDAR, HOME])
async def test_alarms_are_kept(site: Site, path: str) -> None:
    ivanov, phone = site.ivanov, site.ivanov
    assert (await ask(phone, path, NAME)).texts("//D:status") == ["HTTP/1.1 404 Not Found"]
    for text in (ALARM, ALARM + ALARM, ""):
        assert (await patch(ivanov, path, text)).texts("//D:status") == ["HTTP/1.1 200 OK"]
        assert (await ask(phone, path, NAME)).prop(path, f"C:{NAME}") == text
    for text in ("not an alarm", "SUMMARY:x", "BEGIN:VEVENT\nEND:VEVENT", ALARM * 300, "END:VCALENDAR"):
        refused = await patch(ivanov, path, text)
        assert refused.texts("//D:status") == ["HTTP/1.1 403 Forbidden"]
        assert refused.find("//D:error/C:valid-calendar-data")
    assert (await ask(phone, path, NAME)).prop(path, f"C:{NAME}") == ""


async def test_component_sets(site: Site) -> None:
    name = "supported-calendar-component-sets"
    answer = await ask(site.ivanov, HOME, name)
    sets = answer.find("//C:supported-calendar-component-set")
    assert [[comp.get("name") for comp in each] for each in sets][:2] == [["VEVENT"], ["VTODO"]]
    books = await ask(site.ivanov, f"/dav/addressbooks/{IVANOV}/", name)
    assert books.texts("//D:status") == ["HTTP/1.1 404 Not Found"]


@given(st.text())
def test_any_text(text: str) -> None:
    assert not is_alarms(f"BEGIN:VEVENT\n{text}")
    assert is_alarms(ALARM)
