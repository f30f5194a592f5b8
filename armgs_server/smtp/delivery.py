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

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from armgs_server.directory.cache import Cache
from armgs_server.errors import NotFound, OverQuota
from armgs_server.formats.mime import MessageIndex
from armgs_server.rules.plan import Plan
from armgs_server.service import Core
from armgs_server.smtp import records
from armgs_server.smtp.filing import Filing, check_refusal
from armgs_server.smtp.lists import MailList
from armgs_server.smtp.policy import Recipient
from armgs_server.smtp.records import Records
from armgs_server.storage import accounts, clock, collections, fanout, invitations, mail, queue
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.queue import Destination
from armgs_server.storage.tx import Tx
from armgs_server.trust.model import Judge, Seal

# INBOXes and full mailboxes remembered; and how long a mailbox that was full is asked about at RCPT.
REMEMBERED = 20_000
FULL_TIME = 10 * clock.MINUTE
# RFC 6710 §5.2: a step of priority is worth so much waiting in the queue.
PRIORITY_STEP = 5 * clock.MINUTE
NO_PLANS: Mapping[int, Plan] = {}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all recipients of a message share."""

    sender: str  # reverse-path; "" = null
    author: int = 0  # the principal who submitted it; 0 = from outside, or the server itself
    needs_utf8: bool = False
    is_8bit: bool = False
    is_binary: bool = False
    returned: str = ""  # RET of RFC 3461 §4.3: FULL, HDRS or not given
    envelope_id: str = ""  # ENVID of RFC 3461 §4.4
    is_junk: bool = False  # it goes to the recipients' Junk
    needs_tls: bool = False  # REQUIRETLS, RFC 8689
    priority: int = 0  # MT-PRIORITY, RFC 6710
    deliver_by: tuple[int, str] | None = None  # until when, and what then (RFC 2852)
    release: int = 0  # nobody gets it before (RFC 4865); 0 = at once
    environment: tuple[tuple[str, str], ...] = ()  # RFC 5183, for people's rules: who brought it
    records: Records | None = None  # what is kept of it beside the recipients' copies


@dataclass(frozen=True, slots=True)
class Copy:
    """The recipients who get the same bytes. `mailboxes`: owner and the address that led there."""

    mailboxes: tuple[tuple[int, Recipient], ...] = ()
    destinations: tuple[Recipient, ...] = ()
    mail_list: MailList | None = None

    def sender(self, envelope: Envelope) -> str:
        """RFC 5321 §3.9.2: what a list sends comes back to who looks after it."""
        if self.mail_list is None or not envelope.sender:
            return envelope.sender
        return self.mail_list.owner_address


@dataclass(frozen=True, slots=True)
class Stored:
    """A copy with its bytes; the first `own_prefix` of them are left out when it is sent on."""

    copy: Copy
    ref: BlobRef
    index: MessageIndex | None  # needed where there are mailboxes
    own_prefix: int


def plan_copies(recipients: Sequence[Recipient]) -> list[Copy]:
    """Who gets which bytes."""
    if len(recipients) == 1 and len(recipients[0].owners) == 1 and not recipients[0].list_address:
        return [Copy(((recipients[0].owners[0], recipients[0]),))]
    direct: dict[int, Recipient] = {}
    remote: dict[str, Recipient] = {}
    lists: dict[str, Recipient] = {}
    for recipient in recipients:
        if recipient.requests_of is not None or recipient.is_recall:
            continue
        if recipient.mail_list is not None:
            lists.setdefault(recipient.list_address, recipient)
        elif recipient.is_remote:
            remote.setdefault(recipient.path, recipient)
        else:
            for owner in recipient.owners:
                direct.setdefault(owner, recipient)
    copies = [Copy(tuple(sorted(direct.items(), key=_owner)), tuple(remote.values()))]
    reached = set(direct)
    for recipient in lists.values():
        if recipient.is_held:
            copies.append(Copy((), (recipient,), recipient.mail_list))
            continue
        owners = [owner for owner in recipient.owners if owner not in reached]
        reached.update(owners)
        mailboxes = tuple((owner, recipient) for owner in owners)
        copies.append(Copy(mailboxes, (), recipient.mail_list))
    return [copy for copy in copies if copy.mailboxes or copy.destinations]


class Delivery:
    """Places messages; remembers which collection is whose INBOX, and whose mailbox was full lately.

    `judge` is asked about messages from outside before they are kept, where `is_judged` wants it for that
    client; `seal` about those that leave.
    """

    def __init__(
        self,
        core: Core,
        judge: Judge | None = None,
        seal: Seal | None = None,
        is_judged: Callable[[str], bool] = lambda peer: True,
    ) -> None:
        self.core = core
        self.judge = judge
        self.seal = seal
        self.is_judged = is_judged
        self.filing = Filing(core)
        self._inboxes: Cache[int, Collection] = Cache(REMEMBERED)
        self._full: Cache[int, int] = Cache(REMEMBERED)

    def may_be_full(self, owner: int) -> bool:
        """Whether the owner's quota is worth a look before a message is taken."""
        return (self._full.get(owner) or 0) > clock.now()

    async def deliver(
        self, envelope: Envelope, stored: Sequence[Stored], now: int, *, queues_full: bool = True
    ) -> frozenset[int]:
        """Durable when it returns: those for whom it waits. OverQuota when nobody can take it; Refused by the
        only recipient's rules; Temporary.

        Without `queues_full` it waits for nobody: those whose mailbox is full do not get it.
        """
        owners = {owner for each in stored for owner, _ in each.copy.mailboxes}
        if envelope.release > now:
            await self.core.store.write(lambda tx: self._hold_back(tx, envelope, stored, now, owners))
            return frozenset(owners)
        plans = await self.filing.plans(envelope, stored, now)
        check_refusal(plans, stored)
        inboxes: dict[int, Collection] = {}
        if not envelope.is_junk and not plans:
            inboxes = {owner: inbox for owner in owners if (inbox := await self._inbox(owner))}
        if len(inboxes) == len(owners):
            try:
                await self.core.store.write(lambda tx: self._place_all(tx, envelope, stored, inboxes, now))
                return frozenset()
            except (OverQuota, NotFound):
                for owner in owners:
                    self._inboxes.drop(owner)
        # Somebody has rules; or a mailbox is full or gone, and nothing was kept: with a look at each.
        full = await self.core.store.write(
            lambda tx: self.place(tx, envelope, stored, now, queues_full=queues_full, plans=plans)
        )
        for owner in full:
            self._full.put(owner, now + FULL_TIME)
        if full and len(full) == len(owners) and not any(each.copy.destinations for each in stored):
            raise OverQuota()
        return frozenset(full)

    async def place(
        self,
        tx: Tx,
        envelope: Envelope,
        stored: Sequence[Stored],
        now: int,
        *,
        may_wait: bool = False,
        queues_full: bool = True,
        plans: Mapping[int, Plan] = NO_PLANS,
    ) -> list[int]:
        """Gives each recipient the message, or a place in the queue; the owners who could not take it.

        When that is everybody, nothing is queued, unless `may_wait` (reports have nobody to be refused to).
        `plans` are those of owners with rules (`Filing.plans`).
        """
        full: list[int] = []
        taken = may_wait or any(each.copy.destinations for each in stored)
        for each in stored:
            for owner, _ in each.copy.mailboxes:
                if (plan := plans.get(owner)) is not None:
                    is_taken, stays = await self.filing.place(tx, plan, now), bool(plan.filed)
                else:
                    stays = is_taken = await append(
                        tx, owner, each.ref, each.index, now, is_junk=envelope.is_junk
                    )
                if is_taken:
                    taken = True
                    await _note_invitation(tx, envelope, each, [owner] if stays else [])
                else:
                    full.append(owner)
        if taken:
            await self._enqueue_all(tx, envelope, stored, now, full if queues_full else ())
            await _record(tx, envelope, stored, now)
        return full

    async def _place_all(
        self,
        tx: Tx,
        envelope: Envelope,
        stored: Sequence[Stored],
        inboxes: Mapping[int, Collection],
        now: int,
    ) -> None:
        """Everybody takes it, as nearly always; OverQuota or NotFound undoes the whole."""
        for each in stored:
            targets = [inboxes[owner] for owner, _ in each.copy.mailboxes]
            if targets:
                assert each.index is not None  # made for every copy that has mailboxes
                if len(targets) == 1:
                    await mail.append(tx, targets[0], each.ref, each.index, created=now)
                else:
                    await fanout.append_all(tx, targets, each.ref, each.index, created=now)
                await _note_invitation(tx, envelope, each, [target.owner for target in targets])
            if each.copy.destinations:
                await self._enqueue(tx, envelope, each, now, ())
        await _record(tx, envelope, stored, now)

    async def _hold_back(
        self, tx: Tx, envelope: Envelope, stored: Sequence[Stored], now: int, owners: Container[int]
    ) -> None:
        """RFC 4865: it waits for its time, with all its recipients."""
        await self._enqueue_all(tx, envelope, stored, now, owners)
        await _record(tx, envelope, stored, now)

    async def _enqueue_all(
        self, tx: Tx, envelope: Envelope, stored: Sequence[Stored], now: int, late: Container[int]
    ) -> None:
        for each in stored:
            await self._enqueue(tx, envelope, each, now, late)

    async def _enqueue(
        self, tx: Tx, envelope: Envelope, stored: Stored, now: int, late: Container[int]
    ) -> None:
        waiting = [(recipient, 0) for recipient in stored.copy.destinations]
        waiting += [(recipient, owner) for owner, recipient in stored.copy.mailboxes if owner in late]
        if not waiting:
            return
        await queue.enqueue(
            tx,
            stored.ref,
            [
                Destination(recipient.path, recipient.domain, _queue_data(envelope, stored, recipient, owner))
                for recipient, owner in waiting
            ],
            owner=envelope.author,
            sender=stored.copy.sender(envelope),
            now=now,
            due=_due(envelope, stored, now),
            lifetime=round(self.core.config.smtp.queue_lifetime * clock.SECOND),
        )

    async def _inbox(self, owner: int) -> Collection | None:
        inbox = self._inboxes.get(owner)
        if inbox is None:
            inbox = await self.core.store.read(lambda tx: collections.by_role(tx, owner, "mail", "inbox"))
            if inbox is not None:
                self._inboxes.put(owner, inbox)
        return inbox


