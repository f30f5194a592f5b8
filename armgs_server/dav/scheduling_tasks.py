# SPDX-License-Identifier: Apache-2.0
"""What follows from a task that is assigned, in the transaction that writes the assignee's copy: the control
list of the unit, and when somebody is to be reminded."""

from __future__ import annotations

from armgs_server.config import Config
from armgs_server.dav.scheduling_desk import Again, Desk
from armgs_server.dav.scheduling_users import Users
from armgs_server.directory import control_lists, lookup
from armgs_server.directory.model import Principal
from armgs_server.formats.icalendar import CalendarObject
from armgs_server.formats.itip import attendee, data_of, organizer, replaced, with_partstat
from armgs_server.formats.itip_task import (
    CANCELLED,
    DECLINED,
    KIND,
    control_copy,
    is_open,
    next_due,
    progress,
)
from armgs_server.storage import assignments, calindex, clock
from armgs_server.storage.assignments import SUMMARY_LENGTH, Assignment
from armgs_server.storage.tx import Tx

LATE = clock.DAY  # an instance of a recurring task that was due earlier than so is no news


async def follow(tx: Tx, desk: Desk, users: Users, config: Config, owner: int, found: CalendarObject) -> None:
    """After a person's calendar has taken in an object; one that is no assigned task changes nothing."""
    line = organizer(found) if found.kind == KIND else None
    person = await lookup.by_id(tx, owner) if line is not None else None
    if line is None or person is None or person.kind != "person":
        return
    who, key = users.who, person.address
    if who(line[2]) == key or all(attendee(member, key, who) is None for member in found.members):
        return
    old = await assignments.get(tx, owner, found.uid)
    shown = control_copy(found, key, person.name, f"{found.uid}.{owner}", who)
    holder = control_lists.holder_of(person) if shown is not None and config.dav.control_lists else 0
    _need(desk, holder, old)
    now, told = clock.now(), old.told if old is not None else 0
    after = max(told, now - LATE) if found.is_recurring else 0
    due = next_due(found, after, key, who)
    moment = due[0] if due is not None else 0
    is_ended = due is None and not any(is_open(member, key, who) for member in found.members)
    row = Assignment(
        owner,
        found.uid,
        holder,
        who(line[2]),
        found.members[0].text("SUMMARY")[:SUMMARY_LENGTH],
        moment,
        moment if moment != told else 0,
        told,
        (old.ended if old is not None and old.ended else now) if is_ended else 0,
    )
    if old is not None and old.holder != holder:
        await control_lists.hide(tx, old)
    if shown is not None and holder:
        ref = desk.store.blobs.small(data_of(shown.calendar))
        await control_lists.show(tx, row, ref, calindex.entry(shown))
    await assignments.put(tx, row)
    if row.remind:
        tx.publish(assignments.TOPIC, b"")


async def let_go(
    tx: Tx, desk: Desk, users: Users, config: Config, owner: Principal, found: CalendarObject
) -> None:
    """After a person has deleted a task: what was open is declined and shown so, what was called off goes."""
    if found.kind != KIND:
        return
    if all(progress(member) == CANCELLED for member in found.members):
        await forget(tx, desk, owner.id, found.uid)
        return
    who, key = users.who, owner.address
    members = [
        with_partstat(member, DECLINED, key, who) if is_open(member, key, who) else member
        for member in found.members
    ]
    await follow(tx, desk, users, config, owner.id, replaced(found, members))


async def forget(tx: Tx, desk: Desk, owner: int, ical_uid: str) -> None:
    """Nothing is left of the assignment."""
    old = await assignments.get(tx, owner, ical_uid)
    if old is not None:
        _need(desk, 0, old)
        await control_lists.hide(tx, old)
        await assignments.remove(tx, owner, ical_uid)


def _need(desk: Desk, holder: int, old: Assignment | None) -> None:
    """Accounts are held in one order, so those of the lists have to be among them."""
    wanted = {holder, old.holder if old is not None else 0} - {0} - desk.owners
    if wanted:
        raise Again(frozenset(wanted))
