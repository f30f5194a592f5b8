# SPDX-License-Identifier: Apache-2.0
"""A task assigned by python-caldav and done by it: told by chat when late, in the head's list when done."""

from __future__ import annotations

import asyncio
from pathlib import Path

import caldav
import pytest

from armgs_server.directory import Change
from tests.chat_client import ChatClient
from tests.dav.calendars import calendar, component
from tests.world import IVANOV, PASSWORD, PETROVA, World

pytestmark = pytest.mark.peer
WAIT = 30.0

LATE = calendar(
    component(
        "VTODO",
        "late",
        "DUE:20201101T150000Z",
        "SUMMARY:Report",
        f"ORGANIZER:mailto:{IVANOV}",
        f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{PETROVA}",
    )
).decode()


def lists(url: str, address: str) -> dict[str, caldav.Calendar]:
    """Somebody's calendars and task lists by the last part of their URL."""
    client = caldav.DAVClient(url, username=address, password=PASSWORD, timeout=30)
    found = client.principal().calendars()
    return {str(each.canonical_url).rstrip("/").rpartition("/")[2]: each for each in found}


def assign(url: str) -> None:
    lists(url, IVANOV)["tasks"].save_todo(LATE)


def complete(url: str) -> None:
    """What the library's "complete" does: STATUS and COMPLETED, no PARTSTAT."""
    (task,) = lists(url, PETROVA)["tasks"].todos()
    task.complete()


def seen(url: str, name: str) -> str:
    """The only task of a list of Ivanov's."""
    (task,) = lists(url, IVANOV)[name].todos(include_completed=True)
    return str(task.data).replace("\r\n ", "").replace("\n ", "")


async def test_assigned_late_and_done(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        directory = world.directory
        ivanov, petrova = await directory.by_address(IVANOV), await directory.by_address(PETROVA)
        assert ivanov is not None and petrova is not None
        unit = await directory.create_unit(ivanov.department, "Office")
        await directory.update(ivanov.id, Change(unit=unit.id, head=True))
        await directory.update(petrova.id, Change(unit=unit.id))
        phone = ChatClient(world, PETROVA)
        await phone.online()
        try:
            await asyncio.to_thread(assign, world.url("/dav/"))
            async with asyncio.timeout(WAIT):
                while not any("Report" in text and "2020-11-01 15:00" in text for text in phone.heard):
                    await asyncio.sleep(0.05)
        finally:
            await phone.offline()
        await asyncio.to_thread(complete, world.url("/dav/"))
        mine = await asyncio.to_thread(seen, world.url("/dav/"), "tasks")
        assert "STATUS:COMPLETED" in mine and "PARTSTAT=COMPLETED" in mine
        entry = await asyncio.to_thread(seen, world.url("/dav/"), f"control-{unit.id}")
        assert "STATUS:COMPLETED" in entry and PETROVA in entry
