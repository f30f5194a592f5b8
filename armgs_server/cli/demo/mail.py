# SPDX-License-Identifier: Apache-2.0
"""The demonstration's mail: threads with replies, as the senders' clients would have written them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.header import Header
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime

from armgs_server.cli.demo.people import names


@dataclass(frozen=True, slots=True)
class DemoMessage:
    sender: str
    to: tuple[str, ...]
    text: str
    days: int  # before today
    time: str
    subject: str = ""  # of the thread's first message; a reply takes it over
    attachment: tuple[str, str] | None = None  # file name, text
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """A written message and where its copies go."""

    data: bytes
    sender: str
    recipients: tuple[str, ...]
    at: datetime
    unread: bool
    answered: bool = field(default=False)


def write_threads(now: datetime) -> list[Sent]:
    """All messages in the order in which they were sent."""
    sent: list[Sent] = []
    for number, thread in enumerate(THREADS):
        references: list[str] = []
        for place, message in enumerate(thread):
            at = _moment(now, message)
            if at > now:
                continue
            message_id = f"<demo-{number}-{place}@{message.sender.partition('@')[2]}>"
            data = _write(message, thread[0].subject, at, message_id, references)
            answered = place + 1 < len(thread)
            sent.append(Sent(data, message.sender, message.to, at, message.unread, answered))
            references.append(message_id)
    return sorted(sent, key=lambda one: one.at)


def _moment(now: datetime, message: DemoMessage) -> datetime:
    hour, minute = (int(part) for part in message.time.split(":"))
    day = now - timedelta(days=message.days)
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


def _write(message: DemoMessage, subject: str, at: datetime, message_id: str, references: list[str]) -> bytes:
    text = MIMEText(message.text, "plain", "utf-8")
    mail: MIMEBase = text
    if message.attachment is not None:
        name, content = message.attachment
        attached = MIMEText(content, "csv", "utf-8")
        attached.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name))
        mail = MIMEMultipart("mixed", None, [text, attached])
    mail["From"] = _address(message.sender)
    mail["To"] = ",\n ".join(_address(recipient) for recipient in message.to)
    mail["Subject"] = _encoded(f"Re: {subject}" if references else subject)
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = message_id
    if references:
        mail["In-Reply-To"] = references[-1]
        mail["References"] = "\n ".join(references)
    return mail.as_bytes(policy=compat32.clone(linesep="\r\n", max_line_length=0))


def _address(address: str) -> str:
    name = names().get(address)
    return f"{_encoded(name)} <{address}>" if name else address


def _encoded(text: str) -> str:
    """RFC 2047 words where needed, each within its 75 characters."""
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=66).encode()


THREADS: tuple[tuple[DemoMessage, ...], ...] = (
    (
        DemoMessage(
            "ivanov@digital.example",
            ("budget-project@digital.example",),
            "Коллеги, добрый день!\n\nВо вложении план работ по «Электронному бюджету» до конца квартала.\n"
            "Прошу посмотреть сроки и прислать замечания до четверга.\n\nПётр Иванов\n",
            6,
            "09:40",
            "План работ по «Электронному бюджету»",
            ("план-работ.csv", "этап;срок;ответственный\nмакет;15 число;Петрова\nобмен;22 число;Сидоров\n"),
        ),
        DemoMessage(
            "sidorov@finance.example",
            ("budget-project@digital.example",),
            "Пётр Алексеевич, срок по обмену с казначейством просим сдвинуть на три дня:\n"
            "формат согласуют только в понедельник.\n\n> Прошу посмотреть сроки\n\nН. Сидоров\n",
            5,
            "11:15",
        ),
        DemoMessage(
            "petrova@digital.example",
            ("budget-project@digital.example",),
            "Сдвиг не мешает: макет готов раньше, я займу это время проверкой на ваших данных.\n\nАнна\n",
            5,
            "12:02",
        ),
        DemoMessage(
            "ivanov@digital.example",
            ("budget-project@digital.example",),
            "Принято, сдвигаем. Встречаемся в 301-й, приглашение в календаре.\n",
            4,
            "10:20",
            unread=True,
        ),
    ),
    (
        DemoMessage(
            "brown@digital.example",
            ("development@digital.example", "miller@digital.example"),
            "Hi all,\n\nthree users could not open shared folders from LibreOffice this morning. The log\n"
            "shows 423 Locked; the lock was left by a laptop that went to sleep. It expires after an hour.\n"
            "Could we show the holder's name?\n\nEmily\n",
            3,
            "10:05",
            "Locked files in the shared folder",
        ),
        DemoMessage(
            "petrova@digital.example",
            ("brown@digital.example", "development@digital.example"),
            "Emily, LibreOffice shows the name if the client sends it with the lock.\n"
            "I will check what it sends.\n\nAnna\n",
            3,
            "11:30",
        ),
        DemoMessage(
            "brown@digital.example",
            ("petrova@digital.example",),
            "Thank you! I told the users to wait or to save a copy meanwhile.\n",
            2,
            "09:12",
            unread=True,
        ),
    ),
    (
        DemoMessage(
            "orlova@digital.example",
            ("heads@digital.example",),
            "Уважаемые коллеги,\n\nпрошу до пятницы передать предложения по плану отпусков ваших отделов.\n"
            "Форма лежит в общей папке департамента.\n\nМ. Орлова\n",
            4,
            "16:45",
            "План отпусков",
        ),
        DemoMessage(
            "smirnova@digital.example",
            ("orlova@digital.example",),
            "Мария Сергеевна, наш отдел заполнил форму, файл в папке «Отпуска».\n\nД. Смирнова\n",
            2,
            "14:08",
            unread=True,
        ),
    ),
    (
        DemoMessage(
            "clark@finance.example",
            ("ivanov@digital.example",),
            "Dear Petr,\n\nthe contract for the two meeting-room screens is ready for signature. Delivery\n"
            "takes ten working days. Please confirm the room numbers.\n\nOlivia Clark\nProcurement\n",
            2,
            "15:30",
            "Contract: screens for meeting rooms",
        ),
        DemoMessage(
            "ivanov@digital.example",
            ("clark@finance.example",),
            "Olivia, rooms 301 and 210. Thank you!\n\nPetr\n",
            1,
            "09:25",
        ),
    ),
    (
        DemoMessage(
            "volkov@digital.example",
            ("ivanov@digital.example", "petrova@digital.example", "kuznetsov@digital.example"),
            "Коллеги, в субботу с 10:00 до 11:00 обновляем сервер. Почта и чат прервутся на минуту,\n"
            "клиенты подключатся сами.\n\nИ. Волков\n",
            1,
            "17:50",
            "Обновление сервера в субботу",
            unread=True,
        ),
    ),
    (
        DemoMessage(
            "egorova@finance.example",
            ("lebedev@finance.example", "sidorov@finance.example"),
            "Андрей Николаевич, отчёт за месяц готов, расхождений нет. Файл в общей папке.\n\nТ. Егорова\n",
            1,
            "12:40",
            "Отчёт за месяц",
        ),
    ),
)
