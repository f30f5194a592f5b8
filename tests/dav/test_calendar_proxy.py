# SPDX-License-Identifier: Apache-2.0
"""Delegates: a secretary who reads a head's calendar, and one who invites in the head's name."""

from __future__ import annotations

from armgs_server.directory.access import READ_WRITE, put_grant
from armgs_server.storage import collections
from tests.dav.calendars import DECLARED, ICS, calendar
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, PETROVA, SIDOROV, Site
from tests.dav.test_scheduling import attendee, home, meeting, objects

CS = 'xmlns:CS="http://calendarserver.org/ns/"'


def principal(address: str) -> str:
    return f"/dav/principals/people/{address}/"


async def appoint(client: Client, owner: str, mode: str, *people: str) -> Answer:
    hrefs = "".join(f"<D:href>{principal(each)}</D:href>" for each in people)
    body = (
        f"<D:propertyupdate {DECLARED}><D:set><D:prop><D:group-member-set>{hrefs}</D:group-member-set>"
        "</D:prop></D:set></D:propertyupdate>"
    )
    return await client.request("PROPPATCH", f"{principal(owner)}calendar-proxy-{mode}/", body)


async def ask(client: Client, path: str, *names: str) -> Answer:
    body = (
        f"<D:propfind {DECLARED} {CS}><D:prop>{''.join(f'<{name}/>' for name in names)}</D:prop></D:propfind>"
    )
    return await client.request("PROPFIND", path, body, {"Depth": "0"})


async def test_a_delegate_acts_for_the_owner(both_sites: Site) -> None:
    head, secretary = both_sites.ivanov, both_sites.petrova
    place = home(IVANOV) + "default/m1.ics"
    body = calendar(meeting(f"ATTENDEE:mailto:{SIDOROV}"))
    assert (await secretary.request("PUT", place, body, ICS)).status == 404
    done = await appoint(head, IVANOV, "write", PETROVA)
    assert "200" in done.texts("//D:status")[0]
    group = await ask(
        secretary, f"{principal(IVANOV)}calendar-proxy-write/", "D:group-member-set", "D:resourcetype"
    )
    assert group.texts("//D:group-member-set/D:href") == [principal(PETROVA)]
    assert len(group.find("//D:resourcetype/CS:calendar-proxy-write")) == 1
    for_ = await ask(
        secretary, principal(PETROVA), "CS:calendar-proxy-write-for", "CS:calendar-proxy-read-for"
    )
    assert for_.texts("//CS:calendar-proxy-write-for/D:href") == [principal(IVANOV)]
    assert for_.texts("//CS:calendar-proxy-read-for/D:href") == []
    member = await ask(secretary, principal(PETROVA), "D:group-membership")
    assert member.texts("//D:group-membership/D:href") == [f"{principal(IVANOV)}calendar-proxy-write/"]
    listed = await secretary.request("PROPFIND", principal(IVANOV), headers={"Depth": "1"})
    assert listed.hrefs == [
        principal(IVANOV),
        f"{principal(IVANOV)}calendar-proxy-read/",
        f"{principal(IVANOV)}calendar-proxy-write/",
    ]
    assert (await secretary.request("PUT", place, body, ICS)).status == 201
    (copy,) = await objects(both_sites.sidorov, home(SIDOROV) + "default/")
    assert f"ORGANIZER:mailto:{IVANOV}" in copy and attendee(copy, SIDOROV)
    assert (await head.request("MKCALENDAR", home(IVANOV) + "later/")).status == 201
    assert (await secretary.request("PROPFIND", home(IVANOV) + "later/", b"", {"Depth": "0"})).status == 207

    await appoint(head, IVANOV, "read", PETROVA)  # one of both
    seen = await ask(
        secretary, principal(PETROVA), "CS:calendar-proxy-write-for", "CS:calendar-proxy-read-for"
    )
    assert seen.texts("//CS:calendar-proxy-read-for/D:href") == [principal(IVANOV)]
    assert seen.texts("//CS:calendar-proxy-write-for/D:href") == []
    assert (await secretary.request("GET", place)).status == 200
    assert (await secretary.request("DELETE", place)).status == 403
    await appoint(head, IVANOV, "read")
    assert (await secretary.request("GET", place)).status == 404


async def test_who_may_write_but_not_send(site: Site) -> None:
    """A calendar that is shared for writing is no permission to invite in its owner's name."""
    calendars = await site.store.read(
        lambda tx: collections.by_role(tx, site.people[IVANOV].id, "calendar", "default")
    )
    assert calendars is not None
    shared = calendars
    await site.store.write(lambda tx: put_grant(tx, shared, site.people[PETROVA].id, READ_WRITE))
    refused = await site.petrova.request("PUT", home(IVANOV) + "default/m1.ics", calendar(meeting()), ICS)
    assert (refused.status, refused.condition) == (403, "need-privileges")
    assert len(refused.find("//C:schedule-send")) == 1
    acl = (
        f"<D:acl {DECLARED}><D:ace><D:principal><D:href>{principal(PETROVA)}</D:href></D:principal>"
        "<D:grant><D:privilege><C:schedule-send/></D:privilege></D:grant></D:ace></D:acl>"
    )
    assert (await site.ivanov.request("ACL", home(IVANOV) + "outbox/", acl)).status == 200
    body = calendar(meeting(f"ATTENDEE:mailto:{SIDOROV}"))
    assert (await site.petrova.request("PUT", home(IVANOV) + "default/m1.ics", body, ICS)).status == 201


async def test_only_the_owner_appoints(site: Site) -> None:
    refused = await appoint(site.petrova, IVANOV, "write", PETROVA)
    assert (refused.status, refused.condition) == (403, "need-privileges")
    unknown = await appoint(site.ivanov, IVANOV, "write", "nobody@digital.example")
    assert (unknown.status, unknown.condition) == (403, "recognized-principal")
    options = await site.ivanov.request("OPTIONS", principal(IVANOV))
    assert "calendar-proxy" in options.headers["dav"]
