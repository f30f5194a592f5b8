# SPDX-License-Identifier: Apache-2.0
"""The control list of a unit: every task that was assigned to one of its people, for who leads it to read.

A list is made when it gets its first task, and belongs to the unit, or to the department for people directly
under it. It is granted to who leads the unit or one that it lies in. The transaction that writes a person's
task writes it here too (dav.scheduling_tasks); the one that moves the person takes the tasks along.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Final

from armgs_server.directory import lookup
from armgs_server.directory.access import READ_ONLY, Rights, put_grant
from armgs_server.directory.model import Principal
from armgs_server.storage import assignments, calindex, collections, items, transfer
from armgs_server.storage.assignments import Assignment
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.calindex import Entry
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

ROLE: Final = "control"
KIND: Final = "tasks"
TITLE: Final = "unit"  # of a list's data: what the unit is called
CONTENT_TYPE: Final = "text/calendar; charset=utf-8"
NO_LIMIT: Final = 1 << 31


def holder_of(person: Principal) -> int:
    """In whose list the tasks of a person are."""
    return person.unit or person.department


async def show(tx: Tx, row: Assignment, ref: BlobRef, entry: Entry) -> None:
    """Brings the task in the list in step."""
    target = await _list_of(tx, row.holder)
    item = await items.by_name(tx, target.owner, target.id, row.name)
    if item is not None and item.blob == ref.hash:
        return
    if item is None:
        item = await items.add(tx, target, ref, name=row.name, content_type=CONTENT_TYPE)
    else:
        item = await items.replace(tx, item, ref, CONTENT_TYPE)
    await calindex.put(tx, item, entry)


async def hide(tx: Tx, row: Assignment) -> None:
    """Takes the task out of the list it is in."""
    if not row.holder:
        return
    origin = await collections.by_role(tx, row.holder, KIND, ROLE)
    item = await items.by_name(tx, row.holder, origin.id, row.name) if origin is not None else None
    if origin is not None and item is not None:
        await items.remove(tx, origin, [item.uid])


async def follow(tx: Tx, before: Principal, after: Principal) -> None:
    """Takes a person's tasks along to another unit, and lets who leads units read their lists."""
    wanted = holder_of(after)
    for row in await assignments.of(tx, after.id) if wanted != holder_of(before) else []:
        if row.holder not in (0, wanted):
            await _move(tx, row, wanted)
    if (before.head, before.led) != (after.head, after.led):
        await grant_to_heads(tx, after.department)


async def _move(tx: Tx, row: Assignment, holder: int) -> None:
    origin = await collections.by_role(tx, row.holder, KIND, ROLE)
    item = await items.by_name(tx, row.holder, origin.id, row.name) if origin is not None else None
    if origin is not None and item is not None:
        await transfer.move(tx, [item], origin, await _list_of(tx, holder))
    await assignments.put(tx, replace(row, holder=holder))


async def forget(tx: Tx, person: Principal) -> None:
    """Nothing is assigned any more to who leaves."""
    for row in await assignments.of(tx, person.id):
        await hide(tx, row)
        await assignments.remove(tx, row.owner, row.ical_uid)
    granted = await tx.rows(
        "SELECT c.owner, c.id FROM grant_ g JOIN collection c ON c.owner = g.owner AND c.id = g.collection"
        " WHERE g.grantee = ? AND c.role = ?",
        person.id,
        ROLE,
    )
    for owner, number in granted:
        await put_grant(tx, await collections.get(tx, owner, number), person.id, Rights(0))


async def rename(tx: Tx, holder: Principal) -> None:
    """Calls the list as the unit or department is called."""
    found = await collections.by_role(tx, holder.id, KIND, ROLE)
    if found is not None and found.data.get(TITLE) != holder.name:
        await collections.update(tx, found, data={**found.data, TITLE: holder.name})


async def grant_to_head(tx: Tx, person: Principal) -> None:
    """Lets a new head read the lists there are of what it leads."""
    led = await lookup.led_units(tx, person)
    for holder in sorted(led | ({person.department} if 0 in person.led else set())):
        found = await collections.by_role(tx, holder, KIND, ROLE)
        if found is not None:
            await put_grant(tx, found, person.id, READ_ONLY)


async def grant_to_heads(tx: Tx, department: int) -> None:
    """Brings the rights on the lists of a department in step with who leads what."""
    rows = await tx.rows(
        "SELECT c.owner, c.id FROM principal p JOIN collection c ON c.owner = p.id"
        " WHERE (p.id = ? OR (p.department = ? AND p.kind = 'unit')) AND c.kind = ? AND c.role = ?"
        " ORDER BY c.owner",
        department,
        department,
        KIND,
        ROLE,
    )
    if not rows:
        return
    leading = await _leading(tx, department)
    for owner, number in rows:
        await _grant(tx, await collections.get(tx, owner, number), leading[owner])


async def expire(tx: Tx, before: int) -> int:
    """Forgets tasks that ended before then; how many."""
    rows = await assignments.ended(tx, before, assignments.BATCH)
    for row in rows:
        await hide(tx, row)
        await assignments.remove(tx, row.owner, row.ical_uid)
    return len(rows)


async def _list_of(tx: Tx, holder: int) -> Collection:
    found = await collections.by_role(tx, holder, KIND, ROLE)
    if found is None:
        unit = await lookup.existing(tx, holder)
        found = await collections.create(tx, holder, KIND, ROLE, role=ROLE, data={TITLE: unit.name})
        leading = await _leading(tx, unit.department or unit.id)
        await _grant(tx, found, leading[holder])
    return found


async def _grant(tx: Tx, collection: Collection, wanted: set[int]) -> None:
    rows = await tx.rows(
        "SELECT grantee FROM grant_ WHERE owner = ? AND collection = ?", collection.owner, collection.id
    )
    granted = {row[0] for row in rows}
    for person in sorted(granted ^ wanted):
        await put_grant(tx, collection, person, READ_ONLY if person in wanted else Rights(0))


async def _leading(tx: Tx, department: int) -> dict[int, set[int]]:
    """By unit who leads it, or one that it lies in; by department who leads that."""
    led: dict[int, set[int]] = defaultdict(set)
    for head in await lookup.heads(tx, department, NO_LIMIT):
        for unit in head.led:
            led[unit or department].add(head.id)
    parents = await lookup.unit_parents(tx, department)
    found: dict[int, set[int]] = defaultdict(set)
    found[department] = led[department]
    for unit in parents:
        above = unit
        while above:
            found[unit] |= led[above]
            above = parents.get(above, 0)
    return found
