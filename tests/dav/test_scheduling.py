# SPDX-License-Identifier: Apache-2.0
"""Two people and a room over plain HTTP: what RFC 6638 says happens, as each of them sees it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from armgs_server.directory.people import Change
from armgs_server.formats import imip
from armgs_server.storage import clock, queue
from tests.dav.calendars import DECLARED, ICS, calendar, component
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, PETROVA, ROOM, SIDOROV, Site, run_site


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

    # An answer came in between: who writes by the schedule tag keeps it (RFC 6638 §3.2.10).
    read = await ivanov.request("GET", mine)
    assert "PARTSTAT=NEEDS-ACTION" in attendee(read.body.decode().replace("\r\n ", ""), PETROVA)
    await put(petrova, theirs, moved.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=TENTATIVE").encode(), 204)
    room = read.body.replace(b"END:VEVENT", b"LOCATION:412\r\nEND:VEVENT")
    await put(ivanov, mine, room, 204, If_Schedule_Tag_Match=read.headers["schedule-tag"])
    for each in (
        (await objects(ivanov, home(IVANOV) + "default/"))[0],
        (await objects(petrova, home(PETROVA) + "default/"))[0],
    ):
        assert "PARTSTAT=TENTATIVE" in attendee(each, PETROVA) and "LOCATION:412" in each

    assert (await ivanov.request("DELETE", mine)).status == 204
    (cancelled,) = await objects(petrova, home(PETROVA) + "default/")
    assert "STATUS:CANCELLED" in cancelled
    assert any("METHOD:CANCEL" in text for text in await objects(petrova, home(PETROVA) + "inbox/"))
    assert (await petrova.request("DELETE", theirs)).status == 204  # nobody is told
    assert len(await names(ivanov, home(IVANOV) + "inbox/")) == 2


async def test_an_attendee_may_answer_and_no_more(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    mine = home(IVANOV) + "default/m1.ics"
    await put(ivanov, mine, calendar(meeting()))
    (theirs,) = await names(petrova, home(PETROVA) + "default/")
    text = (await petrova.request("GET", theirs)).body.decode().replace("\r\n ", "")
    for wrong in (
        text.replace("DTSTART:20261123T100000Z", "DTSTART:20261123T110000Z"),
        text.replace(f"ORGANIZER:mailto:{IVANOV}", f"ORGANIZER:mailto:{PETROVA}"),
        text.replace("END:VEVENT", f"ATTENDEE:mailto:{SIDOROV}\r\nEND:VEVENT"),
        text.replace(f"{attendee(text, PETROVA)}\r\n", ""),
    ):
        refused = await petrova.request("PUT", theirs, wrong, ICS)
        assert (refused.status, refused.condition) == (403, "allowed-attendee-scheduling-object-change")
    assert len(await names(ivanov, home(IVANOV) + "inbox/")) == 0
    silent = await petrova.request("DELETE", theirs, headers={"Schedule-Reply": "F"})
    assert silent.status == 204
    assert len(await names(ivanov, home(IVANOV) + "inbox/")) == 0
    again = (await ivanov.request("GET", mine)).body.replace(b"20261123T100000Z", b"20261124T100000Z")
    await put(ivanov, mine, again, 204)
    (theirs,) = await names(petrova, home(PETROVA) + "default/")
    assert (await petrova.request("DELETE", theirs)).status == 204  # declines
    (answer,) = await objects(ivanov, home(IVANOV) + "inbox/")
    assert "PARTSTAT=DECLINED" in attendee(answer, PETROVA)
    (mine_now,) = await objects(ivanov, home(IVANOV) + "default/")
    assert "PARTSTAT=DECLINED" in attendee(mine_now, PETROVA)


async def test_one_instance_of_many(site: Site) -> None:
    """A third person for one day, that day taken away again, another one declined."""
    ivanov, petrova, sidorov = site.ivanov, site.petrova, site.sidorov
    mine = home(IVANOV) + "default/m1.ics"
    master = meeting("RRULE:FREQ=DAILY;COUNT=5")
    special = meeting(
        f"ATTENDEE:mailto:{PETROVA}", f"ATTENDEE:mailto:{SIDOROV}", "RECURRENCE-ID:20261125T100000Z",
        start="20261125T100000Z",
    )  # fmt: skip
    await put(ivanov, mine, calendar(master, special))
    (only,) = await objects(sidorov, home(SIDOROV) + "default/")
    assert "RRULE" not in only and "RECURRENCE-ID:20261125T100000Z" in only
    (whole,) = await objects(petrova, home(PETROVA) + "default/")
    assert whole.count("BEGIN:VEVENT") == 2 and "RRULE" in whole

    (theirs,) = await names(petrova, home(PETROVA) + "default/")
    first = whole.index("BEGIN:VEVENT")
    declined = whole[:first] + whole[first:].replace(
        "RRULE:FREQ=DAILY;COUNT=5", "RRULE:FREQ=DAILY;COUNT=5\r\nEXDATE:20261124T100000Z", 1
    )
    await put(petrova, theirs, declined.encode(), 204)
    (held,) = await objects(ivanov, home(IVANOV) + "default/")
    (override,) = [part for part in held.split("BEGIN:VEVENT") if "RECURRENCE-ID:20261124T100000Z" in part]
    assert "PARTSTAT=DECLINED" in attendee(override, PETROVA)
    assert "PARTSTAT=NEEDS-ACTION" in attendee(held.split("BEGIN:VEVENT")[1], PETROVA)

    await put(ivanov, mine, calendar(master), 204)
    (gone,) = await objects(sidorov, home(SIDOROV) + "default/")
    assert "STATUS:CANCELLED" in gone
    assert sum("METHOD:CANCEL" in text for text in await objects(sidorov, home(SIDOROV) + "inbox/")) == 1


async def test_a_room_answers_for_itself(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    room = f"ATTENDEE;CUTYPE=ROOM;PARTSTAT=NEEDS-ACTION:mailto:{ROOM}"
    await put(ivanov, home(IVANOV) + "default/m1.ics", calendar(meeting(room, "RRULE:FREQ=DAILY;COUNT=3")))
    (held,) = await objects(ivanov, home(IVANOV) + "default/")
    assert "PARTSTAT=ACCEPTED" in attendee(held, ROOM) and "SCHEDULE-STATUS=2.0" in attendee(held, ROOM)
    other = meeting(room, uid="m2", start="20261125T103000Z", organizer=PETROVA)
    await put(petrova, home(PETROVA) + "default/m2.ics", calendar(other))
    (refused,) = await objects(petrova, home(PETROVA) + "default/")
    assert "PARTSTAT=DECLINED" in attendee(refused, ROOM)
    (why,) = await objects(petrova, home(PETROVA) + "inbox/")
    assert "2026-11-25 10:30 UTC" in why
    assert len(await names(ivanov, home(ROOM) + "default/")) == 1
    assert (await ivanov.request("DELETE", home(IVANOV) + "default/m1.ics")).status == 204
    moved = (await petrova.request("GET", home(PETROVA) + "default/m2.ics")).body
    await put(petrova, home(PETROVA) + "default/m2.ics", moved.replace(b"T103000Z", b"T110000Z"), 204)
    (held,) = await objects(petrova, home(PETROVA) + "default/")
    assert "PARTSTAT=ACCEPTED" in attendee(held, ROOM)


async def test_two_hosts_ask_for_a_room_at_once(both_sites: Site) -> None:
    room = f"ATTENDEE;CUTYPE=ROOM;PARTSTAT=NEEDS-ACTION:mailto:{ROOM}"
    hosts = (IVANOV, PETROVA, SIDOROV)
    puts = [
        put(
            both_sites.client(host),
            home(host) + "default/x.ics",
            calendar(meeting(room, uid=f"host-{number}", organizer=host)),
        )
        for number, host in enumerate(hosts)
    ]
    await asyncio.gather(*puts)
    answers = []
    for host in hosts:
        (held,) = await objects(both_sites.client(host), home(host) + "default/")
        answers.append("PARTSTAT=ACCEPTED" in attendee(held, ROOM))
    assert sorted(answers) == [False, False, True]


async def test_rules_of_a_room(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    hours = {"days": "MO,TU,WE,TH,FR", "from": "09:00", "until": "18:00", "zone": "UTC"}
    data = {
        "capacity": 12,
        "hours": hours,
        "buffer": 30,
        "managers": [site.people[PETROVA].id],
        "approval": True,
    }
    await site.core.directory.update(site.people[ROOM].id, Change(data=data))
    room = f"ATTENDEE;CUTYPE=ROOM;PARTSTAT=NEEDS-ACTION:mailto:{ROOM}"
    steps = [
        ("a", "20261123T100000Z", "TENTATIVE"),  # until a manager says so
        ("b", "20261123T111500Z", "DECLINED"),  # within the buffer
        ("c", "20261123T173000Z", "DECLINED"),  # ends too late
        ("d", "20261122T100000Z", "DECLINED"),  # a Sunday
    ]
    for uid, start, expected in steps:
        await put(ivanov, home(IVANOV) + f"default/{uid}.ics", calendar(meeting(room, uid=uid, start=start)))
        held = (await ivanov.request("GET", home(IVANOV) + f"default/{uid}.ics")).body.decode()
        assert f"PARTSTAT={expected}" in attendee(held.replace("\r\n ", ""), ROOM), uid
    assert len(await names(petrova, home(PETROVA) + "inbox/")) == 1
    mine = meeting(room, uid="e", start="20261124T100000Z", organizer=PETROVA)
    await put(petrova, home(PETROVA) + "default/e.ics", calendar(mine))
    (held,) = await objects(petrova, home(PETROVA) + "default/")
    assert "PARTSTAT=ACCEPTED" in attendee(held, ROOM)


async def test_a_group_is_its_members(site: Site) -> None:
    directory, people = site.core.directory, site.people
    await directory.create_group("all@digital.example", "Все", [people[IVANOV].id, people[PETROVA].id])
    group = "ATTENDEE;CUTYPE=GROUP:mailto:all@digital.example"
    await put(site.ivanov, home(IVANOV) + "default/m1.ics", calendar(meeting(group)))
    (held,) = await objects(site.ivanov, home(IVANOV) + "default/")
    assert 'MEMBER="mailto:all@digital.example"' in attendee(held, PETROVA)
    (copy,) = await objects(site.petrova, home(PETROVA) + "default/")
    assert "PARTSTAT=NEEDS-ACTION" in attendee(copy, PETROVA)


async def test_who_is_not_known_or_elsewhere(site: Site) -> None:
    people = ("ATTENDEE:mailto:nobody@digital.example", "ATTENDEE:mailto:guest@elsewhere.example")
    agent = f"ATTENDEE;SCHEDULE-AGENT=CLIENT:mailto:{PETROVA}"
    await put(site.ivanov, home(IVANOV) + "default/m1.ics", calendar(meeting(*people, agent)))
    (held,) = await objects(site.ivanov, home(IVANOV) + "default/")
    assert "SCHEDULE-STATUS=3.7" in attendee(held, "nobody@digital.example")
    assert "SCHEDULE-STATUS=1.1" in attendee(held, "guest@elsewhere.example")
    assert "SCHEDULE-STATUS" not in attendee(held, PETROVA)
    assert await names(site.petrova, home(PETROVA) + "default/") == []
    (entry,) = await site.store.write(
        lambda tx: queue.claim(tx, clock.now() + clock.MINUTE, clock.MINUTE, 10)
    )
    assert (entry.sender, entry.recipient) == (IVANOV, "guest@elsewhere.example")
    mail = await site.store.blobs.read(entry.blob)
    found = imip.extract(mail)
    assert found is not None and (found.method, found.sender, found.object.uid) == ("REQUEST", IVANOV, "m1")


FREE_BUSY = """\
BEGIN:VCALENDAR
VERSION:2.0
METHOD:REQUEST
BEGIN:VFREEBUSY
UID:fb
DTSTAMP:20261101T000000Z
ORGANIZER:mailto:{organizer}
DTSTART:20261123T000000Z
DTEND:20261124T000000Z
{attendees}END:VFREEBUSY
END:VCALENDAR
"""


async def test_free_time_of_people_and_rooms(site: Site) -> None:
    room = f"ATTENDEE;CUTYPE=ROOM:mailto:{ROOM}"
    await put(site.ivanov, home(IVANOV) + "default/m1.ics", calendar(meeting(room)))
    asked = "".join(f"ATTENDEE:mailto:{who}\n" for who in (IVANOV, ROOM, PETROVA, "nobody@digital.example"))
    outbox = home(PETROVA) + "outbox/"
    text = FREE_BUSY.format(organizer=PETROVA, attendees=asked).replace("\n", "\r\n")
    answer = await site.petrova.request("POST", outbox, text, ICS)
    assert answer.status == 200, answer.body
    statuses = answer.texts("//C:response/C:request-status")
    assert [status[:3] for status in statuses] == ["2.0", "2.0", "2.0", "3.7"]
    ivanov, meeting_room, petrova = answer.texts("//C:calendar-data")
    for busy in (ivanov, meeting_room):
        assert "FREEBUSY;FBTYPE=BUSY:20261123T100000Z/20261123T110000Z" in busy
    assert "FREEBUSY" not in petrova.replace("VFREEBUSY", "")
    forged = await site.petrova.request("POST", outbox, text.replace(PETROVA, IVANOV, 1), ICS)
    assert (forged.status, forged.condition) == (403, "organizer-allowed")
    other = await site.petrova.request("POST", home(IVANOV) + "outbox/", text, ICS)
    assert other.status in (403, 404)


AVAILABILITY = """\
BEGIN:VCALENDAR
BEGIN:VAVAILABILITY
UID:a
BEGIN:AVAILABLE
UID:b
DTSTART:20261102T090000Z
DTEND:20261102T180000Z
RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR
END:AVAILABLE
END:VAVAILABILITY
END:VCALENDAR
"""


async def test_availability_and_properties_of_the_inbox(site: Site) -> None:
    inbox = home(IVANOV) + "inbox/"
    change = (
        f"<D:propertyupdate {DECLARED}><D:set><D:prop><C:{{0}}>{{1}}</C:{{0}}></D:prop></D:set>"
        "</D:propertyupdate>"
    )
    done = await site.ivanov.request("PROPPATCH", inbox, change.format("calendar-availability", AVAILABILITY))
    assert "200" in done.texts("//D:status")[0]
    text = FREE_BUSY.format(organizer=PETROVA, attendees=f"ATTENDEE:mailto:{IVANOV}\n").replace("\n", "\r\n")
    answer = await site.petrova.request("POST", home(PETROVA) + "outbox/", text, ICS)
    assert (
        "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20261123T000000Z/20261123T090000Z"
        in answer.texts("//C:calendar-data")[0]
    )
    await site.ivanov.request("MKCALENDAR", home(IVANOV) + "work/")
    href = f"<D:href>{home(IVANOV)}{{}}/</D:href>"
    wrong = await site.ivanov.request(
        "PROPPATCH", inbox, change.format("schedule-default-calendar-URL", href.format("none"))
    )
    assert len(wrong.find("//C:valid-schedule-default-calendar-URL")) == 1
    await site.ivanov.request(
        "PROPPATCH", inbox, change.format("schedule-default-calendar-URL", href.format("work"))
    )
    wanted = "<C:schedule-default-calendar-URL/><D:resourcetype/>"
    ask = f"<D:propfind {DECLARED}><D:prop>{wanted}</D:prop></D:propfind>"
    seen = await site.ivanov.request("PROPFIND", inbox, ask, {"Depth": "0"})
    assert seen.texts("//C:schedule-default-calendar-URL/D:href") == [home(IVANOV) + "work/"]
    assert len(seen.find("//D:resourcetype/C:schedule-inbox")) == 1
    await put(site.petrova, home(PETROVA) + "default/m.ics",
              calendar(meeting(f"ATTENDEE:mailto:{IVANOV}", organizer=PETROVA)))  # fmt: skip
    assert len(await names(site.ivanov, home(IVANOV) + "work/")) == 1
    refused = await site.ivanov.request("PUT", inbox + "x.ics", calendar(meeting()), ICS)
    assert refused.status == 403
    assert (await site.ivanov.request("DELETE", inbox)).status == 403


async def test_one_object_with_a_uid_in_a_home(site: Site) -> None:
    await put(site.ivanov, home(IVANOV) + "default/m1.ics", calendar(meeting()))
    await site.ivanov.request("MKCALENDAR", home(IVANOV) + "work/")
    again = await site.ivanov.request("PUT", home(IVANOV) + "work/m1.ics", calendar(meeting()), ICS)
    assert (again.status, again.condition) == (403, "unique-scheduling-object-resource")
    assert again.texts("//C:unique-scheduling-object-resource/D:href") == [home(IVANOV) + "default/m1.ics"]
    to = {"Destination": f"http://127.0.0.1:{site.port}{home(IVANOV)}work/m1.ics"}
    copied = await site.ivanov.request("COPY", home(IVANOV) + "default/m1.ics", headers=to)
    assert (copied.status, copied.condition) == (403, "unique-scheduling-object-resource")
    done = await site.ivanov.request("MOVE", home(IVANOV) + "default/m1.ics", headers=to)
    assert done.status == 201
    moved = await site.ivanov.request("GET", home(IVANOV) + "work/m1.ics")
    assert moved.headers["schedule-tag"] == done.headers["schedule-tag"]
    assert len(await names(site.petrova, home(PETROVA) + "inbox/")) == 1
    assert (await site.ivanov.request("DELETE", home(IVANOV) + "work/")).status == 204
    (copy,) = await objects(site.petrova, home(PETROVA) + "default/")
    assert "STATUS:CANCELLED" in copy


async def test_a_task_is_assigned_and_done(site: Site) -> None:
    task = component(
        "VTODO", "t1", "DUE:20261130T150000Z", "SUMMARY:Отчёт",
        f"ORGANIZER:mailto:{IVANOV}", f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{PETROVA}",
    )  # fmt: skip
    await put(site.ivanov, home(IVANOV) + "tasks/t1.ics", calendar(task))
    (theirs,) = await names(site.petrova, home(PETROVA) + "tasks/")
    text = (await site.petrova.request("GET", theirs)).body.decode().replace("\r\n ", "")
    done = text.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=COMPLETED").replace(
        "END:VTODO", "STATUS:COMPLETED\r\nPERCENT-COMPLETE:100\r\nEND:VTODO"
    )
    await put(site.petrova, theirs, done.encode(), 204)
    (mine,) = await objects(site.ivanov, home(IVANOV) + "tasks/")
    assert "PARTSTAT=COMPLETED" in attendee(mine, PETROVA) and "PERCENT-COMPLETE:100" in mine


async def test_an_inbox_holds_so_many_messages(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, inbox_items=3) as site:
        for number in range(5):
            uid = f"m{number}"
            await put(site.ivanov, home(IVANOV) + f"default/{uid}.ics", calendar(meeting(uid=uid)))
        kept = await objects(site.petrova, home(PETROVA) + "inbox/")
        assert [line(text, "UID:") for text in kept] == ["UID:m2", "UID:m3", "UID:m4"]


async def test_invitations_of_hundreds_share_their_bytes(both_sites: Site) -> None:
    people = [f"p{number}@digital.example" for number in range(60)]
    for address in people:
        await both_sites.core.directory.create_person(address, address)
    lines = [f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{address}" for address in people]
    await put(both_sites.ivanov, home(IVANOV) + "default/m1.ics", calendar(meeting(*lines)))
    (held,) = await objects(both_sites.ivanov, home(IVANOV) + "default/")
    assert held.count("SCHEDULE-STATUS=1.2") == 60
    owners = await both_sites.store.read(
        lambda tx: tx.rows(
            "SELECT blob, COUNT(*) FROM item WHERE content_type LIKE 'text/calendar%' GROUP BY blob"
        )
    )
    assert sorted(count for _, count in owners) == [1, 60, 60]  # the host's, the messages, the copies


async def test_a_copy_of_a_whole_calendar_cancels_nothing(site: Site) -> None:
    await put(site.ivanov, home(IVANOV) + "default/m1.ics", calendar(meeting()))
    to = {"Destination": f"http://127.0.0.1:{site.port}{home(IVANOV)}copy/"}
    assert (await site.ivanov.request("COPY", home(IVANOV) + "default/", headers=to)).status == 201
    assert (await site.ivanov.request("DELETE", home(IVANOV) + "copy/")).status == 204
    (theirs,) = await objects(site.petrova, home(PETROVA) + "default/")
    assert "STATUS:CANCELLED" not in theirs
