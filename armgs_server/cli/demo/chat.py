# SPDX-License-Identifier: Apache-2.0
"""The demonstration's chat: conversations of two in both archives, and a room with its history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from armgs_server.cli.workplace import Workplace
from armgs_server.formats.xmltree import escape, quote
from armgs_server.storage import archive
from armgs_server.storage.tx import Tx


@dataclass(frozen=True, slots=True)
class DemoChat:
    """One message: `hours` before now."""

    sender: str
    to: str
    hours: float
    text: str


async def write(workplace: Workplace, now: datetime) -> None:
    for number, message in enumerate(CHATS):
        sent = int((now - timedelta(hours=message.hours)).timestamp() * 1_000_000)
        stanza_id = f"demo-chat-{number}"
        stanza = (
            f"<message xmlns='jabber:client' from='{quote(message.sender)}/demo' to='{quote(message.to)}'"
            f" type='chat' id='{stanza_id}'><body>{escape(message.text)}</body></message>"
        ).encode()
        await _archive(workplace, message, stanza_id, stanza, sent)


async def _archive(workplace: Workplace, message: DemoChat, stanza_id: str, stanza: bytes, sent: int) -> None:
    """XEP-0313 §5.1: both sides keep what passed between them."""
    sender = (await workplace.principal(message.sender)).id
    recipient = (await workplace.principal(message.to)).id

    async def work(tx: Tx) -> None:
        await archive.append(tx, sender, message.to, stanza_id, stanza, sent)
        await archive.append(tx, recipient, message.sender, stanza_id, stanza, sent)

    await workplace.store.write(work)


_IVANOV, _PETROVA = "ivanov@digital.example", "petrova@digital.example"
_SIDOROV, _BROWN = "sidorov@finance.example", "brown@digital.example"

CHATS = (
    DemoChat(_IVANOV, _PETROVA, 27.5, "Анна, макет уже можно показать Сидорову?"),
    DemoChat(_PETROVA, _IVANOV, 27.4, "Да, третья версия в моей папке «Макеты»."),
    DemoChat(_IVANOV, _PETROVA, 27.3, "Отлично, тогда завтра в 11 в 301-й."),
    DemoChat(_SIDOROV, _IVANOV, 5.2, "Пётр, формат согласуют в понедельник. Успеваем?"),
    DemoChat(_IVANOV, _SIDOROV, 5.1, "Успеваем, срок сдвинули на три дня."),
    DemoChat(_BROWN, _PETROVA, 3.0, "Anna, did you find out what LibreOffice sends with the lock?"),
    DemoChat(_PETROVA, _BROWN, 2.8, "The full name from its user data. I will write it up."),
)
