# SPDX-License-Identifier: Apache-2.0
"""Scheduling messages in mail: what is built is understood, and what cannot be understood is left alone."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats.icalendar import check
from armgs_server.formats.imip import Envelope, build, extract

CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTART:20261123T100000Z\r\n"
    "SUMMARY:Планёрка\r\nLOCATION:Зал\r\nORGANIZER:mailto:a@b.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
).encode()
STORED = check(CALENDAR.replace(b"METHOD:REQUEST\r\n", b""))
ENVELOPE = Envelope(
    "a@b.example", "Иванов\r\nBcc: x@y", "c@d.example", "<1@b.example>", 1_795_000_000_000_000
)


def test_what_is_built_is_understood() -> None:
    data = build("REQUEST", CALENDAR, STORED, ENVELOPE)
    mail = message_from_bytes(data, policy=policy.default)
    assert mail["Subject"] == "Приглашение: Планёрка" and mail["Bcc"] is None
    assert mail["To"] == "c@d.example" and "a@b.example" in mail["From"]
    text, part = mail.iter_parts()
    assert "Приглашение / Invitation: Планёрка" in text.get_content() and "Зал" in text.get_content()
    assert part.get_content_type() == "text/calendar" and part.get_param("method") == "REQUEST"
    found = extract(data)
    assert found is not None and (found.method, found.sender, found.object.uid) == (
        "REQUEST",
        "a@b.example",
        "u",
    )


def test_an_answer_says_which() -> None:
    mail = message_from_bytes(build("REPLY", CALENDAR, STORED, ENVELOPE, "DECLINED"), policy=policy.default)
    assert mail["Subject"] == "Отклонено: Планёрка"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Subject: x\r\n\r\nhello",
        b"Content-Type: text/calendar\r\n\r\nhello",
        b"Content-Type: text/calendar; charset=nonsense\r\n\r\n" + CALENDAR,
        b"Content-Type: text/calendar\r\n\r\n" + CALENDAR.replace(b"METHOD:REQUEST", b"METHOD:EAT"),
        b"Content-Type: text/calendar\r\n\r\n" + CALENDAR.replace(b"METHOD:REQUEST\r\n", b""),
    ],
)
def test_other_mail_is_left_alone(data: bytes) -> None:
    assert extract(data) is None


@given(st.binary(max_size=300))
def test_no_mail_is_too_strange(data: bytes) -> None:
    assert extract(data) is None
    extract(b"From: a@b.example\r\nContent-Type: text/calendar\r\n\r\n" + data)
