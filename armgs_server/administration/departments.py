# SPDX-License-Identifier: Apache-2.0
"""Verbs about departments and units."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from armgs_server.administration.fields import Field
from armgs_server.administration.verb import Desk, Given, Verb
from armgs_server.directory import access, addressbook, lookup, people, policy, structure
from armgs_server.directory.administrators import KEY as ADMINISTRATORS
from armgs_server.directory.model import Principal
from armgs_server.directory.people import Change
from armgs_server.errors import Conflict
from armgs_server.storage import accounts
from armgs_server.storage.tx import Tx

CARDS_AT_ONCE: Final = 200
VISIBILITY: Final = ("department", "everybody", "nobody")
_DOMAIN: Final = Field("string", "A domain of the department.", required=True)
_UNIT: Final = Field("integer", "The number of the unit.", required=True, minimum=1)


async def list_departments(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    return {"departments": [await _department(tx, each) for each in await desk.chosen(tx, "")]}


async def show_department(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await desk.department(tx, given["domain"])
    return {**await _department(tx, found), **asdict(policy.of(desk.directory.config, found))}


async def create_department(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    desk.check_all()
    made = await structure.create_department(tx, given["name"], given["domains"], {})
    desk.about.add(made.id)
    return await _department(tx, made)


async def change_department(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await desk.department(tx, given["domain"])
    if "quota" in given:
        desk.check_all()
        await accounts.set_quota(tx, found.id, given["quota"])
    if "administrators" in given:
        desk.check_all()
        named = [await desk.find(tx, each, "person", "group", "unit") for each in given["administrators"]]
        data = {ADMINISTRATORS: sorted({each.id for each in named}) or None}
        found = await people.update(tx, found.id, Change(data=data))
    if "address_book" in given:
        await _set_visibility(tx, found, given["address_book"])
    if "name" in given:
        found = await people.update(tx, found.id, Change(name=given["name"]))
        await _refresh(tx, found)
    return await _department(tx, found)


async def add_domain(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    desk.check_all()
    found = await desk.department(tx, given["domain"])
    await structure.add_domain(tx, found, given["new"])
    return await _department(tx, found)


async def remove_department(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    desk.check_all()
    found = await desk.department(tx, given["domain"])
    await people.delete(tx, found.id)
    return {"name": found.name}


async def list_units(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    units = []
    for department in await desk.chosen(tx, given.get("domain", "")):
        units += [unit(each) for each in await lookup.of_kind(tx, department.id, "unit")]
    return {"units": units}


async def show_unit(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await desk.number(tx, given["unit"], "unit")
    here = await lookup.unit_people(tx, found.department, found.id, 1 << 31)
    inside = await lookup.members(tx, found)
    shown = [{"address": each.address, "name": each.name, "post": each.post} for each in here]
    return {**unit(found), "people": shown, "people_below": len(inside)}


async def create_unit(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    department = await desk.department(tx, given["domain"])
    parent = given.get("parent", 0)
    if parent:
        await desk.number(tx, parent, "unit")
    address = given.get("address", "")
    return unit(await structure.create_unit(tx, department.id, given["name"], parent, address, {}))


async def change_unit(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await desk.number(tx, given["unit"], "unit")
    parent = given.get("parent")
    if parent:
        await desk.number(tx, parent, "unit")
    after = await people.update(tx, found.id, Change(name=given.get("name"), unit=parent))
    if after.name != found.name:
        await _refresh(tx, after)
    return unit(after)


async def move_people(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    """All people directly in a unit go to another; those who hold posts stay with their posts."""
    origin = await desk.number(tx, given["unit"], "unit")
    target = await desk.number(tx, given["into"], "unit")
    if origin.department != target.department:
        raise Conflict(f"{target.name} belongs to another department")
    moved, stayed = 0, 0
    for each in await lookup.unit_people(tx, origin.department, origin.id, 1 << 31):
        if each.unit != origin.id or "own" in each.data:
            stayed += 1
        else:
            await people.update(tx, each.id, Change(unit=target.id))
            moved += 1
    return {"moved": moved, "stayed": stayed}


async def remove_unit(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await desk.number(tx, given["unit"], "unit")
    await people.delete(tx, found.id)
    return unit(found)


def unit(found: Principal) -> dict[str, Any]:
    """A unit as it is shown."""
    return {"number": found.id, "name": found.name, "address": found.address, "parent": found.unit}


async def _department(tx: Tx, found: Principal) -> dict[str, Any]:
    rows = await tx.rows("SELECT name FROM domain WHERE department = ? ORDER BY name", found.id)
    administrators = [await lookup.by_id(tx, each) for each in found.data.get(ADMINISTRATORS, ())]
    count = await tx.value(
        "SELECT COUNT(*) FROM principal WHERE department = ? AND kind = 'person'", found.id
    )
    return {
        "number": found.id,
        "name": found.name,
        "domains": [name for (name,) in rows],
        "administrators": [each.address or each.name for each in administrators if each is not None],
        "address_book": await _visibility(tx, found),
        "quota": (await accounts.usage(tx, found.id)).quota,
        "people": int(count),
    }


async def _visibility(tx: Tx, department: Principal) -> str:
    book = await addressbook.book_of(tx, department.id)
    rows = await tx.rows(
        "SELECT grantee FROM grant_ WHERE owner = ? AND collection = ? AND rights <> 0", book.owner, book.id
    )
    grantees = {row[0] for row in rows}
    if access.EVERYBODY in grantees:
        return "everybody"
    return "department" if department.id in grantees else "nobody"


async def _set_visibility(tx: Tx, department: Principal, wanted: str) -> None:
    """Who sees the department's address book, and finds its people in searches that follow it."""
    book = await addressbook.book_of(tx, department.id)
    rights = access.DEPARTMENT_BOOK
    shows = {access.EVERYBODY: wanted == "everybody", department.id: wanted != "nobody"}
    for grantee, is_shown in shows.items():
        await access.put_grant(tx, book, grantee, rights if is_shown else access.NOTHING)


