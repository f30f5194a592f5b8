# SPDX-License-Identifier: Apache-2.0
"""Departments, units, groups, rooms and equipment: how they come to be, each within one transaction.

A new principal gets in the same transaction what it owns: a department the shared files folder and the
address book, a room or a piece of equipment its calendar. Whoever hears the topic `directory` learns of
it after the commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from armgs_server.directory import addressbook, homographs, lookup, unit_books
from armgs_server.directory.access import DEPARTMENT_BOOK, DEPARTMENT_FILES, RESOURCE_CALENDAR, put_grant
from armgs_server.directory.model import (
    TOPIC,
    TOPIC_DOMAINS,
    Kind,
    Principal,
    check_address,
    check_name,
    to_json,
)
from armgs_server.directory.surroundings import Surroundings
from armgs_server.errors import AlreadyExists, Conflict, Invalid
from armgs_server.formats.addresses import normalise_domain
from armgs_server.storage import accounts, collections
from armgs_server.storage.tx import Tx

_NEXT_ID: Final = """
INSERT INTO meta (name, value) VALUES ('next_principal', '2')
ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)
RETURNING value"""
_INSERT: Final = """
INSERT INTO principal (id, kind, address, name, department, unit, post, head, disabled, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)"""


def announce(tx: Tx, principal_id: int) -> None:
    """Says after the commit that a principal has changed."""
    tx.publish(TOPIC, b"%d" % principal_id)


async def insert(
    tx: Tx,
    kind: Kind,
    address: str,
    name: str,
    *,
    department: int,
    unit: int = 0,
    post: str = "",
    head: bool = False,
    data: Mapping[str, Any] | None = None,
    around: Surroundings | None = None,
) -> Principal:
    """Adds the row; `department` 0 makes the principal its own department."""
    around = around or Surroundings()
    if address:
        await check_free(tx, address, is_known=address in around.free)
        around.free.discard(address)
    if unit:
        await around.check_unit(tx, department, unit)
    id_ = await next_number(tx)
    made = Principal(
        id_,
        kind,
        address,
        check_name(name),
        department or id_,
        unit,
        check_name(post),
        head,
        False,
        dict(data or {}),
    )
    await tx.execute(
        _INSERT,
        id_,
        kind,
        address or None,
        made.name,
        made.department,
        unit,
        made.post,
        int(head),
        to_json(made.data),
    )
    announce(tx, id_)
    return made


async def next_number(tx: Tx) -> int:
    """A principal's number that nobody has had."""
    return int(await tx.value(_NEXT_ID)) - 1


async def skip_numbers(tx: Tx, last: int) -> None:
    """All up to `last` are given out: somebody who comes back from a backup has it."""
    await tx.execute("UPDATE meta SET value = ? WHERE name = 'next_principal'", str(last + 1))


async def show(tx: Tx, principal: Principal) -> None:
    """Brings the address books in step."""
    await addressbook.put(tx, principal)


async def check_free(tx: Tx, address: str, *, is_known: bool = False) -> None:
    """AlreadyExists where somebody has the address, or one that looks like it; Invalid for mixed scripts.

    `is_known`: nobody has it itself, which has been looked at."""
    if not is_known and await lookup.by_address(tx, address) is not None:
        raise AlreadyExists(f"{address} is taken")
    local, at, domain = address.rpartition("@")
    if not at:
        return  # a department's domain has been looked at before
    homographs.check_scripts(local)
    other = homographs.twin(local)
    if other and await lookup.by_address(tx, f"{other}@{domain}") is not None:
        raise AlreadyExists(f"{address} looks like an address that is taken")


async def department_of(tx: Tx, address: str) -> int:
    """The department that serves an address's domain, or Invalid."""
    return await Surroundings().department_of(tx, address)


async def create_department(tx: Tx, name: str, domains: Sequence[str], data: Mapping[str, Any]) -> Principal:
    """A department with its domains, shared files folder and address book."""
    names = [normalise_domain(domain) for domain in domains]
    if not names:
        raise Invalid("a department needs a domain")
    department = await insert(tx, "department", names[0], name, department=0, data=data)
    for domain in names:
        await add_domain(tx, department, domain)
    owner = department.id
    await accounts.create(tx, owner)
    files = await collections.create(tx, owner, "files", "", role="root")
    book = await collections.create(tx, owner, "addressbook", addressbook.NAME, role=addressbook.NAME)
    await put_grant(tx, files, owner, DEPARTMENT_FILES)
    await put_grant(tx, book, owner, DEPARTMENT_BOOK)
    return department


