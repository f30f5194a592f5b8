# SPDX-License-Identifier: Apache-2.0
"""iMIP (RFC 6047): a scheduling message as mail, and the scheduling message in a mail.

The text part says in Russian and English what the calendar part is about, for who reads mail only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, timedelta
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import format_datetime, parseaddr

from armgs_server.errors import Invalid
from armgs_server.formats.contentline import ContentLine, scan
from armgs_server.formats.icalendar import CalendarObject, Component, Malformed, check_lines, parse
from armgs_server.formats.icalendar_values import EPOCH
from armgs_server.formats.itip import attendee, identity, parameter, plain

METHODS = ("REQUEST", "REPLY", "CANCEL", "COUNTER", "DECLINECOUNTER", "REFRESH", "ADD", "PUBLISH")
MAX_PARTS = 50  # of a mail that are looked at
_WORDS = {
    "REQUEST": ("Приглашение", "Invitation"),
    "CANCEL": ("Отменено", "Cancelled"),
    "REPLY": ("Ответ", "Reply"),
}
_ANSWERS = {
    "ACCEPTED": ("Принято", "Accepted"),
    "DECLINED": ("Отклонено", "Declined"),
    "TENTATIVE": ("Под вопросом", "Tentative"),
}


@dataclass(frozen=True, slots=True)
class Incoming:
    """A scheduling message found in a mail, and who sent the mail."""

    method: str
    sender: str
    object: CalendarObject


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who writes to whom, and when."""

    sender: str
    sender_name: str
    recipient: str
    message_id: str
    now: int


def build(
    method: str, calendar: bytes, found: CalendarObject, envelope: Envelope, partstat: str = ""
) -> bytes:
    """The mail (RFC 6047 §2): text for people, text/calendar for calendars."""
    shown = found.master or found.members[0]
    russian, english = _ANSWERS.get(partstat, _WORDS.get(method, _WORDS["REQUEST"]))
    summary = " ".join(shown.text("SUMMARY").split())[:200]
    mail = EmailMessage(policy=policy.SMTP)
    local, _, domain = envelope.sender.rpartition("@")
    mail["From"] = Address(_line(envelope.sender_name), local, domain)
    local, _, domain = envelope.recipient.rpartition("@")
    mail["To"] = Address("", local, domain)
    mail["Subject"] = f"{russian}: {summary}"
    mail["Date"] = format_datetime((EPOCH + timedelta(microseconds=envelope.now)).replace(tzinfo=UTC))
    mail["Message-ID"] = envelope.message_id
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5
    mail.set_content(_text(russian, english, found, shown), cte="base64")
    mail.add_alternative(
        calendar, maintype="text", subtype="calendar", params={"method": method, "charset": "utf-8"}
    )
    return mail.as_bytes()


def _line(text: str) -> str:
    return " ".join(text.split())


def _text(russian: str, english: str, found: CalendarObject, shown: Component) -> str:
    lines = [f"{russian} / {english}: {_line(shown.text('SUMMARY'))}", ""]
    for name, label in (("DTSTART", "Начало / Start"), ("DTEND", "Конец / End"), ("DUE", "Срок / Due")):
        line = shown.first(name)
        if line is not None:
            lines.append(f"{label}: {_when(found, line)}")
    if shown.text("LOCATION"):
        lines.append(f"Место / Where: {_line(shown.text('LOCATION'))}")
    if shown.text("DESCRIPTION"):
        lines += ["", shown.text("DESCRIPTION")]
    return "\n".join(lines) + "\n"


def _when(found: CalendarObject, line: ContentLine) -> str:
    moment = found.moment(line)
    if moment.is_date:
        return f"{moment.local:%Y-%m-%d}"
    return f"{moment.local:%Y-%m-%d %H:%M} {moment.zone or ''}".rstrip()


def mark(method: str, found: CalendarObject, sender: str, recipient: str) -> bytes:
    """The same for two messages that tell somebody the same, whichever program has written them."""
    parts: list[object] = [method, found.uid, recipient.lower()]
    for member in sorted(found.members, key=lambda each: identity(found, each) or 0):
        parts.append(identity(found, member))
        if method == "REPLY":
            said = attendee(member, plain(sender), plain)
            parts.append(parameter(said, "PARTSTAT").upper() if said is not None else "")
        elif method != "CANCEL":
            times = [
                found.moment(line) for line in member.properties if line[0] in ("DTSTART", "DTEND", "DUE")
            ]
            parts += sorted(moment.micros for moment in times)
            parts += [member.text(name) for name in ("DURATION", "RRULE", "SUMMARY", "LOCATION")]
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).digest()


def extract(data: bytes) -> Incoming | None:
    """The scheduling message of a mail; None where it has none that can be understood."""
    mail = BytesParser(policy=policy.compat32).parsebytes(data)
    sender = parseaddr(str(mail.get("From", "")))[1].lower()
    for count, part in enumerate(mail.walk()):
        if count >= MAX_PARTS:
            return None
        if part.get_content_type() == "text/calendar" and not part.is_multipart():
            try:
                return _incoming(_bytes(part), sender)
            except Invalid:
                return None
    return None


def _bytes(part: Message) -> bytes:
    body = part.get_payload(decode=True)
    charset = part.get_content_charset() or "utf-8"
    assert isinstance(body, bytes)  # not multipart
    if charset.lower() in ("utf-8", "us-ascii"):
        return body
    try:
        return body.decode(charset).encode()
    except (LookupError, UnicodeDecodeError) as error:
        raise Invalid(f"the charset {charset} cannot be read") from error


def _incoming(data: bytes, sender: str) -> Incoming:
    method, found = read_message(data)
    return Incoming(method, sender, found)


def read_message(data: bytes) -> tuple[str, CalendarObject]:
    """METHOD and object of a scheduling message (RFC 5546 §1.4); Invalid."""
    lines = scan(data)
    try:
        tops = parse(lines)
        method = tops[0].value("METHOD") if tops else ""
        if method not in METHODS:
            raise Invalid("no scheduling message: METHOD is missing or unknown")
        return method, check_lines([line for line in lines if line[0] != "METHOD"])
    except Malformed as error:
        raise Invalid(str(error)) from error
