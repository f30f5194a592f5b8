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

from armgs_server.directory.cache import Cache
from armgs_server.errors import NotFound, OverQuota
from armgs_server.formats.mime import MessageIndex
from armgs_server.rules.plan import Plan
from armgs_server.service import Core
from armgs_server.smtp import records, waiting
from armgs_server.smtp.copies import Envelope, Stored
from armgs_server.smtp.filing import Filing, check_refusal
from armgs_server.storage import accounts, clock, collections, fanout, invitations, mail, queue
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.queue import Destination
from armgs_server.storage.tx import Tx
from armgs_server.trust.model import Judge, Seal

# INBOXes and full mailboxes remembered; and how long a mailbox that was full is asked about at RCPT.
REMEMBERED = 20_000
FULL_TIME = 10 * clock.MINUTE
NO_PLANS: Mapping[int, Plan] = {}


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
        late_or_far = [(recipient, 0) for recipient in stored.copy.destinations]
        late_or_far += [(recipient, owner) for owner, recipient in stored.copy.mailboxes if owner in late]
        if not late_or_far:
            return
        await queue.enqueue(
            tx,
            stored.ref,
            [
                Destination(
                    recipient.path, recipient.domain, waiting.data_of(envelope, stored, recipient, owner)
                )
                for recipient, owner in late_or_far
            ],
            owner=envelope.author,
            sender=stored.copy.sender(envelope),
            now=now,
            due=waiting.due(envelope, stored, now),
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
