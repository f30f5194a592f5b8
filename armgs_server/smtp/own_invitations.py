# SPDX-License-Identifier: Apache-2.0
"""Invitations that clients mail themselves (RFC 6047): the calendar does not send the same once more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from armgs_server import log
from armgs_server.formats.icalendar import Malformed
from armgs_server.formats.imip import extract, mark
from armgs_server.service import Core
from armgs_server.smtp.copies import Stored
from armgs_server.storage import told_by_mail

_CALENDAR = (b"text/calendar", b"TEXT/CALENDAR", b"Text/Calendar")
_log = log.get("smtp")


async def note(core: Core, author: int, stored: Sequence[Stored]) -> None:
    """After a message of somebody here was taken: what it tells whom, if it is an invitation or an answer."""
    for each in stored:
        data = each.ref.data  # what is larger than the database takes is no invitation
        if data is None or not each.copy.destinations or not any(name in data for name in _CALENDAR):
            continue
        try:
            incoming = await asyncio.to_thread(extract, data)
            if incoming is None:
                continue
            marks = [
                mark(incoming.method, incoming.object, incoming.sender, recipient.path)
                for recipient in each.copy.destinations
            ]
        except (Malformed, ValueError) as error:  # a calendar part that cannot be read is mail like any other
            _log.debug("calendar part not read", error=error)
            continue
        withdrawn = await core.store.write(lambda tx, marks=marks: told_by_mail.mailed(tx, author, marks))  # type: ignore[misc]
        uid = incoming.object.uid
        _log.info(
            "invitation mailed by its author", owner=author, uid=uid, told=len(marks), withdrawn=withdrawn
        )
