# SPDX-License-Identifier: Apache-2.0
"""Mail to LIST-request@ (RFC 2142 §6): joining and leaving, help, and what moderators decide.

The first word of the subject is the request. Only who has logged in is heard: anybody may write a name into
From:, and an answer to a stranger would be mail that nobody asked for.
"""

from __future__ import annotations

from urllib.parse import quote

from armgs_server import log
from armgs_server.directory.model import Principal
from armgs_server.errors import DomainError
from armgs_server.service import Core
from armgs_server.smtp import lists, notices
from armgs_server.smtp.copies import Stored
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.lists import MailList
from armgs_server.smtp.policy import Recipient
from armgs_server.storage import clock, queue
from armgs_server.storage.queue import Entry
from armgs_server.storage.tx import Tx

LEAVE = ("unsubscribe", "leave", "отписаться")
JOIN = ("subscribe", "join", "подписаться")
APPROVE = ("approve", "одобрить")
REJECT = ("reject", "отклонить")
# Numbers of rows have 63 bits.
LARGEST = 1 << 63

TEXTS = {
    "left": "Вы больше не состоите в списке {list}.\n\nYou have left the list {list}.\n",
    "joined": "Вы теперь состоите в списке {list}.\n\nYou have joined the list {list}.\n",
    "refused": "Для списка {list} это не разрешено.\n\nThe list {list} does not permit this.\n",
    "approved": "Сообщение отправлено в список {list}.\n\nThe message goes to the list {list}.\n",
    "rejected": "Сообщение отклонено.\n\nThe message is rejected.\n",
    "gone": "Такого сообщения нет: решение уже принято.\n\n"
    "There is no such message: it has been decided already.\n",
    "help": "Тема письма на {request} — это просьба:\n{words}\n\n"
    "The subject of a message to {request} is a request:\n{words}\n",
}
QUESTION = (
    "В список {list} пишет {sender}:\n    {subject}\n\nОтправить / approve: {approve}\n"
    "Отклонить / reject: {reject}\n\n{sender} writes to the list {list}.\n"
)

_log = log.get("smtp")


async def handle(delivery: Delivery, mail_list: MailList, author: Principal, subject: str, now: int) -> None:
    """Does what is asked, and says so."""
    key = await _answer(delivery, mail_list, author, subject.split(), now)
    text = TEXTS[key].format(
        list=mail_list.address, request=mail_list.request_address, words=_words(mail_list.rules)
    )
    recipient = Recipient(author.address, author.domain, (author.id,))
    title = subject if subject.lower().startswith("re:") else f"Re: {subject}"
    made = await notices.make(delivery.core, mail_list.request_address, [recipient], title, text, now)
    await delivery.core.store.write(lambda tx: notices.place(tx, delivery, made, now))


async def tell_moderators(delivery: Delivery, held: Stored, sender: str, subject: str, now: int) -> None:
    """Asks who looks after a list what becomes of a message that waits. It waits whatever happens here."""
    mail_list = held.copy.mail_list
    assert mail_list is not None  # only lists hold messages
    core = delivery.core
    group = await core.directory.by_id(mail_list.id)
    path = held.copy.destinations[0].path
    entry = await core.store.read(lambda tx: queue.find(tx, path, held.ref.hash))
    if group is None or entry is None:
        return
    moderators = [await core.directory.by_id(owner) for owner in await lists.caretakers(core, group)]
    recipients = [Recipient(each.address, each.domain, (each.id,)) for each in moderators if each]
    if not recipients:
        _log.warning("no moderator", list=mail_list.address)
        return
    text = QUESTION.format(
        list=mail_list.address,
        sender=sender,
        subject=subject,
        approve=_link(mail_list, f"approve {entry.id:x}"),
        reject=_link(mail_list, f"reject {entry.id:x}"),
    )
    title = f"[{mail_list.name}] {subject}"
    try:
        made = await notices.make(core, mail_list.request_address, recipients, title, text, now)
        await core.store.write(lambda tx: notices.place(tx, delivery, made, now))
    except DomainError as error:
        _log.warning("moderators not told", list=mail_list.address, error=error)


async def _answer(
    delivery: Delivery, mail_list: MailList, author: Principal, words: list[str], now: int
) -> str:
    """Carries a request out; the key of the text that says what became of it."""
    core = delivery.core
    verb = words[0].lower() if words else ""
    group = await core.directory.by_id(mail_list.id)
    if group is None:
        return "gone"
    if verb in LEAVE or verb in JOIN:
        is_permitted = mail_list.rules.may_leave if verb in LEAVE else mail_list.rules.may_join
        if not is_permitted or group.kind != "group" or author.department != group.department:
            return "refused"
        if verb in LEAVE:
            await core.directory.remove_members(group, [author.id])
            return "left"
        await core.directory.add_members(group, [author.id])
        return "joined"
    if verb in APPROVE or verb in REJECT:
        if author.id not in await lists.caretakers(core, group):
            return "refused"
        return await _decide(core, mail_list, verb in APPROVE, words[1:2], now)
    return "help"


async def _decide(core: Core, mail_list: MailList, is_approved: bool, words: list[str], now: int) -> str:
    try:
        number = int(words[0], 16) if words else 0
    except ValueError:
        return "gone"
    lifetime = round(core.config.smtp.queue_lifetime * clock.SECOND)

    async def work(tx: Tx) -> Entry | None:
        entry = await queue.get(tx, number) if 0 < number < LARGEST else None
        if entry is None or entry.data.get("list") != mail_list.id or not entry.is_held:
            return None
        if is_approved:
            await queue.annotate(tx, entry, {**entry.data, "approved": True})
            await queue.retry(tx, [entry], now, lifetime)
        else:
            await queue.finish(tx, [entry])
        return entry

    if await core.store.write(work) is None:
        return "gone"
    return "approved" if is_approved else "rejected"


def _words(rules: lists.Rules) -> str:
    words = [LEAVE[0], LEAVE[-1]] if rules.may_leave else []
    words += [JOIN[0], JOIN[-1]] if rules.may_join else []
    return "\n".join(f"    {word}" for word in ("help", *words))


def _link(mail_list: MailList, subject: str) -> str:
    local, _, domain = mail_list.request_address.rpartition("@")
    return f"mailto:{quote(local)}@{domain}?subject={quote(subject)}"
