# SPDX-License-Identifier: Apache-2.0
"""Tasks that were assigned and are over their time: the assignee is told, and who assigned them, by chat and
by mail, once for each due time.

When somebody is to be reminded lies in the store (`storage.assignments`); every process takes rows from there
by lease, and the transaction that notes them as told writes the messages.
"""

from __future__ import annotations

from armgs_server import log
from armgs_server.directory import lookup
from armgs_server.directory.languages import is_russian
from armgs_server.directory.model import Principal
from armgs_server.formats.icalendar import CalendarObject, Component, check
from armgs_server.formats.itip import plain
from armgs_server.formats.itip_task import next_due
from armgs_server.formats.recurrence import in_zone
from armgs_server.smtp import notices
from armgs_server.smtp.copies import Stored
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.policy import Recipient
from armgs_server.storage import assignments, clock, scheduling
from armgs_server.storage import notices as chat
from armgs_server.storage.assignments import Assignment
from armgs_server.storage.tx import Tx
from armgs_server.storage.waiting_work import WaitingWork

CLAIM_LIMIT = 20
UNTITLED = {"ru": "без названия", "en": "untitled"}
SUBJECT = {"ru": "Задача просрочена: {title}", "en": "Task overdue: {title}"}
TEXT = {
    "ru": "Задача: {title}\nСрок: {due}\nКому поручена: {assignee}\nКто поручил: {organizer}\n",
    "en": "Task: {title}\nDue: {due}\nAssigned to: {assignee}\nAssigned by: {organizer}\n",
}

_log = log.get("smtp")


class TaskReminders:
    """From `start` to `stop`."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._core = delivery.core
        self._work = WaitingWork(self._core.store, assignments.TOPIC, "task reminders", self._look)

    def start(self) -> None:
        """Begins to look."""
        self._work.start()

    async def stop(self) -> None:
        """Ends; who was not told yet is told by another process."""
        await self._work.stop()

    async def _look(self) -> int | None:
        if not self._core.config.dav.task_reminders:
            return None
        while taken := await self._work.take(assignments.claim, CLAIM_LIMIT):
            for row in taken:
                await self._remind(row)
        return await self._core.store.read(assignments.next_reminder)

    async def _remind(self, row: Assignment) -> None:
        directory, now = self._core.directory, clock.now()
        assignee = await directory.by_id(row.owner)
        organizer = await directory.by_address(row.organizer)
        found = await self._object(row)
        told: list[tuple[Principal, str, str, Stored]] = []
        following = 0
        if assignee is not None and found is not None:
            when, following = await self._times(row, assignee, found)
            for person in {each.id: each for each in (assignee, organizer) if each is not None}.values():
                if person.kind == "person" and not person.disabled:
                    host = organizer.name if organizer is not None else row.organizer
                    subject, text = _texts(person, row.summary, when, assignee.name, host)
                    made = await self._mail(person, subject, text, now)
                    told.append((person, subject, text, made))

        async def work(tx: Tx) -> int:
            if not await assignments.told(tx, row, following):
                return 0
            for person, subject, text, made in told:
                await chat.add(tx, person.id, person.address, subject, f"{subject}\n{text}", now)
                await notices.place(tx, self._delivery, made, now)
            return len(told)

        _log.info("told of a task", owner=row.owner, count=await self._core.store.write(work))

    async def _object(self, row: Assignment) -> CalendarObject | None:
        """The assignee's copy."""
        found = await self._core.store.read(lambda tx: scheduling.find(tx, row.owner, row.ical_uid))
        for item, data in found:
            return check(data if data is not None else await self._core.store.blobs.read(item.blob))
        return None

    async def _times(self, row: Assignment, person: Principal, found: CalendarObject) -> tuple[str, int]:
        """The due time as the task says it, and the next one, 0 where there is none."""
        aliases = await self._core.store.read(lambda tx: lookup.aliases(tx, person.id))
        names = {person.address, *aliases}

        def who(address: str) -> str:
            key = plain(address)
            return person.address if key in names else key

        this = next_due(found, row.due - 1, person.address, who)
        following = next_due(found, row.due, person.address, who) if found.is_recurring else None
        component = this[1] if this is not None else found.members[0]
        return _local(found, component, row.due), following[0] if following is not None else 0

    async def _mail(self, person: Principal, subject: str, text: str, now: int) -> Stored:
        recipient = Recipient(person.address, person.domain, (person.id,))
        author = f"postmaster@{person.domain}"
        return await notices.make(self._core, author, [recipient], subject, text, now)


def _texts(person: Principal, summary: str, due: str, assignee: str, organizer: str) -> tuple[str, str]:
    """Subject and text in the person's language."""
    language = "ru" if is_russian(person) else "en"
    printable = "".join(each if each.isprintable() else " " for each in summary).strip()
    title = printable or UNTITLED[language]
    text = TEXT[language].format(title=title, due=due, assignee=assignee, organizer=organizer)
    return SUBJECT[language].format(title=title), text


def _local(found: CalendarObject, component: Component, due: int) -> str:
    """A due time on the clock that the task uses; of a day, the day."""
    line = component.first("DUE") or component.first("DTSTART")
    assert line is not None  # without a date nothing is due
    moment = found.moment(line)
    if moment.is_date:
        return f"{in_zone(due - clock.DAY, None):%Y-%m-%d}"
    local = in_zone(due, moment.zone)
    name = "" if moment.zone is None else f" {local.replace(tzinfo=moment.zone):%Z}"
    return f"{local:%Y-%m-%d %H:%M}{name}"
