# SPDX-License-Identifier: Apache-2.0
"""Calendars and contacts with real clients: vdirsyncer both ways, khal on what it fetched, python-caldav."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import caldav
import pytest

from tests.dav.calendars import calendar, card, component, event, in_range, query
from tests.dav.client import Client
from tests.world import IVANOV, PASSWORD, World

pytestmark = pytest.mark.peer

DEFAULT = f"/dav/calendars/{IVANOV}/default/"
CONTACTS = f"/dav/addressbooks/{IVANOV}/contacts/"
ICS = {"Content-Type": "text/calendar"}
VCF = {"Content-Type": "text/vcard"}
SYNC = """\
[general]
status_path = "{path}/status/"

[pair calendars]
a = "calendars_here"
b = "calendars_there"
collections = ["from b"]
metadata = ["displayname", "color"]

[storage calendars_here]
type = "filesystem"
path = "{path}/calendars/"
fileext = ".ics"

[storage calendars_there]
type = "caldav"
url = "{url}"
username = "{user}"
password = "{password}"

[pair contacts]
a = "contacts_here"
b = "contacts_there"
collections = ["contacts"]

[storage contacts_here]
type = "filesystem"
path = "{path}/contacts/"
fileext = ".vcf"

[storage contacts_there]
type = "carddav"
url = "{url}"
username = "{user}"
password = "{password}"
"""
KHAL = """\
[calendars]
[[default]]
path = {path}/calendars/default/

[locale]
timeformat = %H:%M
dateformat = %d.%m.
longdateformat = %d.%m.%Y
datetimeformat = %d.%m. %H:%M
longdatetimeformat = %d.%m.%Y %H:%M
local_timezone = Europe/Moscow
default_timezone = Europe/Moscow
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    client = Client(world.ports["http"], IVANOV, PASSWORD)
    yield client
    await client.close()


async def run(*command: str, home: Path, stdin: str = "") -> str:
    """What a client printed; it must have ended well."""
    environment = {
        **os.environ,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "LC_ALL": "C.UTF-8",
        "TZ": "Europe/Moscow",
    }
    environment.pop("PYTHONPATH", None)
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(stdin.encode()), 100)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    text = output.decode(errors="replace")
    assert process.returncode == 0, text
    return text


