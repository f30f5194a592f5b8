# SPDX-License-Identifier: Apache-2.0
"""Who has not done in time what was assigned is told once, by chat and mail, and so is who assigned it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from armgs_server.config import Config
from armgs_server.directory import Change, Directory, Principal
from armgs_server.formats.icalendar import check
from armgs_server.service import Core
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.task_reminders import TaskReminders
from armgs_server.storage import Store, assignments, calindex, clock, collections, items, notices
from armgs_server.storage.assignments import Assignment
from armgs_server.storage.notices import Notice
from armgs_server.storage.tx import Tx
from tests.world import IVANOV, PETROVA

WAIT = 30.0


@pytest.fixture
async def core(store: Store, tmp_path: Path) -> AsyncIterator[Core]:
    config = Config(directory=tmp_path)
    directory = await Directory.open(store, config)
    await directory.create_department("Digital", ["digital.example"])
    await directory.create_person(IVANOV, "Иванов Иван")
    await directory.create_person(PETROVA, "Anna Petrova")
    yield Core(config, store, directory, None)
    await directory.close()


@asynccontextmanager
async def reminding(core: Core) -> AsyncIterator[None]:
    reminders = TaskReminders(Delivery(core))
    reminders.start()
    try:
        yield
    finally:
        await reminders.stop()


async def person(core: Core, address: str) -> Principal:
    found = await core.directory.by_address(address)
    assert found is not None
    return found


async def assign(core: Core, *lines: str, due: int, uid: str = "t1") -> Assignment:
    """Ivanov's task in Petrova's list, with the row that the calendar writes beside it."""
    petrova = await person(core, PETROVA)
    text = "\r\n".join(
        [
            "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Example//EN", "BEGIN:VTODO", f"UID:{uid}",
            "DTSTAMP:20261101T000000Z", "SUMMARY:Report", f"ORGANIZER:mailto:{IVANOV}",
            f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{PETROVA}", *lines, "END:VTODO", "END:VCALENDAR", "",
        ]
    ).encode()  # fmt: skip
    row = Assignment(petrova.id, uid, 0, IVANOV, "Report", due, due, 0, 0)
    ref, entry = core.store.blobs.small(text), calindex.entry(check(text))

    async def work(tx: Tx) -> None:
        tasks = await collections.by_role(tx, petrova.id, "tasks", "default")
        assert tasks is not None
        item = await items.add(tx, tasks, ref, name=f"{uid}.ics", content_type="text/calendar")
        await calindex.put(tx, item, entry)
        await assignments.put(tx, row)
        tx.publish(assignments.TOPIC, b"")

    await core.store.write(work)
    return row


async def told(core: Core, row: Assignment) -> Assignment:
    """The row once somebody was told of it."""
    async with asyncio.timeout(WAIT):
        while True:
            found = await core.store.read(lambda tx: assignments.get(tx, row.owner, row.ical_uid))
            assert found is not None
            if found.told == row.due:
                return found
            await asyncio.sleep(0.02)


async def chats(core: Core) -> list[Notice]:
    now = clock.now()
    return await core.store.write(lambda tx: notices.claim(tx, now, clock.HOUR, 100))


async def mails(core: Core, address: str) -> list[tuple[str, str]]:
    """Subject and text of what lies in somebody's INBOX."""
    owner = (await person(core, address)).id

    async def work(tx: Tx) -> list[items.Item]:
        inbox = await collections.by_role(tx, owner, "mail", "inbox")
        assert inbox is not None
        return await items.scan(tx, owner, inbox.id)

    found = []
    for item in await core.store.read(work):
        message = message_from_bytes(await core.store.blobs.read(item.blob), policy=policy.default)
        found.append((str(message["Subject"]), str(message.get_content())))
    return found


async def test_both_are_told_once_in_their_languages(core: Core) -> None:
    async with reminding(core):
        row = await assign(core, "DUE:20261101T150000Z", due=clock.now() - clock.HOUR)
        found = await told(core, row)
    assert (found.remind, found.ended) == (0, 0)
    said = {notice.recipient: notice for notice in await chats(core)}
    assert said.keys() == {IVANOV, PETROVA}
    assert said[PETROVA].subject == "Task overdue: Report"
    assert said[IVANOV].subject == "Задача просрочена: Report"
    ((subject, text),) = await mails(core, PETROVA)
    assert subject == "Task overdue: Report" and "Assigned by: Иванов Иван" in text
    ((subject, text),) = await mails(core, IVANOV)
    assert subject == "Задача просрочена: Report" and "Кому поручена: Anna Petrova" in text
    # A second process that still has the row tells nobody.
    assert not await core.store.write(lambda tx: assignments.told(tx, row, 0))


async def test_a_time_is_said_as_the_task_says_it(core: Core) -> None:
    async with reminding(core):
        row = await assign(core, "DUE;VALUE=DATE:20261119", due=1795132800_000_000, uid="day")
        await told(core, row)
        row = await assign(core, "DUE;TZID=Europe/Moscow:20261119T180000", due=1795100400_000_000, uid="zone")
        await told(core, row)
    texts = [notice.text for notice in await chats(core) if notice.recipient == PETROVA]
    assert "Due: 2026-11-19\n" in texts[0] and "Due: 2026-11-19 18:00 MSK" in texts[1]


async def test_of_what_is_repeated_each_time(core: Core) -> None:
    now = clock.now()
    due = now - now % clock.HOUR + 2 * clock.HOUR - clock.DAY
    hour = due % clock.DAY // clock.HOUR
    lines = ("DTSTART:20260101T000000Z", f"DUE:20260101T{hour:02}0000Z", "RRULE:FREQ=DAILY")
    async with reminding(core):
        found = await told(core, await assign(core, *lines, due=due))
    assert found.due == found.remind == due + clock.DAY


async def test_nobody_is_told_of_what_is_done_or_not_due(core: Core) -> None:
    now = clock.now()
    row = await assign(core, "DUE:20991101T150000Z", due=now + clock.DAY)
    await core.store.write(lambda tx: assignments.put(tx, replace(row, ended=now)))
    late = await assign(core, "DUE:20261101T150000Z", due=now - clock.HOUR, uid="t2")
    await core.store.write(lambda tx: assignments.put(tx, replace(late, remind=0)))
    async with reminding(core):
        seen = await assign(core, "DUE:20261101T150000Z", due=now - clock.HOUR, uid="t3")
        await told(core, seen)
    assert len(await chats(core)) == 2  # of t3
    assert not await core.store.write(lambda tx: assignments.told(tx, row, 0))


async def test_who_is_shut_out_is_not_told(core: Core) -> None:
    petrova = await person(core, PETROVA)
    await core.directory.disable(petrova.id)
    await core.directory.update((await person(core, IVANOV)).id, Change(data={"language": "en"}))
    async with reminding(core):
        await told(core, await assign(core, "DUE:20261101T150000Z", due=clock.now() - clock.HOUR))
    (notice,) = await chats(core)
    assert notice.recipient == IVANOV and notice.subject == "Task overdue: Report"
    assert await mails(core, PETROVA) == []
