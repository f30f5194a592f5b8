# SPDX-License-Identifier: Apache-2.0
"""Delivery status notifications: RFC 3464 in a multipart/report (RFC 6522), RFC 6533 for UTF-8 addresses.

Pure. The text is for people, in Russian and in English; the second part is for programs. A report goes out
with a null reverse-path, so that none is ever made for a report (RFC 5321 §6.1).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recipient (RFC 3464 §2.3)."""

    recipient: str
    action: str  # failed delayed delivered relayed
    status: str  # RFC 3463
    diagnostic: str  # the last reply of a server, or our own words
    remote_mta: str = ""
    original: tuple[str, str] | None = None  # ORCPT


@dataclass(frozen=True, slots=True)
class Report:
    """One notification for the sender of one message."""

    sender: str  # who gets it
    hostname: str
    identifier: str  # of the report: message id and boundary
    moment: datetime
    arrived: datetime
    envelope_id: str
    outcomes: Sequence[Outcome]
    returned: bytes  # the message's header, or all of it
    is_full: bool
    language: str = ""  # ru or en; else both
    trace: str = ""  # by which the log knows the message


LANGUAGES = ("ru", "en")
SUBJECTS = {
    "failed": ("Письмо не доставлено", "Undelivered mail"),
    "delayed": ("Письмо задерживается", "Delayed mail"),
    "delivered": ("Письмо доставлено", "Delivered mail"),
    "relayed": ("Письмо передано дальше", "Relayed mail"),
}
OPENINGS = {
    "failed": (
        "Ваше письмо не удалось доставить получателям, указанным ниже. Повторных попыток не будет.",
        "Your message could not be delivered to the recipients below. No further attempts will be made.",
    ),
    "delayed": (
        "Ваше письмо пока не доставлено получателям, указанным ниже. Попытки продолжаются.",
        "Your message has not reached the recipients below yet. Attempts go on.",
    ),
    "delivered": (
        "Ваше письмо доставлено получателям, указанным ниже.",
        "Your message was delivered to the recipients below.",
    ),
    "relayed": (
        "Ваше письмо передано серверу получателей; он не сообщает о доставке.",
        "Your message was handed to the recipients' server, which does not report deliveries.",
    ),
}
# What an administrator is told, who can then find the message (`armgs trace`).
NUMBER = ("Номер письма для администратора", "Number of the message, for the administrator")


def serialise(report: Report) -> bytes:
    """The whole message, CRLF line ends."""
    action = report.outcomes[0].action
    boundary = f"=_{report.identifier}"
    is_global = not all(outcome.recipient.isascii() for outcome in report.outcomes)
    local_domain = report.sender.rpartition("@")[2]
    subject = " / ".join(_chosen(SUBJECTS[action], report.language))
    subject = Header(subject, "utf-8", header_name="Subject").encode(linesep="\r\n")
    name = Header("Почтовая служба", "utf-8").encode()
    head = (
        f"From: {name} <postmaster@{local_domain}>\r\n"
        f"To: <{report.sender}>\r\n"
        f"Subject: {subject}\r\n"
        f"Date: {format_datetime(report.moment)}\r\n"
        f"Message-ID: <{report.identifier}@{report.hostname}>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        f'\tboundary="{boundary}"\r\n\r\n'
    )
    kind = "message/global-delivery-status" if is_global else "message/delivery-status"
    parts = (
        ("text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64", _wrapped(_text(report, action))),
        (f"{kind}\r\nContent-Transfer-Encoding: 8bit", _status(report, is_global).encode()),
        (f"{_returned_type(report, is_global)}\r\nContent-Transfer-Encoding: 8bit", report.returned),
    )
    body = b"".join(
        f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n"
        for content_type, content in parts
    )
    return head.encode() + body + f"--{boundary}--\r\n".encode()


def _returned_type(report: Report, is_global: bool) -> str:
    if report.is_full:
        return "message/global" if is_global else "message/rfc822"
    return "message/global-headers" if is_global else "text/rfc822-headers"


def _text(report: Report, action: str) -> str:
    lines = [line for opening in _chosen(OPENINGS[action], report.language) for line in (opening, "")]
    for outcome in report.outcomes:
        lines += [f"<{outcome.recipient}>", f"    {outcome.status} {_one_line(outcome.diagnostic)}", ""]
    if report.trace:
        lines += [*(f"{each}: {report.trace}" for each in _chosen(NUMBER, report.language)), ""]
    return "\r\n".join(lines)


def _chosen(texts: tuple[str, str], language: str) -> Sequence[str]:
    """The text of a language, or of both."""
    return (texts[LANGUAGES.index(language)],) if language in LANGUAGES else texts


def _status(report: Report, is_global: bool) -> str:
    """The fields for programs, RFC 3464 §2.2 and §2.3."""
    lines = [f"Reporting-MTA: dns; {report.hostname}", f"Arrival-Date: {format_datetime(report.arrived)}"]
    if report.trace:
        lines.append(f"X-Trace-ID: {report.trace}")  # RFC 3464 §2.4: an extension field
    if report.envelope_id:
        lines.insert(0, f"Original-Envelope-Id: {_one_line(report.envelope_id)}")
    for outcome in report.outcomes:
        lines.append("")
        if outcome.original:
            lines.append(f"Original-Recipient: {outcome.original[0]}; {_one_line(outcome.original[1])}")
        address_type = "utf-8" if is_global and not outcome.recipient.isascii() else "rfc822"
        lines.append(f"Final-Recipient: {address_type}; {outcome.recipient}")
        lines.append(f"Action: {outcome.action}")
        lines.append(f"Status: {outcome.status}")
        if outcome.remote_mta:
            lines.append(f"Remote-MTA: dns; {outcome.remote_mta}")
        if outcome.diagnostic:
            lines.append(f"Diagnostic-Code: smtp; {_one_line(outcome.diagnostic)}")
    return "\r\n".join(lines) + "\r\n"


def _one_line(text: str) -> str:
    """What came from outside stays inside its field."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return clean[:900]


def _wrapped(text: str) -> bytes:
    encoded = base64.b64encode(text.encode())
    return b"\r\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76))
