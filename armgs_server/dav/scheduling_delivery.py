# SPDX-License-Identifier: Apache-2.0
"""Scheduling messages to their recipients (RFC 6638 §4): people and rooms here, mail for everybody else.

An answer of ours has no side effect outside of the transaction it runs in.
"""

from __future__ import annotations

import uuid

from armgs_server.config import Config
from armgs_server.dav import scheduling_tasks
from armgs_server.dav.caldav_data import utc_text
from armgs_server.dav.scheduling_desk import Copy, Desk
from armgs_server.dav.scheduling_merging import Merging
from armgs_server.dav.scheduling_rights import may
from armgs_server.dav.scheduling_rooms import commented, decide, numbers, opaque
from armgs_server.dav.scheduling_users import Users
from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.formats import imip, itip_attendee, itip_copy
from armgs_server.formats.icalendar import CalendarObject
from armgs_server.formats.icalendar_attach import without_managed
from armgs_server.formats.itip import (
    Message,
    data_of,
    organizer,
    parameter,
    replaced,
    with_partstat,
)
from armgs_server.formats.itip import attendee as attendee_of
from armgs_server.formats.itip import calendar_of as calendar_with
from armgs_server.formats.itip_invited import Invited
from armgs_server.formats.itip_organizer import apply_reply
from armgs_server.storage import accounts, clock, items, queue, scheduling, told_by_mail
from armgs_server.storage.collections import by_role
from armgs_server.storage.collections import get as collection
from armgs_server.storage.queue import Destination
from armgs_server.storage.tx import Tx

# RFC 6638 §3.2.9 and RFC 5546 §3.6.
SENT, DELIVERED, NOBODY, NOT_ALLOWED, FAILED = "1.1", "1.2", "3.7", "3.8", "5.1"


