# SPDX-License-Identifier: Apache-2.0
"""What is to be done with one message for one person, ready for the transaction that delivers it.

Invariants:
- Everything that takes time is done before: scripts have run, messages to send lie in the blob store.
- Within the transaction: the message is filed (once for each mailbox, the same bytes kept once), ids are
  remembered, answers whose sender had none lately are queued. All of it or nothing.
- A mailbox that a script names and that is not there, and everything else that fails, ends in the INBOX.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from armgs_server.errors import Invalid
from armgs_server.formats.mime import MessageIndex
from armgs_server.rules import mailboxes
from armgs_server.rules.sieve.actions import INBOX, Remember
from armgs_server.storage import accounts, clock, collections, mail, notices, queue, traces
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Flags
from armgs_server.storage.queue import Destination
from armgs_server.storage.tx import Tx

_FLAGS: Final = {
    "\\seen": Flags.SEEN,
    "\\answered": Flags.ANSWERED,
    "\\flagged": Flags.FLAGGED,
    "\\deleted": Flags.DELETED,
    "\\draft": Flags.DRAFT,
}


@dataclass(frozen=True, slots=True)
class Filed:
    """One copy for one mailbox; `role` goes before the name where there is such a mailbox."""

    mailbox: str
    flags: tuple[str, ...]
    ref: BlobRef
    index: MessageIndex
    create: bool = False
    special_use: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of ours. `trace`: kind, key and seconds; it goes out only if that trace is new. `daily`: at
    most so many of the kind within a day."""

    ref: BlobRef
    sender: str
    recipient: str
    trace: tuple[str, str, int] | None = None
    daily: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A text for somebody's chat."""

    recipient: str
    subject: str
    text: str
    daily: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """See the module's docstring. `refused`: the reason to refuse the message with, where that is possible;
    `refusal` goes out where it is not."""

    owner: int
    filed: Sequence[Filed] = ()
    sent: Sequence[Sent] = ()
    said: Sequence[Said] = ()
    remembered: Sequence[Remember] = ()
    refused: str | None = None
    refusal: Sequence[Sent] = ()
    complaint: tuple[BlobRef, MessageIndex] | None = None  # for the owner's INBOX, once a day


async def place(tx: Tx, plan: Plan, now: int, lifetime: int) -> bool:
    """Whether the owner has taken it: not when the mailbox is full or gone. Nothing is written then."""
    size = sum(each.ref.size for each in plan.filed)
    targets: list[tuple[Collection, Filed]] = []
    if plan.filed:
        inbox = await collections.by_role(tx, plan.owner, "mail", "inbox")
        if inbox is None:
            return False
        usage = await accounts.usage(tx, plan.owner)
        if usage.quota and usage.bytes + size > usage.quota:
            return False
        for each in plan.filed:
            target = await _target(tx, plan.owner, each, inbox)
            if not any(target.id == other.id and each.ref.hash == filed.ref.hash for other, filed in targets):
                targets.append((target, each))
    for target, each in targets:
        flags, keywords = _flags(each.flags)
        await mail.append(
            tx, target, each.ref, each.index, flags=flags, keywords=" ".join(keywords), created=now
        )
    for remembered in plan.remembered:
        expires = now + remembered.seconds * clock.SECOND
        await traces.leave(
            tx, plan.owner, "duplicate", remembered.key, expires, now, again=remembered.is_last
        )
    for sent in plan.sent:
        await _send(tx, plan.owner, sent, now, lifetime)
    for said in plan.said:
        if await _is_within(tx, plan.owner, said.daily, now):
            await notices.add(tx, plan.owner, said.recipient, said.subject, said.text, now)
    if plan.complaint is not None:
        await _complain(tx, plan.owner, *plan.complaint, now)
    return True


async def refuse(tx: Tx, plan: Plan, now: int, lifetime: int) -> None:
    """The sender is told by mail, because the protocol has no room for it any more."""
    for sent in plan.refusal:
        await _send(tx, plan.owner, sent, now, lifetime)


async def _target(tx: Tx, owner: int, filed: Filed, inbox: Collection) -> Collection:
    if filed.special_use:
        found = await mailboxes.by_special_use(tx, owner, filed.special_use)
        if found is not None:
            return found
    if filed.mailbox == INBOX:
        return inbox
    found = await mailboxes.find(tx, owner, filed.mailbox)
    if found is not None:
        return found
    if not filed.create:
        return inbox
    try:
        return await mailboxes.make(tx, owner, filed.mailbox)
    except Invalid:
        return inbox


def _flags(names: Sequence[str]) -> tuple[int, list[str]]:
    flags = 0
    keywords = []
    for name in names:
        flag = _FLAGS.get(name.lower())
        if flag is None:
            keywords.append(name)
        else:
            flags |= flag
    return flags, keywords


async def _send(tx: Tx, owner: int, sent: Sent, now: int, lifetime: int) -> None:
    if sent.trace is not None:
        kind, key, seconds = sent.trace
        if not await traces.leave(tx, owner, kind, key, now + seconds * clock.SECOND, now):
            return
    if sent.daily is not None and not await _is_within(tx, owner, sent.daily, now):
        return
    domain = sent.recipient.rpartition("@")[2]
    is_utf8 = not (sent.sender + sent.recipient).isascii()
    data: dict[str, Any] = {"size": sent.ref.size, "8bit": True, "utf8": is_utf8}
    if not sent.sender:
        data["notify"] = []  # RFC 3461 §4.1: nobody is there to be told
    destination = Destination(sent.recipient, domain, data)
    await queue.enqueue(
        tx, sent.ref, [destination], owner=owner, sender=sent.sender, now=now, lifetime=lifetime
    )


async def _is_within(tx: Tx, owner: int, daily: tuple[str, int], now: int) -> bool:
    """Counts one more of a kind; False where the day's number is reached."""
    kind, limit = daily
    if await traces.count(tx, owner, kind, now, limit) >= limit:
        return False
    return await traces.leave(tx, owner, kind, str(clock.unique_id()), now + clock.DAY, now)


async def _complain(tx: Tx, owner: int, ref: BlobRef, index: MessageIndex, now: int) -> None:
    if not await traces.leave(tx, owner, "error", "", now + clock.DAY, now):
        return
    inbox = await collections.by_role(tx, owner, "mail", "inbox")
    usage = await accounts.usage(tx, owner)
    if inbox is not None and (not usage.quota or usage.bytes + ref.size <= usage.quota):
        await mail.append(tx, inbox, ref, index, created=now)
