# SPDX-License-Identifier: Apache-2.0
"""Invitations by python-caldav: one person invites by the library's means, the other accepts in the inbox."""

from __future__ import annotations

import asyncio
from pathlib import Path

import caldav
import pytest

from tests.dav.calendars import calendar, component
from tests.world import IVANOV, PASSWORD, PETROVA, World

pytestmark = pytest.mark.peer

MEETING = calendar(
    component("VEVENT", "m1", "DTSTART:20261123T100000Z", "DTEND:20261123T110000Z", "SUMMARY:Планёрка")
).decode()


def invite_and_accept(url: str) -> str:
    """The organizer's object in the end."""
    people = []
    for address in (IVANOV, PETROVA):
        client = caldav.DAVClient(url, username=address, password=PASSWORD, timeout=30)
        people.append(client.principal())
    host, guest = people
    home = next(each for each in host.calendars() if each.canonical_url.endswith("/default/"))
    theirs = next(each for each in guest.calendars() if each.canonical_url.endswith("/default/"))
    home.save_with_invites(MEETING, [host, guest])
    (invitation,) = guest.schedule_inbox().get_items()
    invitation.load()
    assert invitation.is_invite_request()
    (copy,) = theirs.events()
    copy.change_attendee_status(partstat="ACCEPTED")
    copy.save()
    (held,) = home.events()
    return str(held.data)


async def test_python_caldav_invites_and_accepts(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        held = await asyncio.to_thread(invite_and_accept, world.url("/dav/"))
    unfolded = held.replace("\r\n ", "").replace("\n ", "")
    (line,) = [each for each in unfolded.splitlines() if each.startswith("ATTENDEE") and PETROVA in each]
    assert "PARTSTAT=ACCEPTED" in line
