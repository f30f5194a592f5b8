# SPDX-License-Identifier: Apache-2.0
"""Tasks assigned to people (RFC 5546 §3.4): their state flows back, and who leads the unit has a list."""

from __future__ import annotations

import pytest

from armgs_server.directory import Change, Principal
from armgs_server.directory.control_lists import expire
from armgs_server.storage import assignments, clock
from armgs_server.storage.assignments import Assignment
from tests.dav.calendars import DECLARED, calendar, component
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, PASSWORD, PETROVA, ROOM, Site
from tests.dav.test_scheduling import attendee, home, line, names, objects, put

ORLOV = "orlov@digital.example"
NAMES = '<D:propfind xmlns:D="DAV:"><D:prop><D:displayname/></D:prop></D:propfind>'
DONE = "STATUS:COMPLETED\r\nEND:VTODO"


def task(*people: str, uid: str = "t1", extra: tuple[str, ...] = (), organizer: str = IVANOV) -> bytes:
    return calendar(
        component(
            "VTODO",
            uid,
            "DUE:20261130T150000Z",
            "SUMMARY:Отчёт",
            *extra,
            f"ORGANIZER:mailto:{organizer}",
            *(f"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{address}" for address in people),
        )
    )


async def assign(site: Site, *people: str, extra: tuple[str, ...] = (), status: int = 201) -> None:
    await put(site.ivanov, home(IVANOV) + "tasks/t1.ics", task(*people, extra=extra), status)


async def own(client: Client, address: str) -> tuple[str, str]:
    """Where somebody's only task is, and its text."""
    (href,) = await names(client, home(address) + "tasks/")
    return href, (await client.request("GET", href)).body.decode().replace("\r\n ", "")


async def change(client: Client, address: str, old: str, new: str) -> None:
    """What a client does that knows of STATUS only."""
    href, text = await own(client, address)
    assert old in text
    await put(client, href, text.replace(old, new).encode(), 204)


async def orlov(site: Site) -> Client:
    await site.core.directory.create_person(ORLOV, "Орлов Олег", password=PASSWORD)
    return site.client(ORLOV)


async def led_by_ivanov(site: Site) -> Principal:
    """A unit that Ivanov leads, with Petrova in it."""
    directory, people = site.core.directory, site.people
    unit = await directory.create_unit(people[IVANOV].department, "Канцелярия")
    await directory.update(people[IVANOV].id, Change(unit=unit.id, head=True))
    await directory.update(people[PETROVA].id, Change(unit=unit.id))
    return unit


def list_at(unit: Principal, address: str = IVANOV) -> str:
    return f"{home(address)}control-{unit.id}/"


async def sync(client: Client, path: str, token: str = "") -> Answer:
    body = (
        f"<D:sync-collection {DECLARED}><D:sync-token>{token}</D:sync-token>"
        "<D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
    )
    return await client.request("REPORT", path, body)


async def row_of(site: Site, address: str) -> Assignment | None:
    person = await site.core.directory.by_address(address)
    assert person is not None
    return await site.store.read(lambda tx: assignments.get(tx, person.id, "t1"))


async def test_whoever_says_it_only_by_status_is_done(site: Site) -> None:
    await assign(site, PETROVA)
    await change(site.petrova, PETROVA, "END:VTODO", "STATUS:IN-PROCESS\r\nPERCENT-COMPLETE:40\r\nEND:VTODO")
    _, mine = await own(site.ivanov, IVANOV)
    assert "PARTSTAT=IN-PROCESS" in attendee(mine, PETROVA)
    assert line(mine, "STATUS") == "STATUS:IN-PROCESS" and line(mine, "PERCENT") == "PERCENT-COMPLETE:40"
    await change(site.petrova, PETROVA, "STATUS:IN-PROCESS", "STATUS:COMPLETED\r\nCOMPLETED:20261122T100000Z")
    _, mine = await own(site.ivanov, IVANOV)
    assert "PARTSTAT=COMPLETED" in attendee(mine, PETROVA)
    assert line(mine, "STATUS") == "STATUS:COMPLETED"
    assert line(mine, "COMPLETED:") == "COMPLETED:20261122T100000Z"
    # Begun anew.
    await change(
        site.petrova, PETROVA, "STATUS:COMPLETED\r\nCOMPLETED:20261122T100000Z", "STATUS:NEEDS-ACTION"
    )
    _, mine = await own(site.ivanov, IVANOV)
    assert "PARTSTAT=COMPLETED" not in attendee(mine, PETROVA)
    assert "STATUS:COMPLETED" not in mine and "\r\nCOMPLETED:" not in mine


