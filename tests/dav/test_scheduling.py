# SPDX-License-Identifier: Apache-2.0
"""Two people and a room over plain HTTP: what RFC 6638 says happens, as each of them sees it."""

from __future__ import annotations

import pytest

from tests.dav.calendars import DECLARED, ICS, calendar, component
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, PETROVA, ROOM, SIDOROV, Site


def home(address: str) -> str:
    return f"/dav/calendars/{address}/"


def meeting(*lines: str, start: str = "20261123T100000Z", uid: str = "m1", organizer: str = IVANOV) -> str:
    people = [line for line in lines if line.startswith("ATTENDEE")]
    return component(
        "VEVENT",
        uid,
        f"DTSTART:{start}",
        "DURATION:PT1H",
        "SUMMARY:Планёрка",
        f"ORGANIZER:mailto:{organizer}",
        f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{organizer}",
        *(people or [f"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{PETROVA}"]),
        *(line for line in lines if not line.startswith("ATTENDEE")),
    )


async def put(client: Client, path: str, data: bytes, status: int = 201, **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await client.request("PUT", path, data, {**ICS, **fields})
    assert answer.status == status, answer.body.decode()
    return answer


async def names(client: Client, path: str) -> list[str]:
    answer = await client.request(
        "PROPFIND", path, f"<D:propfind {DECLARED}><D:prop><D:getetag/></D:prop></D:propfind>", {"Depth": "1"}
    )
    assert answer.status == 207
    return [href for href in answer.hrefs if href.endswith(".ics")]


async def objects(client: Client, path: str) -> list[str]:
    """The unfolded text of every member."""
    found = []
    for href in await names(client, path):
        answer = await client.request("GET", href)
        assert answer.status == 200
        found.append(answer.body.decode().replace("\r\n ", ""))
    return found


def line(text: str, start: str) -> str:
    """The one line that begins so and names somebody."""
    found = [each for each in text.split("\r\n") if each.startswith(start)]
    assert len(found) == 1, text
    return found[0]


def attendee(text: str, address: str) -> str:
    found = [each for each in text.split("\r\n") if each.startswith("ATTENDEE") and each.endswith(address)]
    assert len(found) == 1, text
    return found[0]


async def test_invitation_answer_change_and_cancellation(both_sites: Site) -> None:
    """The story of RFC 6638 appendix B."""
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    mine = home(IVANOV) + "default/m1.ics"
    made = await put(ivanov, mine, calendar(meeting()))
    assert "etag" not in made.headers  # SCHEDULE-STATUS was added
    tag = made.headers["schedule-tag"]
    stored = await ivanov.request("GET", mine)
    assert stored.headers["schedule-tag"] == tag
    assert "SCHEDULE-STATUS=1.2" in attendee(stored.body.decode().replace("\r\n ", ""), PETROVA)

    (invitation,) = await objects(petrova, home(PETROVA) + "inbox/")
    assert "METHOD:REQUEST" in invitation and "SCHEDULE-STATUS" not in invitation
    (theirs,) = await names(petrova, home(PETROVA) + "default/")
    copy = await petrova.request("GET", theirs)
    text = copy.body.decode().replace("\r\n ", "")
    assert "METHOD" not in text and "PARTSTAT=NEEDS-ACTION" in attendee(text, PETROVA)
    before = copy.headers["schedule-tag"]

    accepted = text.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED").replace(
        "END:VEVENT", "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT10M\r\nEND:VALARM\r\nEND:VEVENT"
    )
    await put(petrova, theirs, accepted.encode(), 204, If_Schedule_Tag_Match=before)
    seen = await ivanov.request("GET", mine)
    assert "PARTSTAT=ACCEPTED" in attendee(seen.body.decode().replace("\r\n ", ""), PETROVA)
    assert "SCHEDULE-STATUS=2.0" in attendee(seen.body.decode().replace("\r\n ", ""), PETROVA)
    assert seen.headers["schedule-tag"] == tag and seen.headers["etag"] != stored.headers["etag"]
    (answer,) = await objects(ivanov, home(IVANOV) + "inbox/")
    assert "METHOD:REPLY" in answer and "PARTSTAT=ACCEPTED" in attendee(answer, PETROVA)
    (after,) = await objects(petrova, home(PETROVA) + "default/")
    assert "SCHEDULE-STATUS=1.2" in line(after, "ORGANIZER")

    later = seen.body.replace(b"20261123T100000Z", b"20261123T120000Z")
    await put(ivanov, mine, later, 204)
    (moved,) = await objects(petrova, home(PETROVA) + "default/")
    assert "DTSTART:20261123T120000Z" in moved
    assert "PARTSTAT=NEEDS-ACTION" in attendee(moved, PETROVA)  # asked anew
    assert "TRIGGER:-PT10M" in moved  # her own alarm is still there
    stale = await petrova.request("PUT", theirs, accepted, {**ICS, "If-Schedule-Tag-Match": before})
    assert stale.status == 412

    assert (await ivanov.request("DELETE", mine)).status == 204
    (cancelled,) = await objects(petrova, home(PETROVA) + "default/")
    assert "STATUS:CANCELLED" in cancelled
    assert any("METHOD:CANCEL" in text for text in await objects(petrova, home(PETROVA) + "inbox/"))
    assert (await petrova.request("DELETE", theirs)).status == 204  # nobody is told
    assert len(await names(ivanov, home(IVANOV) + "inbox/")) == 1
