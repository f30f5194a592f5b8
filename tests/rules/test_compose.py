# SPDX-License-Identifier: Apache-2.0
"""rules/compose.py: what rules send are messages, whatever the message and the script are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

from hypothesis import given, settings
from hypothesis import strategies as st

from armgs_server.rules import compose
from armgs_server.rules.compose import Stamp
from armgs_server.rules.sieve.letter import Letter

STAMP = Stamp(datetime(2026, 11, 22, 12, 0, tzinfo=UTC), "1f@digital.example")
ANY = st.text(st.characters(exclude_categories=("Cs",)), max_size=80)
HOSTILE = (
    b"Subject: a\rBcc: x@y\r\nMessage-ID: <1@x>\rX: y\r\nReferences: <0@x> junk\r <\xff@x> <2 @x>\r\n\r\n"
)


def read(data: bytes) -> EmailMessage:
    """As a mail program reads it; every line ends in CRLF, and no field has a line end in it."""
    head, _, _ = data.partition(b"\r\n\r\n")
    assert head.count(b"\n") == head.count(b"\r\n") == head.count(b"\r")
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def vacation(
    letter: bytes, sender: str = "<a@b.example>", subject: str = "", reason: str = "x"
) -> EmailMessage:
    return read(
        compose.vacation(
            Letter.of(letter),
            sender=sender,
            to="c@d.example",
            subject=subject,
            reason=reason,
            is_mime=False,
            stamp=STAMP,
        )
    )


def test_an_answer() -> None:
    message = vacation(HOSTILE, sender='"Петрова, Анна" <a@b.example>', reason="Меня нет\nдолго")
    assert [each.display_name for each in message["From"].addresses] == ["Петрова, Анна"]
    assert (message["In-Reply-To"], message["References"].split()) == ("<1@x>", ["<0@x>", "<1@x>"])
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Bcc"] is None and message["X"] is None
    assert message.get_content().split() == ["Меня", "нет", "долго"]


@settings(max_examples=30)
@given(ANY, ANY, ANY)
def test_no_text_breaks_a_message(name: str, subject: str, reason: str) -> None:
    message = vacation(HOSTILE, compose.person(name, "a@b.example"), subject, reason)
    assert "a@b.example" in str(message["From"])
    assert message["Bcc"] is None
    assert set(message.keys()) <= {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "In-Reply-To",
        "References",
        "Auto-Submitted",
        "Content-Type",
        "Content-Transfer-Encoding",
        "MIME-Version",
    }


def test_a_part_of_the_scripts_own_making() -> None:
    """RFC 5230 §4.3"""
    reason = "Content-Type: text/html\n\n<p>Away</p>"
    data = compose.vacation(
        Letter.of(b""),
        sender="a@b.example",
        to="c@d.example",
        subject="S",
        reason=reason,
        is_mime=True,
        stamp=STAMP,
    )
    message = read(data)
    assert (message.get_content_type(), message["MIME-Version"]) == ("text/html", "1.0")
    assert message.get_content().strip() == "<p>Away</p>"
    assert message["In-Reply-To"] is None


@settings(max_examples=30)
@given(ANY)
def test_a_refusal_and_a_complaint(reason: str) -> None:
    for is_extended in (False, True):
        data = compose.refusal(
            Letter.of(HOSTILE),
            owner="a@b.example",
            to="c@d.example",
            reason=reason,
            host="mx.b.example",
            is_extended=is_extended,
            stamp=STAMP,
        )
        message = message_from_bytes(data, policy=policy.default)
        assert message.get_content_type() == "multipart/report"
        assert len(list(message.iter_parts())) == 3  # type: ignore[attr-defined]
    told = read(compose.complaint(owner="a@b.example", error=reason, stamp=STAMP))
    assert [each.addr_spec for each in told["To"].addresses] == ["a@b.example"]
