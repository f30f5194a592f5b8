# SPDX-License-Identifier: Apache-2.0
"""Messages that rules send: answers, notifications, refusals, and what the owner is told (RFC 5322).

Pure but for the date and the id, which are given. All of them say that no person has written them (RFC 3834
§5), so that no program answers them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from armgs_server.formats import addresses
from armgs_server.rules.sieve.letter import Letter, fields_of, write_field

SUBJECT_LIMIT: Final = 400
REFERENCES_LIMIT: Final = 20
# What of the message a notification or refusal shows.
_SHOWN: Final = (b"from", b"to", b"cc", b"subject", b"date", b"message-id")
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,900}>")
_IMPORTANCE: Final = {"1": "High", "2": "Normal", "3": "Low"}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes each message its own."""

    moment: datetime
    identifier: str  # with the @ and the domain

    @property
    def lines(self) -> bytes:
        """Date: and Message-ID:"""
        return f"Date: {format_datetime(self.moment)}\r\nMessage-ID: <{self.identifier}>\r\n".encode()


def vacation(
    letter: Letter, *, sender: str, to: str, subject: str, reason: str, is_mime: bool, stamp: Stamp
) -> bytes:
    """RFC 5230 §5: the answer to a message."""
    titles = letter.values("subject")
    if not subject:  # RFC 5230 §5.5
        subject = f"Auto: {titles[0]}" if titles else "Automated reply"
    head = _from(sender)
    head += f"To: <{to}>\r\n".encode() + write_field("Subject", subject[:SUBJECT_LIMIT]) + stamp.lines
    ids = _ids(letter, "message-id")[:1]
    if ids:
        # RFC 5322 §3.6.4
        chain = (_ids(letter, "references") or _ids(letter, "in-reply-to"))[-REFERENCES_LIMIT:]
        head += f"In-Reply-To: {ids[0]}\r\nReferences: {_folded([*chain, *ids])}\r\n".encode()
    head += b"Auto-Submitted: auto-replied\r\n"  # RFC 5230 §5.3
    return head + _body(reason, is_mime=is_mime)


def _ids(letter: Letter, name: str) -> list[str]:
    """The message ids in a field, and nothing else of what may stand there."""
    return _MESSAGE_ID.findall(" ".join(letter.values(name)))


def _folded(ids: list[str]) -> str:
    return "\r\n\t".join(ids)


def _body(text: str, *, is_mime: bool) -> bytes:
    """The MIME entity that a script has written (RFC 5230 §4.3), or a text in one."""
    if is_mime:
        entity = "\r\n".join(text.splitlines()).encode()
        names = {field.name for field in fields_of(entity.partition(b"\r\n\r\n")[0])}
        return b"MIME-Version: 1.0\r\n" * (b"mime-version" not in names) + entity + b"\r\n"
    message = EmailMessage(policy=SMTP)
    message.set_content(
        text if text.endswith("\n") else f"{text}\n", cte=None if text.isascii() else "base64"
    )
    return message.as_bytes()


def _from(value: str) -> bytes:
    """From: of a name-addr or an address alone, whose name may be in any script."""
    display, bracket, rest = value.rpartition("<")
    address = "".join((rest.rpartition(">")[0] if bracket else value).split())
    name = " ".join(display.replace('"', "").split())
    if not name:
        return f"From: <{address}>\r\n".encode()
    written = (
        f'"{name}"' if name.isascii() else Header(name, "utf-8", header_name="From").encode(linesep="\r\n")
    )
    return f"From: {written} <{address}>\r\n".encode()


def person(name: str, address: str) -> str:
    """name-addr (RFC 5322 §3.4)."""
    if not name or name == address:
        return f"<{address}>"
    escaped = name.replace("\\", "").replace('"', "")
    return f'"{escaped}" <{address}>'


def notification(
    letter: Letter,
    *,
    sender: str,
    owner: str,
    to: str,
    fields: Mapping[str, str],
    text: str,
    stamp: Stamp,
    importance: str,
) -> bytes:
    """RFC 5436 §2.7: short, and about the message rather than with it."""
    titles = letter.values("subject")
    subject = fields.get("subject") or (titles[0] if titles else "")
    authors = letter.values("from")
    if not text:
        text = fields.get("body") or f"{authors[0] if authors else ''}: {titles[0] if titles else ''}"
    head = _from(sender)
    head += f"To: <{to}>\r\n".encode() + write_field("Subject", subject[:SUBJECT_LIMIT]) + stamp.lines
    # RFC 5436 §2.7.1
    head += f'Auto-Submitted: auto-notified; owner-email="{addresses.normalise(owner)}"\r\n'.encode()
    head += f"Importance: {_IMPORTANCE[importance]}\r\n".encode()
    for name, value in fields.items():
        if name not in ("subject", "body"):
            head += write_field(name.title(), value)
    return head + _body(text, is_mime=False)


def refusal(
    letter: Letter, *, owner: str, to: str, reason: str, host: str, is_extended: bool, stamp: Stamp
) -> bytes:
    """RFC 5429 §2.1, §2.2: a failed delivery (RFC 3464), or a message that was deleted unread (RFC 8098)."""
    boundary = f"=_{stamp.identifier.partition('@')[0]}"
    kind = "delivery-status" if is_extended else "disposition-notification"
    head = f"From: <{owner}>\r\nTo: <{to}>\r\n".encode()
    head += write_field("Subject", f"Rejected: {(letter.values('subject') or [''])[0][:SUBJECT_LIMIT]}")
    head += stamp.lines + b"Auto-Submitted: auto-replied (rejected)\r\nMIME-Version: 1.0\r\n"
    head += f'Content-Type: multipart/report; report-type={kind};\r\n\tboundary="{boundary}"\r\n\r\n'.encode()
    ids = _ids(letter, "message-id")[:1]
    if is_extended:
        status = f"Reporting-MTA: dns; {host}\r\n\r\nFinal-Recipient: rfc822; {owner}\r\nAction: failed\r\n"
        status += "Status: 5.7.1\r\n"
    else:
        status = f"Reporting-UA: {host}; armgs_server\r\nFinal-Recipient: rfc822; {owner}\r\n"
        status += f"Original-Message-ID: {ids[0]}\r\n" if ids else ""
        status += "Disposition: automatic-action/MDN-sent-automatically; deleted\r\n"
    shown = b"".join(field.raw for field in letter.header if field.name in _SHOWN)
    parts = (
        _body(reason, is_mime=False),
        f"Content-Type: message/{kind}\r\n\r\n{status}".encode(),
        b"Content-Type: text/rfc822-headers\r\n\r\n" + shown,
    )
    mark = f"--{boundary}".encode()
    return head + b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def complaint(*, owner: str, error: str, stamp: Stamp) -> bytes:
    """What the owner is told of rules that failed, once a day."""
    domain = owner.rpartition("@")[2]
    head = f"From: <postmaster@{domain}>\r\nTo: <{owner}>\r\n".encode()
    head += write_field("Subject", "Ошибка в правилах почты / Error in your mail rules") + stamp.lines
    head += b"Auto-Submitted: auto-generated\r\n"
    text = (
        "Ваши правила почты не выполнены; письма остаются во входящих. Об этом сообщается раз в день.\n\n"
        "Your mail rules could not be run; messages stay in your inbox. You are told so once a day.\n\n"
        f"{error}\n"
    )
    return head + _body(text, is_mime=False)
