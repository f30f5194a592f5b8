# SPDX-License-Identifier: Apache-2.0
"""Invitations and answers by mail: somebody outside with nothing but a mailbox (RFC 6047)."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path

from armgs_server.formats import imip
from tests.dav.calendars import ICS, calendar
from tests.dav.client import Client
from tests.dav.test_scheduling import attendee, home, meeting, objects
from tests.smtp.relaying import route
from tests.smtp.sink import Sink, running_sink
from tests.world import HOST, IVANOV, PASSWORD, PETROVA, World

GUEST = "guest@other.example"
TIMEOUT = 30.0


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits for what another task brings about."""
    async with asyncio.timeout(TIMEOUT):
        while not await condition():
            await asyncio.sleep(0.02)


def send(world: World, method: str, text: str, sender: str, recipient: str) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Guest <{sender}>", recipient, method
    mail.set_content("See the calendar part.")
    mail.add_alternative(text.encode(), maintype="text", subtype="calendar", params={"method": method})
    with smtplib.SMTP(HOST, world.ports["smtp"], timeout=TIMEOUT) as smtp:
        smtp.sendmail(sender, [recipient], mail.as_bytes())


async def test_an_outsider_is_invited_and_accepts(tmp_path: Path) -> None:
    async with running_sink(Sink()) as sink:
        settings = {"smtp": {"relay_routes": [route(sink)]}}
        async with World(tmp_path, settings=settings) as world:
            ivanov = Client(world.ports["http"], IVANOV, PASSWORD)
            mine = home(IVANOV) + "default/m1.ics"
            body = calendar(meeting(f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{GUEST}"))
            assert (await ivanov.request("PUT", mine, body, ICS)).status == 201

            async def is_sent() -> bool:
                return len(sink.messages) == 1

            await until(is_sent)
            mail = sink.messages[0].content
            assert isinstance(mail, bytes)
            told = imip.extract(mail)
            assert told is not None and (told.method, told.sender) == ("REQUEST", IVANOV)

            line = f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{GUEST}"
            accepted = calendar(meeting(line.replace("NEEDS-ACTION", "ACCEPTED"))).decode()
            answer = accepted.replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REPLY")
            # Nobody else answers for the guest.
            await asyncio.to_thread(send, world, "REPLY", answer, "thief@other.example", IVANOV)
            await asyncio.to_thread(send, world, "REPLY", answer, GUEST, IVANOV)

            async def has_answered() -> bool:
                (held,) = await objects(ivanov, home(IVANOV) + "default/")
                return "PARTSTAT=ACCEPTED" in attendee(held, GUEST)

            await until(has_answered)
            assert len(await objects(ivanov, home(IVANOV) + "inbox/")) == 1
            await ivanov.close()


async def test_an_outsider_invites_and_cancels(tmp_path: Path) -> None:
    async with running_sink(Sink()) as sink:
        async with World(tmp_path, settings={"smtp": {"relay_routes": [route(sink)]}}) as world:
            petrova = Client(world.ports["http"], PETROVA, PASSWORD)
            place = home(PETROVA) + "default/"
            text = calendar(meeting(organizer=GUEST)).decode()
            request = text.replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST")
            await asyncio.to_thread(send, world, "REQUEST", request, GUEST, PETROVA)

            async def is_there() -> bool:
                return len(await objects(petrova, place)) == 1

            await until(is_there)
            (copy,) = await objects(petrova, place)
            accepted = copy.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED")
            seen = await petrova.request("PROPFIND", place, b"", {"Depth": "1"})
            (href,) = [each for each in seen.hrefs if each.endswith(".ics")]
            assert (await petrova.request("PUT", href, accepted, ICS)).status == 204

            async def is_answered() -> bool:
                return len(sink.messages) == 1

            await until(is_answered)
            mail = sink.messages[0].content
            assert isinstance(mail, bytes)
            told = imip.extract(mail)
            assert told is not None and (told.method, told.sender) == ("REPLY", PETROVA)
            cancel = text.replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:CANCEL").replace(
                "DTSTAMP", "SEQUENCE:1\r\nDTSTAMP"
            )
            await asyncio.to_thread(send, world, "CANCEL", cancel, GUEST, PETROVA)

            async def is_cancelled() -> bool:
                (held,) = await objects(petrova, place)
                return "STATUS:CANCELLED" in held

            await until(is_cancelled)
            await petrova.close()
