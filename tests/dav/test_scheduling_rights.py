# SPDX-License-Identifier: Apache-2.0
"""Privileges of inboxes and outboxes (RFC 6638 §6): shown, granted by ACL, and obeyed."""

from __future__ import annotations

from tests.dav.calendars import DECLARED, ICS, calendar
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, PETROVA, SIDOROV, Site
from tests.dav.test_scheduling import attendee, home, meeting, names, put

INBOX = home(PETROVA) + "inbox/"
DELIVER = ["schedule-deliver", "schedule-deliver-invite", "schedule-deliver-reply", "schedule-query-freebusy"]
SEND = ["schedule-send", "schedule-send-invite", "schedule-send-reply", "schedule-send-freebusy"]
ASKED = (
    f"<D:propfind {DECLARED}><D:prop><D:acl/><D:current-user-privilege-set/><D:supported-privilege-set/>"
    "</D:prop></D:propfind>"
)


async def privileges(client: Client, path: str, place: str) -> list[str]:
    answer = await client.request("PROPFIND", path, ASKED, {"Depth": "0"})
    assert answer.status == 207
    found = answer.find(f"//{place}//D:privilege/C:*")
    return [str(each.tag).rpartition("}")[2] for each in found]


def ace(principal: str, *granted: str) -> str:
    named = "".join(f"<D:privilege><C:{each}/></D:privilege>" for each in granted)
    return f"<D:ace><D:principal>{principal}</D:principal><D:grant>{named}</D:grant></D:ace>"


def person(address: str) -> str:
    return f"<D:href>/dav/principals/people/{address}/</D:href>"


async def acl(client: Client, path: str, *aces: str) -> Answer:
    return await client.request("ACL", path, f"<D:acl {DECLARED}>{''.join(aces)}</D:acl>")


async def status_of(client: Client, path: str, address: str) -> str:
    text = (await client.request("GET", path)).body.decode().replace("\r\n ", "")
    return attendee(text, address)


async def test_each_kind_of_resource_has_its_own(site: Site) -> None:
    petrova = site.petrova
    for place in ("D:supported-privilege-set", "D:current-user-privilege-set"):
        assert await privileges(petrova, INBOX, place) == DELIVER
        assert await privileges(petrova, home(PETROVA) + "outbox/", place) == SEND
        assert await privileges(petrova, home(PETROVA) + "default/", place) == ["read-free-busy"]
        assert await privileges(petrova, f"/dav/files/{PETROVA}/", place) == []
    everybody = "D:acl/D:ace[D:principal/D:authenticated]"
    assert await privileges(petrova, INBOX, everybody) == DELIVER


async def test_an_inbox_that_takes_invitations_from_few(both_sites: Site) -> None:
    ivanov, petrova, sidorov = both_sites.ivanov, both_sites.petrova, both_sites.sidorov
    closed = await acl(
        petrova,
        INBOX,
        ace("<D:authenticated/>", "schedule-query-freebusy"),
        ace(person(SIDOROV), "schedule-deliver"),
    )
    assert closed.status == 200, closed.body
    everybody = "D:acl/D:ace[D:principal/D:authenticated]"
    assert await privileges(petrova, INBOX, everybody) == ["schedule-query-freebusy"]

    await put(ivanov, home(IVANOV) + "default/m1.ics", calendar(meeting()))
    refused = await status_of(ivanov, home(IVANOV) + "default/m1.ics", PETROVA)
    assert "SCHEDULE-STATUS=3.8" in refused
    assert await names(petrova, INBOX) == [] == await names(petrova, home(PETROVA) + "default/")

    await put(sidorov, home(SIDOROV) + "default/m2.ics", calendar(meeting(uid="m2", organizer=SIDOROV)))
    assert "SCHEDULE-STATUS=1.2" in await status_of(sidorov, home(SIDOROV) + "default/m2.ics", PETROVA)
    assert len(await names(petrova, INBOX)) == 1

    opened = await acl(petrova, INBOX, ace("<D:authenticated/>", "schedule-deliver"))
    assert opened.status == 200
    assert await privileges(petrova, INBOX, everybody) == DELIVER
    await put(ivanov, home(IVANOV) + "default/m3.ics", calendar(meeting(uid="m3")))
    assert "SCHEDULE-STATUS=1.2" in await status_of(ivanov, home(IVANOV) + "default/m3.ics", PETROVA)


async def test_answers_and_free_time_are_rights_of_their_own(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await put(ivanov, home(IVANOV) + "default/m1.ics", calendar(meeting()))
    invites = await acl(ivanov, home(IVANOV) + "inbox/", ace("<D:authenticated/>", "schedule-deliver-invite"))
    assert invites.status == 200
    (theirs,) = await names(petrova, home(PETROVA) + "default/")
    text = (await petrova.request("GET", theirs)).body.decode().replace("\r\n ", "")
    await put(petrova, theirs, text.replace("NEEDS-ACTION", "ACCEPTED").encode(), 204)
    answered = (await petrova.request("GET", theirs)).body.decode().replace("\r\n ", "")
    assert "ORGANIZER;SCHEDULE-STATUS=3.8:" in answered
    assert "NEEDS-ACTION" in await status_of(ivanov, home(IVANOV) + "default/m1.ics", PETROVA)

    asked = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:REQUEST\r\nBEGIN:VFREEBUSY\r\nUID:f\r\n"
        "DTSTAMP:20261101T000000Z\r\nDTSTART:20261123T000000Z\r\nDTEND:20261124T000000Z\r\n"
        f"ORGANIZER:mailto:{PETROVA}\r\nATTENDEE:mailto:{IVANOV}\r\nATTENDEE:mailto:{SIDOROV}\r\n"
        "END:VFREEBUSY\r\nEND:VCALENDAR\r\n"
    )
    answer = await petrova.request("POST", home(PETROVA) + "outbox/", asked, ICS)
    assert answer.texts("//C:request-status") == ["3.8;No authority", "2.0;Success"]


async def test_only_what_a_resource_has_can_be_granted(site: Site) -> None:
    for path, name in ((INBOX, "schedule-send"), (home(PETROVA) + "default/", "schedule-deliver")):
        refused = await acl(site.petrova, path, ace(person(IVANOV), name))
        assert (refused.status, refused.condition) == (403, "not-supported-privilege")
