# SPDX-License-Identifier: Apache-2.0
"""The demonstration's calendars: a week of meetings around today, rooms booked, and tasks. RFC 5545."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from armgs_server.cli.demo.people import names
from armgs_server.formats.contentline import ContentLine, escape, serialise

ZONE = "Europe/Moscow"


@dataclass(frozen=True, slots=True)
class DemoMeeting:
    uid: str
    summary: str
    organizer: str
    attendees: tuple[str, ...]
    weekday: int  # 0 = Monday of this week
    begin: str
    minutes: int
    place: str = ""  # name of the room
    room: str = ""  # its address
    rule: str = ""


@dataclass(frozen=True, slots=True)
class DemoTask:
    uid: str
    owner: str
    summary: str
    due: int  # days from today
    status: str
    priority: int


@dataclass(frozen=True, slots=True)
class Written:
    """One calendar object and whose it is."""

    owner: str
    name: str
    data: bytes


def write_meetings(now: datetime) -> list[Written]:
    """Every meeting, once for each person and room that takes part."""
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    written = []
    for meeting in MEETINGS:
        data = serialise(_meeting_lines(meeting, monday, now))
        owners = dict.fromkeys(
            (meeting.organizer, *meeting.attendees, *([meeting.room] if meeting.room else []))
        )
        written += [Written(owner, f"{meeting.uid}.ics", data) for owner in owners]
    return written


def write_tasks(now: datetime) -> list[Written]:
    return [Written(task.owner, f"{task.uid}.ics", serialise(_task_lines(task, now))) for task in TASKS]


def _meeting_lines(meeting: DemoMeeting, monday: datetime, now: datetime) -> list[ContentLine]:
    hour, minute = (int(part) for part in meeting.begin.split(":"))
    begin = monday + timedelta(days=meeting.weekday, hours=hour, minutes=minute)
    end = begin + timedelta(minutes=meeting.minutes)
    lines: list[ContentLine] = [
        *_HEAD,
        *_MOSCOW,
        ("BEGIN", "", "VEVENT"),
        ("UID", "", meeting.uid),
        ("DTSTAMP", "", _utc(now)),
        ("DTSTART", f";TZID={ZONE}", f"{begin:%Y%m%dT%H%M%S}"),
        ("DTEND", f";TZID={ZONE}", f"{end:%Y%m%dT%H%M%S}"),
        ("SUMMARY", "", escape(meeting.summary)),
    ]
    if meeting.rule:
        lines.append(("RRULE", "", meeting.rule))
    if meeting.place:
        lines.append(("LOCATION", "", escape(meeting.place)))
    if meeting.attendees:
        lines.append(("ORGANIZER", f';CN="{names()[meeting.organizer]}"', f"mailto:{meeting.organizer}"))
        for address in (meeting.organizer, *meeting.attendees):
            state = "ACCEPTED" if address == meeting.organizer else "NEEDS-ACTION"
            lines.append(("ATTENDEE", f';CN="{names()[address]}";PARTSTAT={state}', f"mailto:{address}"))
    if meeting.room:
        lines.append(("ATTENDEE", ";CUTYPE=ROOM;PARTSTAT=ACCEPTED", f"mailto:{meeting.room}"))
    return [*lines, ("END", "", "VEVENT"), ("END", "", "VCALENDAR")]


def _task_lines(task: DemoTask, now: datetime) -> list[ContentLine]:
    due = now + timedelta(days=task.due)
    lines: list[ContentLine] = [
        *_HEAD,
        ("BEGIN", "", "VTODO"),
        ("UID", "", task.uid),
        ("DTSTAMP", "", _utc(now)),
        ("SUMMARY", "", escape(task.summary)),
        ("DUE", ";VALUE=DATE", f"{due:%Y%m%d}"),
        ("PRIORITY", "", str(task.priority)),
        ("STATUS", "", task.status),
    ]
    if task.status == "COMPLETED":
        lines.append(("COMPLETED", "", _utc(now)))
    return [*lines, ("END", "", "VTODO"), ("END", "", "VCALENDAR")]


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


_HEAD: tuple[ContentLine, ...] = (
    ("BEGIN", "", "VCALENDAR"),
    ("VERSION", "", "2.0"),
    ("PRODID", "", "-//armgs_server//demonstration//EN"),
)
# Moscow has had no daylight saving since 2014; the observance's onset is that of UTC+3 as standard time.
_MOSCOW: tuple[ContentLine, ...] = (
    ("BEGIN", "", "VTIMEZONE"),
    ("TZID", "", ZONE),
    ("BEGIN", "", "STANDARD"),
    ("DTSTART", "", "20141026T020000"),
    ("TZOFFSETFROM", "", "+0400"),
    ("TZOFFSETTO", "", "+0300"),
    ("TZNAME", "", "MSK"),
    ("END", "", "STANDARD"),
    ("END", "", "VTIMEZONE"),
)

_DEVELOPMENT = ("petrova@digital.example", "kuznetsov@digital.example")
_PROJECT = ("petrova@digital.example", "sidorov@finance.example", "fedorova@finance.example")

MEETINGS = (
    DemoMeeting(
        "demo-standup",
        "Планёрка отдела",
        "ivanov@digital.example",
        _DEVELOPMENT,
        0,
        "09:30",
        15,
        "Переговорная 301",
        "",
        "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    ),
    DemoMeeting(
        "demo-budget",
        "«Электронный бюджет»: сроки",
        "ivanov@digital.example",
        _PROJECT,
        1,
        "11:00",
        60,
        "Переговорная 301",
        "room-301@digital.example",
    ),
    DemoMeeting(
        "demo-heads",
        "Совещание у директора",
        "orlova@digital.example",
        ("ivanov@digital.example", "smirnova@digital.example", "brown@digital.example"),
        2,
        "15:00",
        90,
        "Переговорная 301",
        "room-301@digital.example",
    ),
    DemoMeeting(
        "demo-support",
        "Support review",
        "brown@digital.example",
        ("miller@digital.example", "petrova@digital.example"),
        3,
        "10:30",
        45,
    ),
    DemoMeeting(
        "demo-contract",
        "Contract signing: screens",
        "clark@finance.example",
        ("ivanov@digital.example", "wilson@finance.example"),
        3,
        "14:00",
        30,
        "Meeting room 210",
        "room-210@finance.example",
    ),
    DemoMeeting(
        "demo-report",
        "Закрытие месяца",
        "egorova@finance.example",
        ("lebedev@finance.example", "sidorov@finance.example", "pavlov@finance.example"),
        4,
        "12:00",
        60,
        "Meeting room 210",
        "room-210@finance.example",
    ),
    DemoMeeting("demo-lunch", "Обед с однокурсниками", "petrova@digital.example", (), 4, "13:00", 60),
)

TASKS = (
    DemoTask("demo-task-mockup", "petrova@digital.example", "Макет формы обмена", 3, "IN-PROCESS", 1),
    DemoTask(
        "demo-task-locks",
        "petrova@digital.example",
        "Check which name LibreOffice sends with a lock",
        1,
        "NEEDS-ACTION",
        5,
    ),
    DemoTask(
        "demo-task-leave", "ivanov@digital.example", "Предложения по плану отпусков", 2, "NEEDS-ACTION", 3
    ),
    DemoTask(
        "demo-task-rooms",
        "ivanov@digital.example",
        "Confirm room numbers for the screens",
        -1,
        "COMPLETED",
        5,
    ),
    DemoTask(
        "demo-task-format",
        "sidorov@finance.example",
        "Согласовать формат обмена с казначейством",
        5,
        "IN-PROCESS",
        1,
    ),
    DemoTask(
        "demo-task-backup",
        "volkov@digital.example",
        "Резервная копия перед обновлением",
        4,
        "NEEDS-ACTION",
        1,
    ),
)