async def add_domain(tx: Tx, department: Principal, domain: str) -> None:
    """Serves one more domain for a department."""
    name = normalise_domain(domain)
    if await tx.value("SELECT department FROM domain WHERE name = ?", name) is not None:
        raise AlreadyExists(f"the domain {name} is served already")
    for label in name.split("."):
        homographs.check_scripts(label)
    shapes = {homographs.skeleton(each) for (each,) in await tx.rows("SELECT name FROM domain")}
    if homographs.skeleton(name) in shapes:
        raise AlreadyExists(f"the domain {name} looks like one that is served already")
    await tx.execute("INSERT INTO domain (name, department) VALUES (?, ?)", name, department.id)
    tx.publish(TOPIC_DOMAINS, b"%d" % department.id)
    announce(tx, department.id)


async def create_unit(
    tx: Tx, department: int, name: str, parent: int, address: str, data: Mapping[str, Any]
) -> Principal:
    """A unit; with an address it is a list of its people too."""
    unit = await add_unit(tx, department, name, parent, address, data)
    await addressbook.put_heads(tx, department, {0} | await lookup.units_above(tx, unit))
    return unit


async def add_unit(
    tx: Tx, department: int, name: str, parent: int, address: str, data: Mapping[str, Any]
) -> Principal:
    """The same as one of many: `addressbook.put_heads` must follow in the transaction, once for all."""
    await lookup.existing(tx, department, "department")
    if address:
        address = check_address(address)
        if await department_of(tx, address) != department:
            raise Conflict(f"{address} is an address of another department")
    unit = await insert(tx, "unit", address, name, department=department, unit=parent, data=data)
    await unit_books.create(tx, unit)
    return unit


async def create_group(
    tx: Tx, address: str, name: str, member_ids: Sequence[int], data: Mapping[str, Any]
) -> Principal:
    """A group, which is a mail list and may be given rights."""
    address = check_address(address)
    group = await insert(tx, "group", address, name, department=await department_of(tx, address), data=data)
    await add_members(tx, group, member_ids)
    return group


async def add_members(tx: Tx, group: Principal, member_ids: Sequence[int]) -> None:
    """Puts people and groups into a group; those that are in it already stay."""
    _check_by_hand(group)
    for member in member_ids:
        await lookup.existing(tx, member, "person", "group", "contact")
        await tx.execute(
            "INSERT INTO member (principal, member) VALUES (?, ?) ON CONFLICT (principal, member) DO NOTHING",
            group.id,
            member,
        )
    announce(tx, group.id)


async def remove_members(tx: Tx, group: Principal, member_ids: Sequence[int]) -> None:
    """Takes people and groups out of a group."""
    _check_by_hand(group)
    for member in member_ids:
        await tx.execute("DELETE FROM member WHERE principal = ? AND member = ?", group.id, member)
    announce(tx, group.id)


def _check_by_hand(group: Principal) -> None:
    if group.data.get("rule") or group.data.get("post"):
        raise Conflict(f"who is in {group.address or group.name} follows from a rule or from terms")


async def create_resource(
    tx: Tx, kind: Kind, address: str, name: str, unit: int, data: Mapping[str, Any]
) -> Principal:
    """A room or a piece of equipment with its calendar, which the whole department may read."""
    address = check_address(address)
    department = await department_of(tx, address)
    resource = await insert(tx, kind, address, name, department=department, unit=unit, data=data)
    await accounts.create(tx, resource.id)
    await accounts.provision_calendar(tx, resource.id)
    calendar = await collections.by_role(tx, resource.id, "calendar", "default")
    assert calendar is not None, "it was just made"
    await put_grant(tx, calendar, department, RESOURCE_CALENDAR)
    await addressbook.put(tx, resource)
    return resource


async def create_chatroom(tx: Tx, address: str, name: str, department: int) -> Principal:
    """A chat room as an owner of its own: its archive counts for no person."""
    room = await insert(tx, "chatroom", address, name, department=department)
    await accounts.create(tx, room.id)
    return room


async def add_alias(tx: Tx, principal: Principal, address: str) -> None:
    """One more address for a principal."""
    address = check_address(address)
    await department_of(tx, address)
    await check_free(tx, address)
    await tx.execute("INSERT INTO alias (address, principal) VALUES (?, ?)", address, principal.id)
    await addressbook.put(tx, await lookup.existing(tx, principal.id))
    announce(tx, principal.id)


async def remove_alias(tx: Tx, principal: Principal, address: str) -> None:
    """Takes an address away again."""
    await tx.execute(
        "DELETE FROM alias WHERE address = ? AND principal = ?", check_address(address), principal.id
    )
    await addressbook.put(tx, await lookup.existing(tx, principal.id))
    announce(tx, principal.id)
