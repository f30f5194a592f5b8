# SPDX-License-Identifier: Apache-2.0
"""Principals who are gone come back from a backup: under the number they had, where that is still nobody's.

`begin` makes the row, with nobody let in; what was owned follows (storage.returned_accounts); `finish` lets
in and gives back what the principal was part of, as far as it is still there: addresses, groups, posts,
rights, rooms. What is not is told. Of what proves a log-in only the password and the second factor come back:
devices, tokens and links are given out anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from armgs_server.directory import (
    addressbook,
    control_lists,
    group_rules,
    homographs,
    lookup,
    returned_ties,
    structure,
    succession,
)
from armgs_server.directory.access import NOTHING, put_account_grant
from armgs_server.directory.administrators import KEY as ADMINISTRATORS
from armgs_server.directory.model import TOPIC_DOMAINS, Principal, to_json
from armgs_server.directory.returned_ties import Numbers, Past
from armgs_server.errors import AlreadyExists, Conflict
from armgs_server.storage import accounts, returned_accounts
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Row, Tx

MARK: Final = "returning "  # of a row of meta: who is coming back, from which backup
_LET_IN: Final = ("person", "group", "room", "equipment")
_PASSING: Final = ("successor", "invited_by", "own", "units", "led")


class Begun(NamedTuple):
    """Who is coming back, from which backup; `is_estate`: to what was left, which a successor has had."""

    number: int
    backup: str
    is_estate: bool


async def begun(tx: Tx, number: int) -> Begun | None:
    """None for who is there, or gone."""
    text = await tx.value("SELECT value FROM meta WHERE name = ?", f"{MARK}{number}")
    if text is None:
        return None
    backup, _, estate = str(text).partition(" ")
    return Begun(number, backup, bool(estate))


async def begin(
    tx: Tx, past: Past, numbers: Numbers, backup: str, owned: tuple[Row | None, Sequence[Collection]]
) -> Begun:
    """The row of the principal, and the account with its collections, empty. AlreadyExists, Conflict."""
    old = past.principal
    there = await lookup.by_address(tx, old.address) if old.address else None
    is_estate = there is not None and is_estate_of(there, old)
    if there is not None and not is_estate:
        raise AlreadyExists(f"{old.address} is the address of {there.name} now")
    made = await _reopened(tx, past, numbers) if is_estate else await _inserted(tx, past, numbers)
    account, found = owned
    if account is not None and not is_estate:
        await returned_accounts.create(tx, made.id, account, found)
    text = f"{backup} {succession.ESTATE}" if is_estate else backup
    await tx.execute("INSERT INTO meta (name, value) VALUES (?, ?)", f"{MARK}{made.id}", text)
    numbers.note(old.id, made.id)
    structure.announce(tx, made.id)
    return Begun(made.id, backup, is_estate)


def is_estate_of(now: Principal, old: Principal) -> bool:
    """Whether somebody who is there is what is left of a person."""
    return now.id == old.id and bool(now.data.get(succession.ESTATE)) and not old.data.get(succession.ESTATE)


async def _inserted(tx: Tx, past: Past, numbers: Numbers) -> Principal:
    old = past.principal
    id_ = await _number(tx, old.id)
    department = id_ if old.kind == "department" else await numbers.of(tx, old.department)
    if old.kind == "department":
        await _take_domains(tx, past, id_)
    elif not department:
        raise Conflict(f"the department of {old.address or old.name} is gone: restore it first")
    elif "@" in old.address and await structure.department_of(tx, old.address) != department:
        raise Conflict(f"{old.domain} belongs to another department now")
    data, placed = await _placed(tx, old, numbers)
    await tx.execute(
        "INSERT INTO principal (id, kind, address, name, department, unit, post, head, disabled, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(id_, old.kind, old.address or None, old.name, department, *placed),
        *(int(old.kind in _LET_IN), to_json(data)),
    )
    return await lookup.existing(tx, id_)


async def _reopened(tx: Tx, past: Past, numbers: Numbers) -> Principal:
    """What somebody has left becomes that person's account again; who looked after it does so no more."""
    old = past.principal
    data, placed = await _placed(tx, old, numbers)
    await tx.execute("DELETE FROM member WHERE principal = ?", old.id)
    await put_account_grant(tx, old.id, old.id, NOTHING)
    await tx.execute(
        "UPDATE principal SET kind = ?, unit = ?, post = ?, head = ?, disabled = 1, data = ? WHERE id = ?",
        *(old.kind, *placed, to_json(data), old.id),
    )
    return await lookup.existing(tx, old.id)


