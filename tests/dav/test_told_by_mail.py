# SPDX-License-Identifier: Apache-2.0
"""Who is invited by a client's own mail and by its PUT is told once, whichever comes first (RFC 6047)."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from armgs_server.formats import imip
from armgs_server.storage import clock, queue, told_by_mail
from tests.dav.calendars import ICS, calendar
from tests.dav.client import Client
from tests.dav.test_scheduling import attendee, home, meeting
from tests.smtp.relaying import route
from tests.smtp.sink import Sink, running_sink
from tests.world import HOST, IVANOV, PASSWORD, World

GUEST = "guest@other.example"
INVITED = f"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{GUEST}"
TIMEOUT = 30.0


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[World, Sink]]:
    async with running_sink(Sink()) as sink:
        # Long enough for a machine that is busy: what is not withdrawn must not have gone before.
        settings = {"smtp": {"relay_routes": [route(sink)]}, "dav": {"imip_delay": 20.0}}
        async with World(tmp_path, settings=settings) as world:
            yield world, sink


def submit(world: World, uid: str, method: str = "REQUEST", start: str = "20261123T100000Z") -> None:
    """As a client with no calendar server would."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Ivanov <{IVANOV}>", GUEST, "Planning"
    mail.set_content("A word of my own.")
    text = calendar(meeting(INVITED, uid=uid, start=start)).decode()
    text = text.replace("VERSION:2.0", f"VERSION:2.0\r\nMETHOD:{method}")
    mail.add_alternative(text.encode(), maintype="text", subtype="calendar", params={"method": method})
    with smtplib.SMTP(HOST, world.ports["submission"], timeout=TIMEOUT) as smtp:
        smtp.login(IVANOV, PASSWORD)
        smtp.sendmail(IVANOV, [GUEST], mail.as_bytes())


async def store(world: World, uid: str, start: str = "20261123T100000Z", status: int = 201) -> str:
    client = Client(world.ports["http"], IVANOV, PASSWORD)
    path = home(IVANOV) + f"default/{uid}.ics"
    answer = await client.request("PUT", path, calendar(meeting(INVITED, uid=uid, start=start)), ICS)
    assert answer.status == status, answer.body
    text = (await client.request("GET", path)).body.decode().replace("\r\n ", "")
    await client.close()
    return attendee(text, GUEST)


async def until_waiting(world: World, number: int) -> None:
    """Rows of the queue; one that was sent leaves it a moment after it has arrived."""
    async with asyncio.timeout(TIMEOUT):
        while len(await world.store.read(lambda tx: queue.scan(tx, limit=10))) != number:
            await asyncio.sleep(0.02)


async def arrived(sink: Sink, number: int) -> list[bytes]:
    async with asyncio.timeout(TIMEOUT):
        while len(sink.messages) < number:
            await asyncio.sleep(0.02)
    return [bytes(message.content) for message in sink.messages]


async def test_the_mail_first_and_then_the_calendar(place: tuple[World, Sink]) -> None:
    world, sink = place
    await asyncio.to_thread(submit, world, "m1")
    assert "SCHEDULE-STATUS=1.1" in await store(world, "m1")
    (mail,) = await arrived(sink, 1)
    assert b"A word of my own." in mail
    await until_waiting(world, 0)


async def test_the_calendar_first_and_then_the_mail(place: tuple[World, Sink]) -> None:
    world, sink = place
    assert "SCHEDULE-STATUS=1.1" in await store(world, "m1")
    await until_waiting(world, 1)
    await asyncio.to_thread(submit, world, "m1")
    (mail,) = await arrived(sink, 1)
    assert b"A word of my own." in mail
    await until_waiting(world, 0)

    # Something else is told by itself: another time, another meeting.
    await store(world, "m1", "20261123T120000Z", 204)
    await store(world, "m2")
    await until_waiting(world, 2)
    await asyncio.to_thread(submit, world, "m3")
    assert len(await arrived(sink, 2)) == 2
    await until_waiting(world, 2)


async def test_what_nobody_mails_goes_by_itself(tmp_path: Path) -> None:
    async with running_sink(Sink()) as sink:
        settings = {"smtp": {"relay_routes": [route(sink)]}, "dav": {"imip_delay": 0.2}}
        async with World(tmp_path, settings=settings) as world:
            await store(world, "m1")
            (mail,) = await arrived(sink, 1)
            told = imip.extract(mail)
            assert told is not None and told.method == "REQUEST"
            # Too late to be taken back: both have gone.
            await asyncio.to_thread(submit, world, "m1")
            assert len(await arrived(sink, 2)) == 2
            now = clock.now() + told_by_mail.LIFETIME + clock.SECOND
            assert await world.store.write(lambda tx: told_by_mail.expire(tx, now)) == 1