async def _note_invitation(tx: Tx, envelope: Envelope, stored: Stored, owners: Sequence[int]) -> None:
    """RFC 6047: the calendars look at what comes from elsewhere; people here they have invited themselves."""
    if not envelope.author and stored.index is not None and invitations.is_one(stored.index):
        await invitations.add(tx, owners, stored.ref)


async def _record(tx: Tx, envelope: Envelope, stored: Sequence[Stored], now: int) -> None:
    """The copies that nobody among the recipients has asked for."""
    if envelope.records is not None and stored:
        await records.keep(tx, envelope.records, stored[0], now)


async def append(
    tx: Tx, owner: int, ref: BlobRef, index: MessageIndex | None, now: int, *, is_junk: bool = False
) -> bool:
    """Whether the owner's INBOX, or Junk, has taken it: not when the mailbox is full or gone."""
    assert index is not None  # made for every copy that has mailboxes
    inbox = await collections.by_role(tx, owner, "mail", "junk") if is_junk else None
    if inbox is None:
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
    data: dict[str, Any] = {"skip": stored.own_prefix, "size": stored.ref.size}
    if owner:
        data["mailbox"] = owner
    if envelope.needs_utf8:
        data["utf8"] = True
    if envelope.is_8bit:
        data["8bit"] = True
    if envelope.is_binary:
        data["binary"] = True
    if envelope.is_junk:
        data["junk"] = True
    if envelope.needs_tls:
        data["tls"] = True
    if envelope.priority:
        data["priority"] = envelope.priority
    if envelope.deliver_by is not None:
        data["by"] = list(envelope.deliver_by)
    if envelope.release:
        data["release"] = envelope.release
    if recipient.is_held and recipient.mail_list is not None:
        data["list"] = recipient.mail_list.id
    if envelope.returned:
        data["ret"] = envelope.returned
    if envelope.envelope_id:
        data["envid"] = envelope.envelope_id
    if recipient.notify:
        data["notify"] = sorted(recipient.notify)
    if recipient.original:
        data["orcpt"] = list(recipient.original)
    return data


def _due(envelope: Envelope, stored: Stored, now: int) -> int:
    """When it is sent for the first time: what is urgent goes before what has waited longer."""
    if any(recipient.is_held for recipient in stored.copy.destinations):
        return queue.HELD
    return max(now, envelope.release) - envelope.priority * PRIORITY_STEP


def _owner(mailbox: tuple[int, Recipient]) -> int:
    """PostgreSQL: everybody locks accounts in the same order."""
    return mailbox[0]