async def _placed(tx: Tx, old: Principal, numbers: Numbers) -> tuple[dict[str, Any], tuple[int, str, int]]:
    """The data, and unit, title, head: those of one's own, since posts say theirs again."""
    own = old.data.get("own") or {"unit": old.unit, "post": old.post, "head": old.head}
    unit = await numbers.of(tx, own["unit"]) if own["unit"] else 0
    data = {key: value for key, value in old.data.items() if key not in _PASSING}
    return data, (unit, own["post"], int(own["head"]))


async def _number(tx: Tx, wanted: int) -> int:
    """The number somebody had, or a new one where it is somebody else's by now."""
    drawn = await structure.next_number(tx)
    for table, column in (("principal", "id"), ("account", "owner"), ("collection", "owner")):
        if await tx.row(f"SELECT 1 FROM {table} WHERE {column} = ? LIMIT 1", wanted):
            return drawn
    if drawn <= wanted:  # the store itself was restored from an earlier backup
        await structure.skip_numbers(tx, wanted)
    return wanted


async def _take_domains(tx: Tx, past: Past, department: int) -> None:
    for name in past.domains:
        if await tx.value("SELECT department FROM domain WHERE name = ?", name) is not None:
            raise AlreadyExists(f"the domain {name} is another department's now")
        shapes = {homographs.skeleton(each) for (each,) in await tx.rows("SELECT name FROM domain")}
        if homographs.skeleton(name) in shapes:
            raise AlreadyExists(f"the domain {name} looks like one that is served already")
        await tx.execute("INSERT INTO domain (name, department) VALUES (?, ?)", name, department)
    tx.publish(TOPIC_DOMAINS, b"%d" % department)


async def finish(tx: Tx, past: Past, numbers: Numbers, quota: int, now: int) -> list[str]:
    """Lets the principal in, and ties it to what is there; what is not is told in words."""
    old = past.principal
    number = await numbers.of(tx, old.id)
    remarks: list[str] = []
    await tx.execute("UPDATE principal SET disabled = ? WHERE id = ?", int(old.disabled), number)
    if old.kind == "department":
        await _finish_department(tx, number, old.data, numbers)
    made = await lookup.existing(tx, number)
    await returned_ties.put_credentials(tx, past, number)
    remarks += await returned_ties.put_aliases(tx, past, made)
    remarks += await returned_ties.put_memberships(tx, past, made, numbers)
    await returned_ties.put_rights(tx, past, made, numbers)
    remarks += await returned_ties.put_terms(tx, past, made, numbers, now)
    await returned_ties.put_chat(tx, past)
    made = await lookup.existing(tx, number)
    await addressbook.put(tx, made)
    if made.kind == "person":
        await group_rules.follow_person(tx, made)
        if made.head:
            await control_lists.grant_to_heads(tx, made.department)
    if quota:
        await accounts.set_quota(tx, number, quota)
    await tx.execute("DELETE FROM meta WHERE name = ?", f"{MARK}{number}")
    structure.announce(tx, number)
    return remarks


async def _finish_department(tx: Tx, number: int, data: Mapping[str, Any], numbers: Numbers) -> None:
    """Who administers it, as far as they are there."""
    named = [await numbers.of(tx, each) for each in data.get(ADMINISTRATORS, ())]
    kept = {**data, ADMINISTRATORS: sorted(each for each in named if each) or None}
    await tx.execute("UPDATE principal SET data = ? WHERE id = ?", to_json(kept), number)