class Device:
    """A folder that vdirsyncer keeps in step with the server."""

    def __init__(self, world: World, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.config = path / "sync.conf"
        url = f"http://127.0.0.1:{world.ports['http']}/"
        self.config.write_text(SYNC.format(path=path, url=url, user=IVANOV, password=PASSWORD))

    async def discover(self) -> None:
        await run("vdirsyncer", "-c", str(self.config), "discover", home=self.path, stdin="y\n" * 20)

    async def sync(self) -> str:
        return await run("vdirsyncer", "-c", str(self.config), "sync", home=self.path)

    def files(self, kind: str, name: str) -> dict[str, bytes]:
        folder = self.path / kind / name
        return {each.name: each.read_bytes() for each in folder.iterdir() if not each.name.startswith(".")}


async def test_vdirsyncer_both_ways(
    world: World, client: Client, debian: Callable[..., None], tmp_path: Path
) -> None:
    """From the well-known URL alone: what is made, changed and deleted on either side reaches the other."""
    debian("vdirsyncer")
    meeting = event("m1", "20261123T100000Z", "DTEND:20261123T110000Z", "SUMMARY:Планёрка")
    person = card("anna", "Анна Петрова", "N:Петрова;Анна;;;", "EMAIL:anna@example.com")
    assert (await client.request("PUT", DEFAULT + "m1.ics", meeting, ICS)).status == 201
    assert (await client.request("PUT", CONTACTS + "anna.vcf", person, VCF)).status == 201
    assert (await client.request("PUT", CONTACTS + "bob.vcf", card("bob", "Bob"), VCF)).status == 201
    desk, phone = Device(world, tmp_path / "desk"), Device(world, tmp_path / "phone")
    for device in (desk, phone):
        await device.discover()
        await device.sync()
        assert b"UID:m1" in device.files("calendars", "default")["m1.ics"]
        assert b"UID:anna" in device.files("contacts", "contacts")["anna.vcf"]
        assert (device.path / "calendars" / "tasks").is_dir()

    folder = desk.path / "calendars" / "default"
    (folder / "m2.ics").write_bytes(event("m2", "20261124T100000Z", "SUMMARY:From the desk"))
    changed = (folder / "m1.ics").read_bytes().replace("Планёрка".encode(), "Обед".encode())
    (folder / "m1.ics").write_bytes(changed)
    (desk.path / "contacts" / "contacts" / "anna.vcf").unlink()
    task = calendar(component("VTODO", "t1", "SUMMARY:Buy paper"))
    (desk.path / "calendars" / "tasks" / "t1.ics").write_bytes(task)
    await desk.sync()

    seen = await client.request("GET", DEFAULT + "m1.ics")
    assert "SUMMARY:Обед" in seen.body.decode()
    assert (await client.request("GET", CONTACTS + "anna.vcf")).status == 404
    await phone.sync()
    assert "Обед".encode() in phone.files("calendars", "default")["m1.ics"]
    assert any(b"From the desk" in data for data in phone.files("calendars", "default").values())
    assert any(b"Buy paper" in data for data in phone.files("calendars", "tasks").values())
    assert list(phone.files("contacts", "contacts")) == ["bob.vcf"]

    assert (await client.request("DELETE", DEFAULT + "m1.ics")).status == 204
    await desk.sync()
    assert "m1.ics" not in desk.files("calendars", "default")
    assert "error" not in (await desk.sync()).lower()


async def test_khal_shows_the_week(
    world: World, client: Client, debian: Callable[..., None], tmp_path: Path
) -> None:
    debian("vdirsyncer", "khal")
    weekly = event(
        "w",
        "20261102T070000Z",
        "DURATION:PT1H",
        "RRULE:FREQ=WEEKLY;COUNT=10",
        "SUMMARY:Планёрка",
        "LOCATION:Зал",
    )
    leave = event("l", ";VALUE=DATE:20261125", "SUMMARY:Отгул")
    for name, data in (("w", weekly), ("l", leave)):
        assert (await client.request("PUT", f"{DEFAULT}{name}.ics", data, ICS)).status == 201
    desk = Device(world, tmp_path / "desk")
    await desk.discover()
    await desk.sync()
    config = desk.path / "khal.conf"
    config.write_text(KHAL.format(path=desk.path))
    week = await run("khal", "-c", str(config), "list", "23.11.2026", "30.11.2026", home=desk.path)
    assert "10:00-11:00 Планёрка" in week and "Отгул" in week
    new = ("new", "-a", "default", "26.11.2026", "15:00", "45m", "Made in khal")
    await run("khal", "-c", str(config), *new, home=desk.path)
    await desk.sync()
    body = query(in_range("VEVENT", "20261126", "20261127"), "<C:calendar-data/>")
    answer = await client.request("REPORT", DEFAULT, body, {"Depth": "1"})
    assert "SUMMARY:Made in khal" in answer.texts("//C:calendar-data")[-1]


async def test_khal_shows_birthdays(
    world: World, client: Client, debian: Callable[..., None], tmp_path: Path
) -> None:
    debian("vdirsyncer", "khal")
    headers = {"Content-Type": "text/vcard"}
    for uid, day in (("a", "BDAY:1980-02-29"), ("b", "ANNIVERSARY:--0302")):
        data = card(uid, uid.upper(), day)
        assert (await client.request("PUT", f"{CONTACTS}{uid}.vcf", data, headers)).status == 201
    desk = Device(world, tmp_path / "desk")
    await desk.discover()
    await desk.sync()
    config = desk.path / "khal.conf"
    config.write_text(KHAL.replace("calendars/default/", "calendars/birthdays/").format(path=desk.path))
    shown = await run("khal", "-c", str(config), "list", "27.02.2027", "05.03.2027", home=desk.path)
    assert "День рождения: A (1980)" in shown and "Годовщина: B" in shown


@pytest.mark.filterwarnings("default")  # the library's own
async def test_python_caldav(world: World) -> None:
    url = f"http://127.0.0.1:{world.ports['http']}/.well-known/caldav"
    await asyncio.to_thread(_drive_python_caldav, url)


def _drive_python_caldav(url: str) -> None:
    with caldav.DAVClient(url, username=IVANOV, password=PASSWORD) as client:
        principal = client.principal()
        names = {each.get_display_name() for each in principal.calendars()}
        assert {"Календарь", "Задачи"} <= names
        made = principal.make_calendar(
            "Project", cal_id="project", supported_calendar_component_set=["VEVENT"]
        )
        start = datetime(2026, 11, 23, 10, tzinfo=UTC)
        hour = timedelta(hours=1)
        meeting: Any = made.save_event(
            dtstart=start, dtend=start + hour, summary="Weekly", rrule={"FREQ": "WEEKLY", "COUNT": 5}
        )
        found = made.search(
            start=start + timedelta(days=7), end=start + timedelta(days=8), event=True, expand=True
        )
        assert [each.icalendar_component["dtstart"].dt for each in found] == [start + timedelta(days=7)]
        tokens = made.objects_by_sync_token(load_objects=True)
        assert len(list(tokens)) == 1
        meeting.icalendar_component["summary"] = "Changed"
        meeting.save()
        updated, deleted = tokens.sync()
        assert (len(list(updated)), len(list(deleted))) == (1, 0)
        meeting.delete()
        updated, deleted = tokens.sync()
        assert (len(list(updated)), len(list(deleted))) == (0, 1)
        busy: Any = made.freebusy_request(start, start + timedelta(days=1))
        assert "FREEBUSY:" not in busy.data
        tasks = next(each for each in principal.calendars() if each.get_display_name() == "Задачи")
        task: Any = tasks.save_todo(summary="Buy paper", due=start)
        assert len(tasks.todos()) == 1
        task.complete()
        assert tasks.todos() == []
        made.delete()
        assert "Project" not in {each.get_display_name() for each in principal.calendars()}
