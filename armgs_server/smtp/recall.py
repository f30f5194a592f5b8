# SPDX-License-Identifier: Apache-2.0
"""Taking a message back while it is in our own mailboxes and nobody has read it.

The author's copy in Sent says who got it; there it is looked for by its Message-ID. What is taken must be
the author's by its From:, which submission has checked: a Message-ID anybody can copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid, NotFound
from armgs_server.formats import addresses, mime
from armgs_server.formats.mime_address import parse_address_list
from armgs_server.service import Core
from armgs_server.smtp import header, lists, notices
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.policy import Recipient
from armgs_server.storage import collections, items, queue
from armgs_server.storage.items import Flags, Item
from armgs_server.storage.tx import Tx

HEADER_LIMIT = 256 * 1024
ROLES = ("inbox", "junk")

TITLE = "Отзыв письма / Message recall"
TEXTS = {
    "taken": "Отозвано / taken back:",
    "read": "Прочитано или перемещено, осталось / read or moved, remains:",
    "elsewhere": "Вне этого сервера, остаётся / not on this server, remains:",
}
NOTHING = (
    "В папке «Отправленные» нет письма, на которое вы ответили.\n\n"
    "The message that you replied to is not in Sent.\n"
)


@dataclass(frozen=True, slots=True)
class Recalled:
    """What became of it, by address."""

    taken: Sequence[str]
    read: Sequence[str]
    elsewhere: Sequence[str]


async def recall(core: Core, author: Principal, message_id: str) -> Recalled:
    """Removes the copies that nobody has read, here and in the queue. NotFound without a copy in Sent."""
    sent = await _sent_recipients(core, author, message_id)
    people: dict[int, Principal] = {}
    elsewhere: set[str] = set()
    for address in sent:
        found = await core.directory.resolve(address)
        if found is None:
            elsewhere.add(address)
            continue
        for person in await core.directory.members(found) if found.kind in lists.KINDS else [found]:
            people[person.id] = person
    taken: list[str] = []
    remaining: list[str] = []
    for person in people.values():
        if person.id != author.id:
            is_taken = await _take_back(core, author, person.id, message_id)
            (taken if is_taken else remaining).append(person.address)
    unsent = await _cancel(core, author, message_id, elsewhere)
    return Recalled(sorted({*taken, *unsent}), sorted(remaining), sorted(elsewhere - unsent))


async def handle(delivery: Delivery, author: Principal, head: bytes, now: int) -> None:
    """Mail to recall@: a reply to the message in Sent. Says what became of it."""
    core = delivery.core
    named = [value.decode("utf-8", "replace").strip() for value in header.fields(head, "in-reply-to")]
    try:
        text = describe(await recall(core, author, named[0] if named else ""))
    except NotFound:
        text = NOTHING
    recipient = Recipient(author.address, author.domain, (author.id,))
    made = await notices.make(core, f"postmaster@{author.domain}", [recipient], TITLE, text, now)
    await core.store.write(lambda tx: notices.place(tx, delivery, made, now))


def describe(recalled: Recalled) -> str:
    """As the author reads it."""
    parts = ((key, getattr(recalled, key)) for key in TEXTS)
    return "\n\n".join(
        "\n".join((TEXTS[key], *(f"    {address}" for address in found))) for key, found in parts if found
    )


async def _sent_recipients(core: Core, author: Principal, message_id: str) -> list[str]:
    async def work(tx: Tx) -> list[Item]:
        sent = await collections.by_role(tx, author.id, "mail", "sent")
        return await _find(tx, author.id, sent.id, message_id) if sent is not None and message_id else []

    found = await core.store.read(work)
    if not found:
        raise NotFound(f"{author.address} has no {message_id} in Sent")
    head = await _head(core, found[-1])
    return list(_addresses(head))


async def _take_back(core: Core, author: Principal, owner: int, message_id: str) -> bool:
    """Whether the owner's unread copies are gone, and there were any."""

    async def candidates(tx: Tx) -> list[Item]:
        found = [await collections.by_role(tx, owner, "mail", role) for role in ROLES]
        return [item for each in found if each for item in await _find(tx, owner, each.id, message_id)]

    copies = [item for item in await core.store.read(candidates) if await _is_from(core, author, item)]

    async def remove(tx: Tx) -> bool:
        fresh = [await items.get(tx, owner, item.collection, item.uid) for item in copies]
        unread = [item for item in fresh if item is not None and not item.flags & Flags.SEEN]
        for number in sorted({item.collection for item in unread}):
            collection = await collections.get(tx, owner, number)
            await items.remove(tx, collection, [item.uid for item in unread if item.collection == number])
        return bool(unread) and len(unread) == len(copies)

    return bool(copies) and await core.store.write(remove)


async def _cancel(core: Core, author: Principal, message_id: str, wanted: set[str]) -> set[str]:
    """What still waits in the queue is not sent; for whom."""
    cancelled: set[str] = set()
    for address in wanted:
        for entry in await core.store.read(lambda tx, address=address: queue.scan(tx, recipient=address)):  # type: ignore[misc]
            if entry.owner != author.id:
                continue
            text = await core.store.blobs.read(entry.blob, end=HEADER_LIMIT)
            head = text[: mime.header_end(text, 0, len(text))]
            if message_id.encode() in header.fields(head, "message-id"):
                await core.store.write(lambda tx, entry=entry: queue.finish(tx, [entry]))  # type: ignore[misc]
                cancelled.add(address)
    return cancelled


async def _find(tx: Tx, owner: int, collection: int, message_id: str) -> list[Item]:
    rows = await tx.rows(
        "SELECT uid FROM message WHERE owner = ? AND collection = ? AND message_id = ? ORDER BY uid",
        owner,
        collection,
        message_id,
    )
    return await items.by_uids(tx, owner, collection, [row[0] for row in rows])


async def _is_from(core: Core, author: Principal, item: Item) -> bool:
    found = header.authors(await _head(core, item))
    if not found:
        return False
    return all([await core.directory.may_send_as(author, each.normalised) for each in found])


async def _head(core: Core, item: Item) -> bytes:
    text = await core.store.blobs.read(item.blob, end=HEADER_LIMIT)
    return text[: mime.header_end(text, 0, len(text))]


def _addresses(head: bytes) -> Iterable[str]:
    """Everybody named in To:, Cc: and Bcc:, in the normal spelling."""
    for name in ("to", "cc", "bcc"):
        for value in header.fields(head, name):
            for mailbox in parse_address_list(value):
                if mailbox.host is None:
                    continue
                text = ((mailbox.mailbox or b"") + b"@" + mailbox.host).decode("utf-8", "replace")
                try:
                    yield addresses.normalise(text)
                except Invalid:
                    continue
