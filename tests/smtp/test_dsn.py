# SPDX-License-Identifier: Apache-2.0
"""smtp/dsn.py: RFC 3464 reports, read back by the standard library."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest

from armgs_server.smtp import dsn, header
from armgs_server.smtp.dsn import Outcome, Report

MOMENT = header.moment_of(1_790_000_000_000_000)


def read(
    *outcomes: Outcome, returned: bytes = b"Subject: x\r\n\r\n", full: bool = False, trace: str = ""
) -> EmailMessage:
    report = Report(
        sender="ivanov@digital.example",
        hostname="mx.digital.example",
        identifier="1f2e",
        moment=MOMENT,
        arrived=MOMENT,
        envelope_id="QQ314159",
        outcomes=outcomes,
        returned=returned,
        is_full=full,
        trace=trace,
    )
    data = dsn.serialise(report)
    assert data.count(b"\n") == data.count(b"\r\n")
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


@pytest.mark.parametrize("action", list(dsn.SUBJECTS))
def test_each_action_speaks_two_languages(action: str) -> None:
    message = read(Outcome("x@other.example", action, "4.2.1", "450 later"))
    russian, english = dsn.SUBJECTS[action]
    assert message["Subject"] == f"{russian} / {english}"
    text = message.get_payload(0).get_content()
    assert all(opening in text for opening in dsn.OPENINGS[action])


def test_fields_for_programs() -> None:
    first = Outcome("x@other.example", "failed", "5.1.1", "550 No", "mx.other.example", ("rfc822", "X@o"))
    second = Outcome("y@other.example", "failed", "4.4.7", "")
    message = read(first, second)
    assert message["Message-ID"] == "<1f2e@mx.digital.example>"
    status = message.get_payload(1)
    assert status.get_content_type() == "message/delivery-status"
    head, one, two = status.get_payload()
    assert dict(head.items()) == {
        "Original-Envelope-Id": "QQ314159",
        "Reporting-MTA": "dns; mx.digital.example",
        "Arrival-Date": "Mon, 21 Sep 2026 14:13:20 +0000",
    }
    assert dict(one.items()) == {
        "Original-Recipient": "rfc822; X@o",
        "Final-Recipient": "rfc822; x@other.example",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.other.example",
        "Diagnostic-Code": "smtp; 550 No",
    }
    assert dict(two.items()) == {
        "Final-Recipient": "rfc822; y@other.example",
        "Action": "failed",
        "Status": "4.4.7",
    }


def test_the_message_comes_back_whole_or_its_header() -> None:
    outcome = Outcome("x@other.example", "failed", "5.1.1", "550 No")
    assert read(outcome).get_payload(2).get_content_type() == "text/rfc822-headers"
    whole = read(outcome, returned=b"Subject: x\r\n\r\nbody\r\n", full=True).get_payload(2)
    assert whole.get_content_type() == "message/rfc822"
    assert whole.get_payload(0)["Subject"] == "x"


def test_utf8_addresses_make_global_types() -> None:
    data = read(Outcome("иван@other.example", "failed", "5.1.1", "550 No"))
    assert data.get_payload(1).get_content_type() == "message/global-delivery-status"
    assert data.get_payload(2).get_content_type() == "message/global-headers"


def test_another_servers_words_stay_in_their_field() -> None:
    message = read(
        Outcome("x@other.example", "failed", "5.1.1", "550 No\r\nAction: delivered\r\n\r\n--=_1f2e--")
    )
    _, one = message.get_payload(1).get_payload()
    assert one["Action"] == "failed"
    assert len(message.get_payload()) == 3


def test_the_number_by_which_an_administrator_finds_the_message() -> None:
    failed = Outcome("a@b.example", "failed", "5.1.1", "550 no")
    text, status, _ = read(failed, trace="18f0a1b2c3d4e5f6").iter_parts()
    assert "для администратора: 18f0a1b2c3d4e5f6\r\n" in text.get_content()
    assert "for the administrator: 18f0a1b2c3d4e5f6\r\n" in text.get_content()
    [message, _] = status.get_payload()
    assert message["X-Trace-ID"] == "18f0a1b2c3d4e5f6"
    assert message["Reporting-MTA"] == "dns; mx.digital.example"
    text, status, _ = read(failed).iter_parts()
    assert "administrator" not in text.get_content()
    assert status.get_payload()[0]["X-Trace-ID"] is None
