# SPDX-License-Identifier: Apache-2.0
"""Managed attachments (RFC 8607) over HTTP: who adds them, who may read them, when they go."""

from __future__ import annotations

from urllib.parse import urlsplit

from armgs_server.formats import imip
from armgs_server.storage import accounts, attachments, queue
from armgs_server.storage.attachments_sweep import sweep
from tests.dav.calendars import CALENDAR, HOME, ICS, calendar, component, event
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, PETROVA, Site
from tests.dav.test_scheduling import home, meeting, names, objects, put

TEXT = {"Content-Type": "text/plain; charset=utf-8", "Content-Disposition": "attachment; filename=plan.txt"}
WHOLE = {"Prefer": "return=representation"}
DAILY = event("daily", "20261201T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=5", "SUMMARY:Планёрка")


async def post(client: Client, path: str, query: str, body: bytes = b"", **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.request("POST", f"{path}?{query}", body, fields)


async def add(client: Client, path: str, body: bytes, query: str = "action=attachment-add") -> Answer:
    answer = await client.request("POST", f"{path}?{query}", body, TEXT)
    assert answer.status == 201, answer.body.decode()
    return answer


async def text_of(client: Client, path: str) -> str:
    answer = await client.request("GET", path)
    assert answer.status == 200
    return answer.body.decode().replace("\r\n ", "")


def attached(text: str) -> list[str]:
    return [line for line in text.split("\r\n") if line.startswith("ATTACH")]


async def test_an_attachment_is_added_read_updated_and_removed(both_sites: Site) -> None:
    ivanov, petrova, path = both_sites.ivanov, both_sites.petrova, CALENDAR + "1.ics"
    await put(ivanov, path, event("1", "20261201T100000Z", "SUMMARY:План"))
    before = await both_sites.store.read(lambda tx: accounts.usage(tx, both_sites.people[IVANOV].id))

    added = await add(ivanov, path, b"first")
    url, number = added.headers["location"], added.headers["cal-managed-id"]
    (line,) = attached(await text_of(ivanov, path))
    assert line == f"ATTACH;FMTTYPE=text/plain;FILENAME=plan.txt;SIZE=5;MANAGED-ID={number}:{url}"
    read = await ivanov.request("GET", urlsplit(url).path)
    assert (read.status, read.body) == (200, b"first")
    assert read.headers["content-type"] == "text/plain"
    assert read.headers["content-disposition"] == "attachment; filename*=UTF-8''plan.txt"
    assert (await petrova.request("GET", urlsplit(url).path)).status == 404
    assert (await both_sites.client().request("GET", urlsplit(url).path)).status == 401

    changed = await ivanov.request(
        "POST",
        f"{path}?action=attachment-update&managed-id={number}",
        b"second one",
        {**TEXT, **WHOLE, "Content-Disposition": "attachment; filename*=UTF-8''%D0%BF%D0%BB%D0%B0%D0%BD.txt"},
    )
    assert changed.status == 200 and changed.headers["content-location"] == path
    assert changed.headers["content-type"].startswith("text/calendar")
    newer = changed.headers["cal-managed-id"]
    assert newer != number
    (line,) = attached(changed.body.decode().replace("\r\n ", ""))
    assert f";FILENAME=план.txt;SIZE=10;MANAGED-ID={newer}:" in line
    assert (await ivanov.request("GET", urlsplit(url).path)).status == 404
    second = urlsplit(line[line.index(":https") + 1 :]).path
    part = await ivanov.request("GET", second, headers={"Range": "bytes=0-5"})
    assert (part.status, part.body) == (206, b"second")

    gone = await post(ivanov, path, f"action=attachment-remove&managed-id={newer}")
    assert gone.status == 204 and "cal-managed-id" not in gone.headers
    assert attached(await text_of(ivanov, path)) == []
    assert (await ivanov.request("GET", second)).status == 404
    assert (
        await both_sites.store.read(lambda tx: accounts.usage(tx, both_sites.people[IVANOV].id))
    ).bytes == before.bytes


async def test_what_is_asked_wrongly_is_refused_by_name(site: Site) -> None:
    ivanov, path = site.ivanov, CALENDAR + "daily.ics"
    await put(ivanov, path, DAILY)
    number = (await add(ivanov, path, b"one")).headers["cal-managed-id"]
    before = await text_of(ivanov, path)
    for query, condition in (
        ("", "valid-action"),
        ("action=attachment-eat", "valid-action"),
        ("action=attachment-add&managed-id=7", "valid-managed-id"),
        ("action=attachment-update", "valid-managed-id"),
        ("action=attachment-update&managed-id=7", "valid-managed-id"),
        ("action=attachment-remove&managed-id=7", "valid-managed-id"),
        (f"action=attachment-update&managed-id={number}&rid=M", "valid-rid"),
        ("action=attachment-add&rid=", "valid-rid"),
        ("action=attachment-add&rid=tomorrow", "valid-rid"),
        ("action=attachment-add&rid=20270101T100000Z", "valid-rid"),
        ("action=attachment-add&rid=M,20261202T110000Z", "valid-rid"),
        (f"action=attachment-add&rid={','.join(['M'] * 101)}", "valid-rid"),
    ):
        answer = await post(ivanov, path, query, b"more")
        assert (answer.status, answer.condition) == (403, condition), query
    stale = await post(ivanov, path, "action=attachment-add", b"more", If_Match='"other"')
    assert stale.status == 412
    missing = await post(ivanov, CALENDAR + "none.ics", "action=attachment-add", b"more")
    assert missing.status == 404
    assert (await post(site.petrova, path, "action=attachment-add", b"more")).status == 404
    assert await text_of(ivanov, path) == before


async def test_single_instances_have_their_own(site: Site) -> None:
    ivanov, path = site.ivanov, CALENDAR + "daily.ics"
    await put(ivanov, path, DAILY)
    everywhere = (await add(ivanov, path, b"for all")).headers["cal-managed-id"]
    second = "action=attachment-add&rid=20261202T100000Z"
    number = (await add(ivanov, path, b"for the second", second)).headers["cal-managed-id"]
    master, override = (await text_of(ivanov, path)).split("BEGIN:VEVENT")[1:]
    assert len(attached(master)) == 1 and everywhere in attached(master)[0]
    assert "RECURRENCE-ID:20261202T100000Z" in override
    assert [everywhere in line or number in line for line in attached(override)] == [True, True]

    third = f"action=attachment-remove&managed-id={everywhere}&rid=20261203T100000Z"
    assert (await post(ivanov, path, third)).status == 204
    text = await text_of(ivanov, path)
    assert text.count("RECURRENCE-ID") == 2 and text.count(everywhere) == 2 * 2
    assert (await post(ivanov, path, third)).condition == "valid-rid"

    whole = await post(ivanov, path, f"action=attachment-remove&managed-id={everywhere}")
    assert whole.status == 204 and everywhere not in await text_of(ivanov, path)


async def test_limits_are_settings_and_properties(site: Site) -> None:
    ivanov, path = site.ivanov, CALENDAR + "1.ics"
    object.__setattr__(site.core.config.dav, "attachments", 1)
    object.__setattr__(site.core.config.dav, "attachment_size", 1024)
    await put(ivanov, path, event("1", "20261201T100000Z"))
    asked = (
        '<D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><C:max-attachment-size/>'
        "<C:max-attachments-per-resource/><C:managed-attachments-server-URL/></D:prop></D:propfind>"
    )
    answer = await ivanov.request("PROPFIND", CALENDAR, asked, {"Depth": "0"})
    assert answer.prop(CALENDAR, "C:max-attachment-size") == "1024"
    assert answer.prop(CALENDAR, "C:max-attachments-per-resource") == "1"
    answer = await ivanov.request("PROPFIND", HOME, asked, {"Depth": "0"})
    assert answer.prop(HOME, "C:managed-attachments-server-URL") == ""
    options = await ivanov.request("OPTIONS", HOME)
    tokens = options.headers["dav"].split(", ")
    assert "calendar-managed-attachments" in tokens
    assert "calendar-managed-attachments-no-recurrence" not in tokens

    large = await post(ivanov, path, "action=attachment-add", b"x" * 1025)
    assert (large.status, large.condition) == (403, "max-attachment-size")
    await add(ivanov, path, b"x" * 1024)
    more = await post(ivanov, path, "action=attachment-add", b"x")
    assert (more.status, more.condition) == (403, "max-attachments-per-resource")


async def test_attendees_read_what_the_organizer_attaches(both_sites: Site) -> None:
    ivanov, petrova, sidorov = both_sites.ivanov, both_sites.petrova, both_sites.sidorov
    path = home(IVANOV) + "default/m1.ics"
    await put(ivanov, path, calendar(meeting()))
    url = urlsplit((await add(ivanov, path, b"agenda")).headers["location"]).path
    (theirs,) = await names(petrova, home(PETROVA) + "default/")
    number = url.split("/")[3]
    assert number in await text_of(petrova, theirs)
    assert (await petrova.request("GET", url)).body == b"agenda"
    assert (await sidorov.request("GET", url)).status == 404
    refused = await post(petrova, theirs, "action=attachment-add", b"mine")
    assert (refused.status, refused.condition) == (403, "allowed-attendee-scheduling-object-change")
    refused = await post(petrova, theirs, f"action=attachment-remove&managed-id={number}")
    assert (refused.status, refused.condition) == (403, "allowed-attendee-scheduling-object-change")

    accepted = (await text_of(petrova, theirs)).replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED")
    await put(petrova, theirs, accepted.encode(), 204)
    assert number in await text_of(ivanov, path)
    assert (await post(ivanov, path, f"action=attachment-remove&managed-id={number}")).status == 204
    assert number not in (await objects(petrova, home(PETROVA) + "default/"))[0]
    assert (await petrova.request("GET", url)).status == 404


async def test_a_put_names_only_what_its_sender_may_read(site: Site) -> None:
    ivanov, petrova, path = site.ivanov, site.petrova, CALENDAR + "1.ics"
    await put(ivanov, path, event("1", "20261201T100000Z"))
    added = await add(ivanov, path, b"secret")
    (line,) = attached(await text_of(ivanov, path))
    url = urlsplit(added.headers["location"]).path
    stolen = event("2", "20261201T100000Z", line)
    refused = await petrova.request("PUT", home(PETROVA) + "default/2.ics", stolen, ICS)
    assert (refused.status, refused.condition) == (403, "valid-managed-id-parameter")
    invented = event("3", "20261201T100000Z", "ATTACH;MANAGED-ID=7:https://example.com/7")
    refused = await ivanov.request("PUT", CALENDAR + "3.ics", invented, ICS)
    assert (refused.status, refused.condition) == (403, "valid-managed-id-parameter")

    many = [f"ATTACH;MANAGED-ID={number}:https://example.com/{number}" for number in range(201)]
    refused = await ivanov.request("PUT", CALENDAR + "4.ics", event("4", "20261201T100000Z", *many), ICS)
    assert (refused.status, refused.condition) == (403, "max-attachments-per-resource")

    # The same owner's other object may: that is how clients split a series.
    await put(ivanov, CALENDAR + "2.ics", stolen)
    assert (await ivanov.request("DELETE", path)).status == 204
    assert (await ivanov.request("GET", url)).body == b"secret"
    assert (await ivanov.request("DELETE", CALENDAR + "2.ics")).status == 204
    assert (await ivanov.request("GET", url)).status == 404


async def test_attachments_go_with_their_object_and_come_back_with_it(both_sites: Site) -> None:
    ivanov, store, path = both_sites.ivanov, both_sites.store, CALENDAR + "1.ics"
    owner = both_sites.people[IVANOV].id
    before = (await store.read(lambda tx: accounts.usage(tx, owner))).bytes
    await put(ivanov, path, event("1", "20261201T100000Z"))
    await add(ivanov, path, b"x" * 100_000)  # larger than what lies in the database
    whole = await text_of(ivanov, path)
    assert await sweep(store, 30) == 0

    assert (await ivanov.request("DELETE", path)).status == 204
    assert await sweep(store, 30) == 0
    assert (await store.read(lambda tx: accounts.usage(tx, owner))).bytes == before
    await put(ivanov, path, whole.encode())
    assert await sweep(store, 30) == 0
    (line,) = attached(await text_of(ivanov, path))
    url = urlsplit(line[line.index(":https") + 1 :]).path
    assert (await ivanov.request("GET", url)).body == b"x" * 100_000
    assert (await store.read(lambda tx: accounts.usage(tx, owner))).bytes > before + 100_000

    assert (await ivanov.request("DELETE", path)).status == 204
    assert [await sweep(store, 0), await sweep(store, 0)] == [0, 1]
    number = url.split("/")[3]
    assert await store.read(lambda tx: attachments.by_id(tx, number)) == []
    assert (await store.read(lambda tx: accounts.usage(tx, owner))).bytes == before
    refused = await ivanov.request("PUT", path, whole.encode(), ICS)
    assert (refused.status, refused.condition) == (403, "valid-managed-id-parameter")


async def test_the_quota_counts_them(site: Site) -> None:
    ivanov, path = site.ivanov, CALENDAR + "1.ics"
    owner = site.people[IVANOV].id
    await put(ivanov, path, event("1", "20261201T100000Z"))
    used = (await site.store.read(lambda tx: accounts.usage(tx, owner))).bytes
    await site.store.write(lambda tx: accounts.set_quota(tx, owner, used + 1000))
    assert (await post(ivanov, path, "action=attachment-add", b"x" * 1001)).status == 507
    assert attached(await text_of(ivanov, path)) == []
    await add(ivanov, path, b"x" * 500)


async def test_a_copy_in_somebody_elses_calendar_keeps_the_attachment(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    acl = (
        '<D:acl xmlns:D="DAV:"><D:ace><D:principal><D:href>'
        f"/dav/principals/people/{IVANOV}/</D:href></D:principal><D:grant><D:privilege><D:read/></D:privilege>"
        "<D:privilege><D:write/></D:privilege></D:grant></D:ace></D:acl>"
    )
    assert (await petrova.request("ACL", home(PETROVA) + "default/", acl)).status == 200
    path, copy = CALENDAR + "1.ics", home(PETROVA) + "default/1.ics"
    await put(ivanov, path, event("1", "20261201T100000Z"))
    url = urlsplit((await add(ivanov, path, b"shared")).headers["location"]).path
    assert (await petrova.request("GET", url)).status == 404
    answer = await ivanov.request("COPY", path, headers={"Destination": copy})
    assert answer.status == 201
    assert (await ivanov.request("DELETE", path)).status == 204
    assert await sweep(site.store, 0) + await sweep(site.store, 0) == 1  # his own, for her it stays
    assert (await petrova.request("GET", url)).body == b"shared"
    assert (await ivanov.request("GET", url)).body == b"shared"  # he may read her calendar


async def test_attachments_hang_on_tasks_and_keep_the_objects_time_zone(site: Site) -> None:
    tasks = HOME + "tasks/t.ics"
    await put(site.ivanov, tasks, calendar(component("VTODO", "t", "DUE;VALUE=DATE:20261201", "SUMMARY:x")))
    number = (await add(site.ivanov, tasks, b"note")).headers["cal-managed-id"]
    text = await text_of(site.ivanov, tasks)
    assert "DUE;VALUE=DATE:20261201" in text and number in text


async def test_who_is_invited_by_mail_gets_no_link_that_is_of_no_use(site: Site) -> None:
    path = home(IVANOV) + "default/m1.ics"
    guest = "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:guest@elsewhere.example"
    await put(site.ivanov, path, calendar(meeting(guest, "ATTACH:https://example.com/open.pdf")))
    number = (await add(site.ivanov, path, b"inside")).headers["cal-managed-id"]
    assert number in await text_of(site.ivanov, path)
    for entry in await site.store.read(lambda tx: queue.scan(tx, limit=10)):
        told = imip.extract(await site.store.blobs.read(entry.blob))
        assert told is not None
        lines = told.object.members[0].all("ATTACH")
        assert [line[2] for line in lines] == ["https://example.com/open.pdf"]


async def test_an_account_that_goes_takes_them_along(both_sites: Site) -> None:
    path, owner = CALENDAR + "1.ics", both_sites.people[IVANOV].id
    await put(both_sites.ivanov, path, event("1", "20261201T100000Z"))
    number = (await add(both_sites.ivanov, path, b"gone")).headers["cal-managed-id"]
    (row,) = await both_sites.store.read(lambda tx: attachments.by_id(tx, number))
    await both_sites.store.write(lambda tx: accounts.delete(tx, owner))
    assert await both_sites.store.read(lambda tx: attachments.by_id(tx, number)) == []
    refs = await both_sites.store.read(lambda tx: tx.value("SELECT refs FROM blob WHERE hash = ?", row.blob))
    assert refs == 0