async def test_several_assignees_see_one_another(both_sites: Site) -> None:
    third = await orlov(both_sites)
    await assign(both_sites, PETROVA, ORLOV)
    await change(both_sites.petrova, PETROVA, "END:VTODO", DONE)
    _, mine = await own(both_sites.ivanov, IVANOV)
    assert line(mine, "STATUS") == "STATUS:IN-PROCESS"
    _, theirs = await own(third, ORLOV)
    assert "PARTSTAT=COMPLETED" in attendee(theirs, PETROVA)
    assert "STATUS:COMPLETED" not in theirs  # Orlov has done nothing
    _, hers = await own(both_sites.petrova, PETROVA)
    assert line(hers, "STATUS") == "STATUS:COMPLETED"
    await change(third, ORLOV, "END:VTODO", DONE)
    _, mine = await own(both_sites.ivanov, IVANOV)
    assert line(mine, "STATUS") == "STATUS:COMPLETED" and line(mine, "PERCENT") == "PERCENT-COMPLETE:100"
    assert line(mine, "COMPLETED:")


async def test_a_new_due_date_asks_anew(site: Site) -> None:
    await assign(site, PETROVA)
    await change(site.petrova, PETROVA, "END:VTODO", DONE)
    href, mine = await own(site.ivanov, IVANOV)
    later = mine.replace("20261130", "20261215").replace("STATUS:COMPLETED", "STATUS:NEEDS-ACTION")
    await put(site.ivanov, href, later.encode(), 204)
    _, hers = await own(site.petrova, PETROVA)
    assert "PARTSTAT=NEEDS-ACTION" in attendee(hers, PETROVA) and "STATUS:COMPLETED" not in hers


async def test_the_list_of_who_leads(both_sites: Site) -> None:
    unit = await led_by_ivanov(both_sites)
    third = await orlov(both_sites)  # of no unit
    await put(third, home(ORLOV) + "tasks/t1.ics", task(PETROVA, organizer=ORLOV))
    place = list_at(unit)
    listed = await both_sites.ivanov.request("PROPFIND", home(IVANOV), NAMES, {"Depth": "1"})
    assert listed.prop(place, "D:displayname") == "Контроль: Канцелярия"
    first = await sync(both_sites.ivanov, place)
    (entry,) = await objects(both_sites.ivanov, place)
    assert line(entry, "SUMMARY") == "SUMMARY:Отчёт (Петрова Анна)"
    assert line(entry, "DUE") == "DUE:20261130T150000Z" and line(entry, "STATUS") == "STATUS:NEEDS-ACTION"
    await change(both_sites.petrova, PETROVA, "END:VTODO", "PERCENT-COMPLETE:100\r\nEND:VTODO")
    second = await sync(both_sites.ivanov, place, first.texts("//D:sync-token")[-1])
    assert len(second.hrefs) == 1
    (entry,) = await objects(both_sites.ivanov, place)
    assert line(entry, "STATUS") == "STATUS:COMPLETED" and "PARTSTAT=COMPLETED" in attendee(entry, PETROVA)


async def test_nobody_else_sees_it_and_nobody_writes(site: Site) -> None:
    unit = await led_by_ivanov(site)
    await assign(site, PETROVA)
    assert (await site.petrova.request("PROPFIND", list_at(unit, PETROVA), NAMES)).status == 404
    assert (await site.petrova.request("PROPFIND", list_at(unit), NAMES)).status == 404
    huge = f"{home(IVANOV)}control-{'9' * 30}/"
    assert (await site.ivanov.request("PROPFIND", huge, NAMES)).status == 404
    (href,) = await names(site.ivanov, list_at(unit))
    assert (await site.ivanov.request("DELETE", href)).status == 403
    fields = {"Content-Type": "text/calendar"}
    written = await site.ivanov.request("PUT", list_at(unit) + "x.ics", task(uid="x"), fields)
    assert written.status == 403