class Delivery:
    """The messages of one change. `answers` are what rooms have said, for the organiser's object."""

    def __init__(self, config: Config, desk: Desk, users: Users) -> None:
        self._config = config
        self._desk = desk
        self._users = users
        self.answers: list[Message] = []
        self._merging = Merging(users.who)

    @property
    def stamp(self) -> str:
        """Now, as DTSTAMP."""
        return utc_text(clock.now())

    async def invite(self, tx: Tx, message: Message) -> str:
        """A REQUEST or CANCEL to one attendee; the SCHEDULE-STATUS."""
        principal = self._users.calendar_of(message.recipient)
        if principal is None:
            known = self._users.principal(message.recipient)
            if known is not None:
                return DELIVERED if known.kind == "group" and not known.disabled else NOBODY
            return await self._mail(tx, message)
        if principal.disabled:
            return NOBODY
        told = self._merging.object(message.calendar)
        copy = await self._desk.copy(tx, principal.id, told.uid)
        if copy is not None and not self._is_from(copy.object, message.sender):
            return NOT_ALLOWED  # somebody else's meeting has the UID
        if not await self._may(tx, principal, message, Rights.DELIVER_INVITE):
            return NOT_ALLOWED
        usage = await accounts.usage(tx, principal.id)
        if usage.quota and usage.bytes + 3 * len(self._merging.text(message.calendar)) > usage.quota:
            return FAILED
        if principal.kind != "person":
            return await self._ask_room(tx, principal, copy, message, told)
        if copy is None and message.method == "CANCEL":
            if told.kind == "VTODO" and told.master is not None:
                await scheduling_tasks.forget(tx, self._desk, principal.id, told.uid)
            return DELIVERED  # of what is not there nobody need be told that it is off
        if copy is None and not message.is_forced and self._has_declined(told, message.recipient):
            return DELIVERED  # and taken out: there is nothing more to be said of it
        if copy is not None and message.method == "CANCEL":
            await self._keep(tx, principal, copy, self._merging.cancelled(copy, message), tag=True)
        else:
            merged = self._merging.request(copy, message, whole=False)
            if merged is None:
                return DELIVERED
            made, is_new = merged
            if await self._keep(tx, principal, copy, made, tag=is_new) is False:
                return FAILED
        shown = self._merging.text(message.changed or message.calendar)
        await self._desk.notify(tx, principal.id, shown)
        return DELIVERED

    def _has_declined(self, told: CalendarObject, key: str) -> bool:
        return all(
            itip_attendee.partstat(member, key, self._users.who) == "DECLINED" for member in told.members
        )

    async def _may(self, tx: Tx, principal: Principal, message: Message, right: Rights) -> bool:
        """RFC 6638 §6.1; who writes from elsewhere came by mail, and was let in there."""
        inbox = await by_role(tx, principal.id, scheduling.INBOX, "default")
        is_ours = self._users.principal(message.sender) is not None
        return (
            inbox is None or not is_ours or await may(tx, inbox, self._users.numbers(message.sender), right)
        )

    async def _keep(
        self, tx: Tx, principal: Principal, copy: Copy | None, made: CalendarObject, *, tag: bool
    ) -> bool:
        declined = self._is_declined(principal.address)
        if await self._desk.keep(tx, principal.id, copy, made, declined, tag=tag) is None:
            return False
        await scheduling_tasks.follow(tx, self._desk, self._users, self._config, principal.id, made)
        return True

    def _is_declined(self, key: str) -> itip_attendee.Test:
        return lambda member: itip_attendee.partstat(member, key, self._users.who) == "DECLINED"

    async def _ask_room(
        self, tx: Tx, room: Principal, copy: Copy | None, message: Message, told: CalendarObject
    ) -> str:
        """A room's calendar holds what it has accepted, and nothing else."""
        if message.method == "CANCEL" and told.master is not None:
            if copy is not None:
                await self._remove(tx, copy)
            return DELIVERED
        host = self._users.principal(message.sender)
        if message.method == "CANCEL":
            if copy is not None:
                made = itip_copy.apply_cancel(copy.object, told, is_kept=False)
                await self._keep(tx, room, copy, made, tag=True)
            return DELIVERED
        merged = self._merging.request(copy, message, whole=True)
        if merged is None:
            return DELIVERED
        made = opaque(merged[0])
        decision = await decide(tx, room, host, made)
        who, key = self._users.who, room.address
        members = [with_partstat(member, decision.partstat, key, who) for member in made.members]
        answered = itip_attendee.with_status(replaced(made, members), DELIVERED)
        if decision.partstat != "DECLINED":
            await self._keep(tx, room, copy, answered, tag=True)
        elif copy is not None:
            await self._remove(tx, copy)
        if decision.partstat == "TENTATIVE":
            for manager in sorted(numbers(room.data.get("managers"))):
                await self._desk.notify(tx, manager, self._merging.text(message.calendar))
        reply = itip_attendee.reply(None, answered, key, who, self.stamp)
        if reply is not None:
            self.answers.append(commented(reply, decision.comment))
        return DELIVERED

    async def _remove(self, tx: Tx, copy: Copy) -> None:
        where = await collection(tx, copy.item.owner, copy.item.collection)
        await items.remove(tx, where, [copy.item.uid])

    async def answer(self, tx: Tx, message: Message) -> str:
        """A REPLY to its organiser: into the object, into the inbox, on to the others; SCHEDULE-STATUS."""
        principal = self._users.calendar_of(message.recipient)
        if principal is None:
            return await self._mail(tx, message)
        if principal.disabled:
            return NOBODY
        told = self._merging.object(message.calendar)
        copy = await self._desk.copy(tx, principal.id, told.uid)
        if copy is None or not self._is_from(copy.object, message.recipient):
            return NOBODY
        if not await self._may(tx, principal, message, Rights.DELIVER_REPLY):
            return NOT_ALLOWED
        changed = apply_reply(copy.object, told, message.sender, self._users.who)
        if changed is not None:
            # RFC 6638 §3.2.10: answers taken in leave the schedule tag as it is.
            await self._keep(tx, principal, copy, changed, tag=False)
            await self._desk.notify(tx, principal.id, self._merging.text(message.calendar))
            await self.refresh(tx, message.recipient, changed, but=message.sender)
        return DELIVERED

    async def take(self, tx: Tx, principal: Principal, message: Message) -> None:
        """A REQUEST or CANCEL from elsewhere into the object of somebody here, unless it is out of date."""
        told = self._merging.object(message.calendar)
        copy = await self._desk.copy(tx, principal.id, told.uid)
        if copy is not None and not self._is_from(copy.object, message.sender):
            return
        if itip_copy.is_stale(copy.object if copy is not None else None, told):
            return
        if message.method == "CANCEL":
            if copy is None:
                return
            made = itip_copy.apply_cancel(copy.object, told)
        else:
            if all(attendee_of(part, principal.address, self._users.who) is None for part in told.members):
                return
            made = itip_copy.apply_request(copy.object if copy is not None else None, told, whole=False)
        await self._keep(tx, principal, copy, made, tag=True)
        await self._desk.notify(tx, principal.id, self._merging.text(message.calendar))

    async def refresh(self, tx: Tx, key: str, found: CalendarObject, *, but: str) -> None:
        """Shows the other attendees what somebody has answered; not in meetings of hundreds."""
        invited = Invited(found, key, self._users.who)
        if len(invited.places) > self._config.dav.attendee_refresh:
            return
        for attendee, places in invited.places.items():
            principal = self._users.calendar_of(attendee)
            if principal is None or attendee == but or principal.kind != "person":
                continue
            copy = await self._desk.copy(tx, principal.id, found.uid)
            if copy is None or not self._is_from(copy.object, key):
                continue
            request = Message("REQUEST", key, attendee, calendar_with(invited.view(places), found.calendar))
            hidden = itip_copy.hidden(copy.object, request.object, attendee, self._users.who)
            made = itip_copy.apply_request(copy.object, request.object, whole=True, hidden=hidden)
            if data_of(made.calendar) != data_of(copy.object.calendar):
                await self._keep(tx, principal, copy, made, tag=False)

    async def note(self, tx: Tx, owner: int, message: Message) -> None:
        """A message into an inbox as it is."""
        await self._desk.notify(tx, owner, self._merging.text(message.calendar))

    def _is_from(self, found: CalendarObject, key: str) -> bool:
        line = organizer(found)
        return line is not None and self._users.who(line[2]) == key

    async def _mail(self, tx: Tx, message: Message) -> str:
        """RFC 6047 through the mail queue."""
        domain = self._users.mail_domain(message.recipient)
        author = self._users.principal(message.sender)
        if not domain or author is None:
            return NOBODY
        if not self._config.dav.imip:
            return FAILED
        if message.is_covered:  # one mail says it all
            return SENT
        found = self._merging.object(message.calendar)
        mark = imip.mark(message.method, found, author.address, message.recipient)
        if await told_by_mail.take_mailed(tx, author.id, mark):
            return SENT
        said = attendee_of(found.members[0], message.sender, self._users.who)
        text = imip.build(
            message.method,
            _for_outsiders(message, self._merging.text(message.calendar)),
            found,
            imip.Envelope(
                author.address,
                author.name,
                message.recipient,
                f"<{uuid.uuid4()}@{author.domain}>",
                clock.now(),
            ),
            parameter(said, "PARTSTAT") if said is not None and message.method == "REPLY" else "",
        )
        now = clock.now()
        due = now + round(self._config.dav.imip_delay * clock.SECOND)
        (queued,) = await queue.enqueue(
            tx,
            self._desk.store.blobs.small(text),
            [Destination(message.recipient, domain, {"skip": 0, "size": len(text)})],
            owner=author.id,
            sender=author.address,
            now=now,
            due=due,
            lifetime=round(self._config.smtp.queue_lifetime * clock.SECOND),
        )
        await told_by_mail.waits(tx, author.id, mark, queued, due)
        return SENT


def _for_outsiders(message: Message, text: bytes) -> bytes:
    """Attachments that are managed here are read by nobody else (RFC 8607 §3)."""
    return data_of(without_managed(message.calendar)) if b"MANAGED-ID" in text else text