async def _refresh(tx: Tx, inside: Principal) -> None:
    """Cards that show the name."""
    start: int | None = 0
    while start is not None:
        start = await people.refresh_cards(tx, inside, start, CARDS_AT_ONCE)


VERBS: Final = (
    Verb("departments.list", "GET", "/departments", "Departments", {}, list_departments),
    Verb(
        "departments.show",
        "GET",
        "/departments/{domain}",
        "One department",
        {"domain": _DOMAIN},
        show_department,
    ),
    Verb(
        "departments.create",
        "POST",
        "/departments",
        "Adds a department with its domains",
        {
            "name": Field("string", "The name.", required=True, length=500),
            "domains": Field("texts", "Its domains; the first is its address.", required=True),
        },
        create_department,
    ),
    Verb(
        "departments.change",
        "PATCH",
        "/departments/{domain}",
        "Changes name, administrators, quota of the shared folder, who sees the address book",
        {
            "domain": _DOMAIN,
            "name": Field("string", "The name.", length=500),
            "administrators": Field("addresses", "People, groups and units, and nobody else."),
            "quota": Field("integer", "Bytes of the shared folder; 0 is no limit."),
            "address_book": Field("string", "Who sees it.", choices=VISIBILITY),
        },
        change_department,
    ),
    Verb(
        "departments.add-domain",
        "POST",
        "/departments/{domain}/domains",
        "Serves one more domain for a department",
        {"domain": _DOMAIN, "new": Field("string", "The new domain.", required=True)},
        add_domain,
    ),
    Verb(
        "departments.remove",
        "DELETE",
        "/departments/{domain}",
        "Removes a department in which nobody and nothing is left",
        {"domain": _DOMAIN},
        remove_department,
    ),
    Verb(
        "units.list",
        "GET",
        "/units",
        "Units; `parent` says where they are in the tree",
        {"domain": Field("string", "Only those of the department of this domain.")},
        list_units,
    ),
    Verb("units.show", "GET", "/units/{unit}", "One unit with its people", {"unit": _UNIT}, show_unit),
    Verb(
        "units.create",
        "POST",
        "/units",
        "Adds a unit",
        {
            "domain": _DOMAIN,
            "name": Field("string", "The name.", required=True, length=500),
            "parent": Field("integer", "The unit above it; 0 is the department."),
            "address": Field("string", "An address that is a list of its people."),
        },
        create_unit,
    ),
    Verb(
        "units.change",
        "PATCH",
        "/units/{unit}",
        "Renames a unit or moves it in the tree with all that is below it",
        {
            "unit": _UNIT,
            "name": Field("string", "The name.", length=500),
            "parent": Field("integer", "The unit above it from now on; 0 is the department."),
        },
        change_unit,
    ),
    Verb(
        "units.move-people",
        "POST",
        "/units/{unit}/move",
        "Moves the people of a unit into another",
        {"unit": _UNIT, "into": Field("integer", "The other unit.", required=True, minimum=1)},
        move_people,
    ),
    Verb("units.remove", "DELETE", "/units/{unit}", "Removes an empty unit", {"unit": _UNIT}, remove_unit),
)