async def test_heads_and_units_change(both_sites: Site) -> None:
    unit = await led_by_ivanov(both_sites)
    directory, people = both_sites.core.directory, both_sites.people
    await assign(both_sites, PETROVA)
    assert len(await names(both_sites.ivanov, list_at(unit))) == 1
    other = await directory.create_unit(people[IVANOV].department, "Отдел", parent=unit.id)
    await directory.update(people[PETROVA].id, Change(unit=other.id))
    assert await names(both_sites.ivanov, list_at(unit)) == []
    # Who leads a unit leads those inside it.
    assert len(await names(both_sites.ivanov, list_at(other))) == 1
    await directory.update(people[PETROVA].id, Change(head=True))
    assert len(await names(both_sites.petrova, list_at(other, PETROVA))) == 1
    assert (await both_sites.petrova.request("PROPFIND", list_at(unit, PETROVA), NAMES)).status == 404
    await directory.update(people[IVANOV].id, Change(head=False))
    assert (await both_sites.ivanov.request("PROPFIND", list_at(other), NAMES)).status == 404
    await change(both_sites.petrova, PETROVA, "END:VTODO", DONE)
    (entry,) = await objects(both_sites.petrova, list_at(other, PETROVA))
    assert line(entry, "STATUS") == "STATUS:COMPLETED"
    await directory.delete(people[PETROVA].id)
    rows = await both_sites.store.read(lambda tx: tx.rows("SELECT owner FROM assignment"))
    left = await both_sites.store.read(lambda tx: tx.rows("SELECT uid FROM item WHERE owner = ?", other.id))
    assert (rows, [uid for (uid,) in left if uid == 2]) == ([], [])


async def test_deleted_declined_and_called_off(site: Site) -> None:
    unit = await led_by_ivanov(site)
    await assign(site, PETROVA)
    href, _ = await own(site.petrova, PETROVA)
    assert (await site.petrova.request("DELETE", href)).status == 204
    (entry,) = await objects(site.ivanov, list_at(unit))
    assert "PARTSTAT=DECLINED" in attendee(entry, PETROVA)
    assert (await site.ivanov.request("DELETE", home(IVANOV) + "tasks/t1.ics")).status == 204
    assert await names(site.ivanov, list_at(unit)) == []
    await assign(site, PETROVA)
    assert (await site.ivanov.request("DELETE", home(IVANOV) + "tasks/t1.ics")).status == 204
    (entry,) = await objects(site.ivanov, list_at(unit))
    assert line(entry, "STATUS") == "STATUS:CANCELLED"
    href, _ = await own(site.petrova, PETROVA)
    assert (await site.petrova.request("DELETE", href)).status == 204
    assert await names(site.ivanov, list_at(unit)) == [] and await row_of(site, PETROVA) is None


@pytest.mark.parametrize("secret", ["PRIVATE", "CONFIDENTIAL"])
async def test_what_is_private_is_in_no_list(site: Site, secret: str) -> None:
    unit = await led_by_ivanov(site)
    await assign(site, PETROVA, extra=(f"CLASS:{secret}",))
    row = await row_of(site, PETROVA)
    assert row is not None and row.holder == 0 and row.remind
    await assign(site, PETROVA, status=204)
    assert len(await names(site.ivanov, list_at(unit))) == 1
    await assign(site, PETROVA, extra=(f"CLASS:{secret}",), status=204)
    assert await names(site.ivanov, list_at(unit)) == []


async def test_a_room_or_an_own_task_is_no_assignment(site: Site) -> None:
    await led_by_ivanov(site)
    await assign(site, IVANOV, ROOM)
    assert await site.store.read(lambda tx: tx.rows("SELECT owner FROM assignment")) == []


async def test_what_ended_long_ago_is_forgotten(both_sites: Site) -> None:
    unit = await led_by_ivanov(both_sites)
    await assign(both_sites, PETROVA)
    later = clock.now() + clock.DAY
    assert await both_sites.store.write(lambda tx: expire(tx, later)) == 0
    await change(both_sites.petrova, PETROVA, "END:VTODO", DONE)
    assert await both_sites.store.write(lambda tx: expire(tx, later)) == 1
    assert await names(both_sites.ivanov, list_at(unit)) == []
    _, hers = await own(both_sites.petrova, PETROVA)
    assert "STATUS:COMPLETED" in hers
