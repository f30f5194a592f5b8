# SPDX-License-Identifier: Apache-2.0
"""Where delivery meets people's rules: whose mail has some, and what they make of a message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from armgs_server.errors import Denied
from armgs_server.rules import plan
from armgs_server.rules.desk import Desk
from armgs_server.rules.making import Arrival
from armgs_server.rules.plan import Plan
from armgs_server.rules.sieve import actions
from armgs_server.rules.standing import Standings
from armgs_server.service import Core
from armgs_server.smtp.replies import Reply, reply
from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.smtp.copies import Envelope, Stored

# Lines of a refusal, and how long they are (RFC 5321 §4.5.3.1.5).
REASON_LINES = 10
REASON_LENGTH = 400
# People of a list whose rules are run before other connections have their turn.
PLANS_IN_A_ROW = 20


class Refused(Denied):
    """The only recipient's rules refuse the message (RFC 5429)."""

    @property
    def reply(self) -> Reply:
        """RFC 5429 §2.1.1: the text in as many lines as it has."""
        lines = [line[:REASON_LENGTH] for line in self.text.splitlines() if line.strip()][:REASON_LINES]
        return reply(550, "5.7.1", *(lines or ["Refused by the recipient"]))


class Filing:
    """Plans for those who have rules; for all others it costs a look into memory."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._standings = Standings(core.store, core.directory, core.config)
        self._desk = Desk(core.store, core.directory, core.config)

    def start(self) -> None:
        """Begins to hear of changes."""
        self._standings.start()

    def stop(self) -> None:
        """Ends."""
        self._standings.stop()

    async def plans(self, envelope: Envelope, stored: Sequence[Stored], now: int) -> Mapping[int, Plan]:
        """By owner, for those who have rules or are away."""
        recipients = {owner: (each, recipient) for each in stored for owner, recipient in each.copy.mailboxes}
        busy = await self._standings.busy(recipients, now)
        made: dict[int, Plan] = {}
        for count, (owner, standing) in enumerate(busy.items(), 1):
            if count % PLANS_IN_A_ROW == 0:
                await asyncio.sleep(0)  # the other connections' turn
            each, recipient = recipients[owner]
            person = await self._core.directory.by_id(owner)
            if person is None or each.index is None:
                continue
            given = actions.Envelope(envelope.sender, recipient.path, dict(envelope.environment))
            arrival = Arrival(each.ref, each.index, each.own_prefix, given, now, envelope.is_junk)
            made[owner] = await self._desk.plan(person, standing, arrival)
        return made

    async def place(self, tx: Tx, made: Plan, now: int) -> bool:
        """Whether the owner has taken the message, or refused it; not when the mailbox is full."""
        lifetime = round(self._core.config.smtp.queue_lifetime * clock.SECOND)
        if not await plan.place(tx, made, now, lifetime):
            return False
        await plan.refuse(tx, made, now, lifetime)
        return True


def check_refusal(plans: Mapping[int, Plan], stored: Sequence[Stored]) -> None:
    """Refused, where nobody else is to get the message (RFC 5429 §2.1.1)."""
    if len(plans) != 1 or any(each.copy.destinations for each in stored):
        return
    if sum(len(each.copy.mailboxes) for each in stored) == 1:
        for made in plans.values():
            if made.refused is not None:
                raise Refused(made.refused)
