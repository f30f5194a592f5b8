# SPDX-License-Identifier: Apache-2.0
"""From an accepted envelope to the store: INBOXes of the local recipients, queue rows for the others.

Invariants:
- One transaction for all recipients of a message; it is acknowledged after the commit.
- The bytes are kept once for all who get the same ones; a list's copy differs by its List-Id:.
- A person gets one copy, however many ways the message comes by; mail sent directly goes before a list's.
- Who cannot take it now while others can (a full mailbox) is queued like mail for another domain: tried
  again, and reported in the end. Only when nobody can is the message refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from armgs_server.errors import OverQuota
from armgs_server.formats.mime import MessageIndex
from armgs_server.service import Core
from armgs_server.smtp.policy import Recipient
from armgs_server.storage import accounts, collections, mail, queue
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.queue import Destination
from armgs_server.storage.tx import Tx


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all recipients of a message share."""

    sender: str  # reverse-path; "" = null
    author: int = 0  # the principal who submitted it; 0 = from outside, or the server itself
    needs_utf8: bool = False
    is_8bit: bool = False
    returned: str = ""  # RET of RFC 3461 §4.3: FULL, HDRS or not given
    envelope_id: str = ""  # ENVID of RFC 3461 §4.4


@dataclass(frozen=True, slots=True)
class Copy:
    """The recipients who get the same bytes. `mailboxes`: owner and the address that led there."""

    mailboxes: tuple[tuple[int, Recipient], ...] = ()
    destinations: tuple[Recipient, ...] = ()
    list_address: str = ""
    list_name: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """A copy with its bytes; the first `own_prefix` of them are left out when it is sent on."""

    copy: Copy
    ref: BlobRef
    index: MessageIndex | None  # needed where there are mailboxes
    own_prefix: int


def plan_copies(recipients: Sequence[Recipient]) -> list[Copy]:
    """Who gets which bytes."""
    direct: dict[int, Recipient] = {}
    remote: dict[str, Recipient] = {}
    lists: dict[str, Recipient] = {}
    for recipient in recipients:
        if recipient.list_address:
            lists.setdefault(recipient.list_address, recipient)
        elif recipient.is_remote:
            remote.setdefault(recipient.path, recipient)
        else:
            for owner in recipient.owners:
                direct.setdefault(owner, recipient)
    copies = [Copy(tuple(sorted(direct.items(), key=_owner)), tuple(remote.values()))]
    reached = set(direct)
    for recipient in lists.values():
        owners = [owner for owner in recipient.owners if owner not in reached]
        reached.update(owners)
        mailboxes = tuple((owner, recipient) for owner in owners)
        copies.append(Copy(mailboxes, (), recipient.list_address, recipient.list_name))
    return [copy for copy in copies if copy.mailboxes or copy.destinations]


async def deliver(core: Core, envelope: Envelope, stored: Sequence[Stored], now: int) -> None:
    """Durable when it returns. OverQuota when no recipient can take it; Temporary."""
    lifetime = queue_lifetime(core)
    await core.store.write(lambda tx: place(tx, envelope, stored, now, lifetime))


def queue_lifetime(core: Core) -> int:
    """How long a message may wait in the queue, in the store's unit of time."""
    return round(core.config.smtp.queue_lifetime * 1_000_000)


async def place(
    tx: Tx,
    envelope: Envelope,
    stored: Sequence[Stored],
    now: int,
    lifetime: int,
    *,
    may_wait: bool = False,
) -> None:
    """Gives each recipient the message, or a place in the queue. OverQuota when nobody can take it.

    `may_wait`: everybody may be queued (reports, which have nobody to be refused to).
    """
    taken = may_wait or any(each.copy.destinations for each in stored)
    late: list[tuple[Stored, Recipient, int]] = []
    for each in stored:
        for owner, recipient in each.copy.mailboxes:
            if await append(tx, owner, each.ref, each.index, now):
                taken = True
            else:
                late.append((each, recipient, owner))
    if not taken:
        raise OverQuota()
    for each in stored:
        waiting = [(recipient, 0) for recipient in each.copy.destinations]
        waiting += [(recipient, owner) for of, recipient, owner in late if of is each]
        if waiting:
            destinations = [
                Destination(recipient.path, recipient.domain, _queue_data(envelope, each, recipient, owner))
                for recipient, owner in waiting
            ]
            await queue.enqueue(
                tx,
                each.ref,
                destinations,
                owner=envelope.author,
                sender=envelope.sender,
                now=now,
                lifetime=lifetime,
            )


async def append(tx: Tx, owner: int, ref: BlobRef, index: MessageIndex | None, now: int) -> bool:
    """Whether the owner's INBOX has taken it: not when the mailbox is full or gone."""
    assert index is not None  # made for every copy that has mailboxes
    inbox = await collections.by_role(tx, owner, "mail", "inbox")
    if inbox is None:
        return False
    usage = await accounts.usage(tx, owner)
    if usage.quota and usage.bytes + ref.size > usage.quota:
        return False
    await mail.append(tx, inbox, ref, index, created=now)
    return True


def _queue_data(envelope: Envelope, stored: Stored, recipient: Recipient, owner: int) -> dict[str, Any]:
    """What relay and reports need later; only what differs from the default is kept."""
    data: dict[str, Any] = {"skip": stored.own_prefix}
    if owner:
        data["mailbox"] = owner
    if envelope.needs_utf8:
        data["utf8"] = True
    if envelope.is_8bit:
        data["8bit"] = True
    if envelope.returned:
        data["ret"] = envelope.returned
    if envelope.envelope_id:
        data["envid"] = envelope.envelope_id
    if recipient.notify:
        data["notify"] = sorted(recipient.notify)
    if recipient.original:
        data["orcpt"] = list(recipient.original)
    return data


def _owner(mailbox: tuple[int, Recipient]) -> int:
    """PostgreSQL: everybody locks accounts in the same order."""
    return mailbox[0]
