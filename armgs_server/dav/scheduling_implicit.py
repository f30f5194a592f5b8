# SPDX-License-Identifier: Apache-2.0
"""Implicit scheduling (RFC 6638 §3.2): what a PUT or DELETE of a calendar object brings about.

A `Change` is made before the transaction, from what is there then; inside it the object is read again, and
if that is another one by now, the change begins anew (`scheduling_desk.Again`). Whose change it is depends
on whose calendar it is in: the organiser's, an attendee's, or nobody's whom the object names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from armgs_server import log
from armgs_server.config import Config
from armgs_server.dav import scheduling_tasks
from armgs_server.dav.caldav_properties import caldav
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.names import href
from armgs_server.dav.paths import quote
from armgs_server.dav.scheduling_delivery import Delivery
from armgs_server.dav.scheduling_desk import Desk
from armgs_server.dav.scheduling_rooms import numbers
from armgs_server.dav.scheduling_users import Users
from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.formats import itip_attendee, itip_organizer, itip_revision
from armgs_server.formats.icalendar import CalendarObject, Component
from armgs_server.formats.itip import attendee, is_server, organizer, replaced, with_answers
from armgs_server.formats.itip_task import KIND, with_progress
from armgs_server.storage import collections, scheduling
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.calindex import Entry
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

T = TypeVar("T")
_log = log.get("dav")


@dataclass(slots=True)
class Change:
    """One person's write to calendar objects of one owner."""

    call: Call
    owner: Principal
    new: CalendarObject | None
    body: bytes
    desk: Desk
    users: Users
    may_send: bool
    original: CalendarObject | None = None
    groups: dict[str, list[Principal]] = field(default_factory=dict)
    headers: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    async def begin(
        cls,
        call: Call,
        owner: Principal,
        present: Sequence[Item],
        new: CalendarObject | None = None,
        body: bytes = b"",
    ) -> Change:
        """Learns who is concerned: by the new object and by those that are there now."""
        engine = call.engine
        desk = Desk(engine.store, {owner.id}, engine.config.dav.inbox_items)
        made = cls(call, owner, new, body, desk, Users(engine.directory), await _may_send(call, owner))
        await made.users.learn_sender(owner)
        for item in present:
            desk.blobs[item.blob] = await engine.store.blobs.read(item.blob)
        await made.learn()
        if new is not None:
            made.original, made.new = new, made._expanded(new)
            _check(made.new, engine.config.dav.attendees, made.users)
        return made

    async def learn(self) -> None:
        """Everybody named so far, and whose accounts that concerns."""
        is_task = False
        for found in (self.new, *(self.desk.parse(blob, None) for blob in self.desk.blobs)):
            if found is not None:
                await self.users.learn(found)
                is_task = is_task or found.kind == KIND
        for group in self.users.groups():
            if group.address not in self.groups:
                members = await self.call.engine.directory.members(group)
                self.groups[group.address] = [each for each in members if not each.disabled]
                for member in self.groups[group.address]:
                    await self.users.learn_principal(member)
        self.desk.owners |= self.users.owners() | (self.users.holders() if is_task else set())
        for principal in self.users.resources():
            self.desk.owners |= numbers(principal.data.get("managers"))

    async def write(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Runs the work that calls `put` or `remove`."""
        result = await self.desk.write(work, self.learn)
        found = self.new
        if found is None and self.desk.blobs:
            found = self.desk.parse(next(iter(self.desk.blobs)), None)
        if found is not None:
            author, what = self.call.person.address, "removed" if self.new is None else "written"
            _log.info(f"meeting {what}", account=author, owner=self.owner.address, uid=found.uid)
        return result

    def _expanded(self, new: CalendarObject) -> CalendarObject:
        """Groups among the attendees get their members as attendees beside them (RFC 5545 §3.2.11)."""
        if not self.groups or self.role(new) != "organizer":
            return new
        members = []
        for member in new.members:
            lines = list(member.properties)
            present = {self.users.who(line[2]) for line in member.all("ATTENDEE")}
            for key in [key for key in self.groups if key in present]:
                for principal in self.groups[key]:
                    if principal.address not in present and principal.id != self.owner.id:
                        present.add(principal.address)
                        lines.append(_invited(principal, key))
            members.append(Component(member.name, member.begin, lines, member.components))
        return replaced(new, members)

    def role(self, found: CalendarObject | None) -> str:
        """What the owner of the calendar is in an object."""
        line = organizer(found) if found is not None else None
        if found is None or line is None:
            return ""
        who, key = self.users.who, self.owner.address
        if who(line[2]) == key:
            return "organizer"
        return "attendee" if any(attendee(part, key, who) for part in found.members) else ""

    async def put(self, tx: Tx, item: Item | None) -> tuple[BlobRef, Entry, str]:
        """What is to be stored instead of the body: bytes, index rows, schedule tag."""
        assert self.new is not None
        old = self._present(item)
        await self._check_unique(tx, item)
        before, after = self.role(old), self.role(self.new)
        new = self.new
        if old is not None and before and self.call.header("if-schedule-tag-match") is not None:
            new = with_answers(new, old, self.owner.address, self.users.who)
        if before == "attendee" and old is not None:
            violated = itip_attendee.check_change(old, new, self.users.who)
            if not violated and after != "attendee":  # whoever does not come answers, or removes the object
                violated = "ATTENDEE"
            if violated:  # RFC 6638 §3.2.4.4
                text = f"{violated} is the organizer's to change."
                raise DavError(403, text, condition=caldav("allowed-attendee-scheduling-object-change"))
            new = await self._answer(tx, old, new)
        elif before == "organizer" and (after == "attendee" or (not after and organizer(new) is not None)):
            # RFC 6638 §3.2.4.3
            raise DavError(403, condition=caldav("allowed-organizer-scheduling-object-change"))
        elif before == "organizer" and not after:
            await self._organise(tx, old, None)
        elif after == "organizer":
            new = await self._organise(tx, old if before else None, new) or new
        elif after == "attendee":
            new = await self._answer(tx, None, new)
        if after == "attendee":
            await scheduling_tasks.follow(tx, self.desk, self.users, self._config, self.owner.id, new)
        ref, entry = self.desk.entry(new, self._is_declined)
        if new is self.original:  # nothing to add: the bytes stay as they came
            ref = self.desk.store.blobs.small(self.body)
        tag = ref.hash.hex()[:32] if after else ""
        if tag:
            self.headers = [("Schedule-Tag", f'"{tag}"')]
        return ref, entry, tag

    async def remove(self, tx: Tx, items: Sequence[Item]) -> None:
        """Cancels what the owner organised, declines what it was invited to (§3.2.1.3, §3.2.2.4)."""
        silent = (self.call.header("schedule-reply") or "").strip().upper() == "F"  # §8.1
        for item in items:
            old = self._present(item)
            role = self.role(old)
            if old is not None and len(await scheduling.find(tx, self.owner.id, old.uid)) > 1:
                continue  # a calendar was copied whole: the other object stays
            if role == "organizer":
                await self._organise(tx, old, None)
            elif role == "attendee" and old is not None:
                await scheduling_tasks.let_go(tx, self.desk, self.users, self._config, self.owner, old)
                if not silent:
                    await self._answer_removal(tx, old)

    def _present(self, item: Item | None) -> CalendarObject | None:
        return self.desk.parse(item.blob, None) if item is not None else None

    def _is_declined(self, member: Component) -> bool:
        return itip_attendee.partstat(member, self.owner.address, self.users.who) == "DECLINED"

    async def _check_unique(self, tx: Tx, item: Item | None) -> None:
        """§3.2.4.1: one scheduling object with a UID in all calendars of an owner."""
        assert self.new is not None
        if organizer(self.new) is None:
            return
        for other, _ in await scheduling.find(tx, self.owner.id, self.new.uid):
            if item is not None and (other.collection, other.uid) == (item.collection, item.uid):
                continue
            calendar = await collections.get(tx, other.owner, other.collection)
            place = f"/dav/calendars/{quote(self.owner.address)}/{quote(calendar.name)}/"
            raise DavError(
                403,
                condition=caldav("unique-scheduling-object-resource"),
                content=href(place + quote(other.name or "")),
            )

    async def _organise(
        self, tx: Tx, old: CalendarObject | None, new: CalendarObject | None
    ) -> CalendarObject | None:
        """The organiser's object with what has become of its messages; rooms answer first."""
        who, key = self.users.who, self.owner.address
        if old is not None and new is not None:
            new = itip_revision.rescheduled(old, new, key, who)
            new = itip_revision.with_known_status(old, new, who)
        delivery = self._delivery()
        statuses: dict[str, str] = {}
        told = itip_organizer.messages(old, new, key, who, delivery.stamp)
        if told:
            self._check_sender()
        if old is not None and new is not None:
            revised = itip_revision.raised(old, new, who, is_told=bool(told))
            if revised is not new:
                new = revised
                told = itip_organizer.messages(old, new, key, who, delivery.stamp)
        rooms = {principal.address for principal in self.users.resources()}
        for message in told:
            if message.recipient in rooms:
                statuses[message.recipient] = await delivery.invite(tx, message)
        for answer in delivery.answers:
            await delivery.note(tx, self.owner.id, answer)
            if new is not None:
                new = itip_organizer.apply_reply(new, answer.object, answer.sender, who) or new
        if delivery.answers:
            told = itip_organizer.messages(old, new, key, who, delivery.stamp)
        for message in told:
            if message.recipient not in rooms:
                statuses[message.recipient] = await delivery.invite(tx, message)
        for answer in delivery.answers:
            statuses[answer.sender] = "2.0"
        return itip_organizer.with_statuses(new, statuses, who) if new is not None and told else new

    async def _answer(self, tx: Tx, old: CalendarObject | None, new: CalendarObject) -> CalendarObject:
        """An attendee's object with what has become of its REPLY."""
        line = organizer(new)
        new = with_progress(old, new, self.owner.address, self.users.who)
        delivery = self._delivery()
        message = itip_attendee.reply(old, new, self.owner.address, self.users.who, delivery.stamp)
        if message is None or not is_server(line):
            return itip_attendee.with_known_status(old, new)
        self._check_sender()
        return itip_attendee.with_status(new, await delivery.answer(tx, message))

    async def _answer_removal(self, tx: Tx, old: CalendarObject) -> None:
        delivery = self._delivery()
        message = itip_attendee.reply(old, None, self.owner.address, self.users.who, delivery.stamp)
        if message is not None and is_server(organizer(old)):
            self._check_sender()
            await delivery.answer(tx, message)

    def _delivery(self) -> Delivery:
        return Delivery(self._config, self.desk, self.users)

    @property
    def _config(self) -> Config:
        return self.call.engine.config

    def _check_sender(self) -> None:
        """§6.2: who writes in somebody's name needs the right to."""
        if not self.may_send:
            place = f"/dav/calendars/{quote(self.owner.address)}/outbox/"
            raise DavError(
                403,
                condition="{DAV:}need-privileges",
                content=f"<D:resource>{href(place)}<D:privilege><C:schedule-send/></D:privilege></D:resource>",
            )


async def _may_send(call: Call, owner: Principal) -> bool:
    if call.person.id == owner.id:
        return True
    outbox = await call.engine.store.read(
        lambda tx: collections.by_role(tx, owner.id, scheduling.OUTBOX, "default")
    )
    return outbox is not None and Rights.POST in await call.engine.rights(call.person, outbox)


def _check(found: CalendarObject, limit: int, users: Users) -> None:
    """What holds for a scheduling object as a whole (RFC 6638 §3.2.4.2, RFC 4791 §5.2.9)."""
    organizers = {users.who(line[2]) for member in found.members for line in member.all("ORGANIZER")}
    if len(organizers) > 1:
        raise DavError(403, condition=caldav("same-organizer-in-all-components"))
    if any(len(member.all("ATTENDEE")) > limit for member in found.members):
        raise DavError(403, condition=caldav("max-attendees-per-instance"))


def _invited(principal: Principal, group: str) -> tuple[str, str, str]:
    name = principal.name.replace('"', "'")
    parameters = f';CN="{name}";CUTYPE=INDIVIDUAL;MEMBER="mailto:{group}";PARTSTAT=NEEDS-ACTION;RSVP=TRUE'
    return "ATTENDEE", parameters, f"mailto:{principal.address}"
