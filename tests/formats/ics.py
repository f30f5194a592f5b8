# SPDX-License-Identifier: Apache-2.0
"""iCalendar texts that the format tests share."""

from __future__ import annotations

EVENT = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//EN
BEGIN:VEVENT
UID:one@example.com
DTSTAMP:20261101T000000Z
DTSTART:20261123T100000Z
SUMMARY:Planning\\, with coffee
END:VEVENT
END:VCALENDAR
"""
MOSCOW = """\
BEGIN:VTIMEZONE
TZID:Europe/Moscow
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0300
TZOFFSETTO:+0300
END:STANDARD
END:VTIMEZONE
"""


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def lines(*content: str) -> bytes:
    return crlf("".join(f"{line}\n" for line in content))


def with_event(*content: str) -> bytes:
    return lines("BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", *content, "END:VEVENT", "END:VCALENDAR")
