# SPDX-License-Identifier: Apache-2.0
"""The demonstration's chat: conversations of two in both archives, and a room with its history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from armgs_server.cli.workplace import Workplace
from armgs_server.directory import structure
from armgs_server.formats.xmltree import escape, quote
from armgs_server.storage import archive, pubsub, rooms
from armgs_server.storage.rooms import AffiliationRecord
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.xeps import xep_0060_config, xep_0060_fields
from armgs_server.xmpp.xeps.xep_0045_config import RoomConfig


@dataclass(frozen=True, slots=True)
class DemoChat:
    """One message: `hours` before now."""

    sender: str
    to: str
    hours: float
    text: str


@dataclass(frozen=True, slots=True)
class DemoRoom:
    """A room of the first member's domain, its members with their nicks, and what they said there."""

    local: str
    name: str
    subject: str
    members: tuple[tuple[str, str], ...]
    said: tuple[tuple[str, float, str], ...]  # nick, hours before now, text

    @property
    def address(self) -> str:
        return f"{self.local}@conference.{self.members[0][0].partition('@')[2]}"


async def write(workplace: Workplace, now: datetime) -> None:
    """Everything, with the times it would have had."""
    for room in ROOMS:
        await _room(workplace, room, now)
    await _bookmarks(workplace)
    for number, message in enumerate(CHATS):
        sent = int((now - timedelta(hours=message.hours)).timestamp() * 1_000_000)
        stanza_id = f"demo-chat-{number}"
        stanza = (
            f"<message xmlns='jabber:client' from='{quote(message.sender)}/demo' to='{quote(message.to)}'"
            f" type='chat' id='{stanza_id}'><body>{escape(message.text)}</body></message>"
        ).encode()
        await _archive(workplace, message, stanza_id, stanza, sent)


async def _bookmarks(workplace: Workplace) -> None:
    """XEP-0402: each member's clients enter the rooms by themselves."""
    node = "urn:xmpp:bookmarks:1"
    config = xep_0060_fields.to_data(xep_0060_config.defaults(node, is_personal=True))
    for room in ROOMS:
        for address, nick in room.members:
            owner = (await workplace.principal(address)).id
            payload = (
                f"<item id='{quote(room.address)}'><conference xmlns='{node}' name='{quote(room.name)}'"
                f" autojoin='true'><nick>{escape(nick)}</nick></conference></item>"
            ).encode()

            async def work(tx: Tx, owner: int = owner, room: DemoRoom = room, item: bytes = payload) -> None:
                await pubsub.configure(tx, owner, node, config)
                await pubsub.publish(tx, owner, node, room.address, item, len(ROOMS))

            await workplace.store.write(work)


async def _archive(workplace: Workplace, message: DemoChat, stanza_id: str, stanza: bytes, sent: int) -> None:
    """XEP-0313 §5.1: both sides keep what passed between them."""
    sender = (await workplace.principal(message.sender)).id
    recipient = (await workplace.principal(message.to)).id

    async def work(tx: Tx) -> None:
        await archive.append(tx, sender, message.to, stanza_id, stanza, sent)
        await archive.append(tx, recipient, message.sender, stanza_id, stanza, sent)

    await workplace.store.write(work)


async def _room(workplace: Workplace, room: DemoRoom, now: datetime) -> None:
    """XEP-0045: a lasting room that everybody may enter, its first member the owner."""
    department = workplace.directory.domains[room.members[0][0].partition("@")[2]]
    config = RoomConfig(name=room.name)
    owner, *others = room.members
    affiliations = [
        AffiliationRecord(owner[0], "owner", owner[1], ""),
        *(AffiliationRecord(address, "member", nick, "") for address, nick in others),
    ]

    async def work(tx: Tx) -> None:
        made = await structure.create_chatroom(tx, room.address, room.name, department)
        await rooms.create(tx, made.id, room.address, config.to_data(), affiliations)
        subject = (
            f" from='{quote(room.address)}/{quote(owner[1])}' type='groupchat'>"
            f"<subject>{escape(room.subject)}</subject></message>"
        )
        await rooms.set_subject(tx, made.id, subject.encode())
        for number, (nick, hours, text) in enumerate(room.said):
            stanza_id = f"demo-{room.local}-{number}"
            stanza = (
                f"<message xmlns='jabber:client' from='{quote(room.address)}/{quote(nick)}'"
                f" type='groupchat' id='{stanza_id}'><body>{escape(text)}</body></message>"
            )
            sent = int((now - timedelta(hours=hours)).timestamp() * 1_000_000)
            await archive.append(tx, made.id, nick, stanza_id, stanza.encode(), sent)

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

ROOMS = (
    DemoRoom(
        "budget-project",
        "Электронный бюджет",
        "Сроки: макет 15-го, обмен 25-го",
        ((_IVANOV, "Пётр"), (_PETROVA, "Анна"), (_SIDOROV, "Николай"), ("fedorova@finance.example", "Ольга")),
        (
            ("Пётр", 50.0, "Коллеги, завёл комнату для проекта: здесь быстрее, чем письмами."),
            ("Николай", 49.8, "Принято. Ольга тоже здесь."),
            ("Ольга", 49.7, "Добрый день! Данные за прошлый месяц положу в общую папку."),
            ("Анна", 26.1, "Спасибо, данные вижу. В двух строках пустой код статьи, это верно?"),
            ("Ольга", 26.0, "Нет, ошибка выгрузки. Исправлю до вечера."),
            ("Ольга", 22.5, "Исправила, файл заменён."),
            ("Анна", 4.4, "Проверила: расхождений нет."),
            ("Пётр", 4.2, "Отлично. Встречаемся во вторник в 301-й, проектор заказан."),
        ),
    ),
    DemoRoom(
        "support",
        "Support",
        "One question, one thread",
        ((_BROWN, "Emily"), ("miller@digital.example", "James"), (_PETROVA, "Anna")),
        (
            (
                "James",
                30.0,
                "Two users ask how to connect their phones. The QR code on the start page works.",
            ),
            ("Emily", 29.9, "Good. Please add a line about the CA certificate: phones want it first."),
            ("James", 29.0, "Done."),
            (
                "Anna",
                6.5,
                "The update on Saturday needs nothing from the users, clients reconnect by themselves.",
            ),
        ),
    ),
)
