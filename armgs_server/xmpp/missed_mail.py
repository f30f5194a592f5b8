# SPDX-License-Identifier: Apache-2.0
"""The mail that tells somebody what was said in chat rooms meanwhile, as bytes (RFC 5322)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Final

from armgs_server.storage import clock

LINE_LIMIT: Final = 300  # characters of one message shown
_SPACE: Final = re.compile(r"\s+")

_TEXTS: Final = {
    "en": {
        "sender": "Chat rooms",
        "subject": "Unread in chat rooms: {count}",
        "head": "While you were away from your chat rooms, this was said.",
        "room": "{name}: {count} unread",
        "more": "… and {count} more before",
        "foot": "Open your chat program to read on and to answer. Your administrator can turn this mail off.",
    },
    "ru": {
        "sender": "Комнаты чата",
        "subject": "Непрочитанное в комнатах чата: {count}",
        "head": "Пока вас не было в комнатах чата, там написали:",
        "room": "{name}: непрочитано {count}",
        "more": "… и ещё {count} до этого",
        "foot": "Откройте программу чата, чтобы читать дальше и ответить. "
        "Отключить эти письма может ваш администратор.",
    },
}


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a room."""

    sent: int
    nick: str
    body: str


@dataclass(frozen=True, slots=True)
class Unread:
    """What somebody has not seen of one room: how much, the last of it, and up to which archive id."""

    room: int
    address: str
    name: str
    count: int
    lines: Sequence[Line]
    last: int


def compose(to: str, unread: Sequence[Unread], language: str) -> bytes:
    """One mail for one person; `language` is one of those of `[xmpp] language`."""
    texts = _TEXTS[language]
    total = sum(each.count for each in unread)
    domain = to.rpartition("@")[2]
    message = EmailMessage(policy=SMTP)
    message["From"] = f'"{texts["sender"]}" <postmaster@{domain}>'
    message["To"] = to
    message["Subject"] = texts["subject"].format(count=total)
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5
    parts = [texts["head"], ""]
    for each in unread:
        parts += [texts["room"].format(name=each.name, count=each.count), f"xmpp:{each.address}?join"]
        if each.count > len(each.lines):
            parts.append(texts["more"].format(count=each.count - len(each.lines)))
        parts += [_written(line) for line in each.lines]
        parts.append("")
    parts.append(texts["foot"])
    message.set_content("\n".join(parts) + "\n")
    return message.as_bytes()


def _written(line: Line) -> str:
    moment = datetime.fromtimestamp(line.sent / clock.SECOND, UTC).strftime("%d.%m %H:%M UTC")
    body = _SPACE.sub(" ", line.body).strip()
    if len(body) > LINE_LIMIT:
        body = body[: LINE_LIMIT - 1] + "…"
    return f"  {moment} {line.nick}: {body}"
