# SPDX-License-Identifier: Apache-2.0
"""Verbs about people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from armgs_server.administration.fields import Field
from armgs_server.administration.verb import DEFAULT_PAGE, PAGE, Desk, Given, Verb
from armgs_server.directory import lookup, people, policy, structure, succession, terms
from armgs_server.directory.model import COLUMNS, INTERNAL, Principal, check_address, from_row
from armgs_server.directory.people import Change
from armgs_server.errors import Conflict, Invalid, NotFound
from armgs_server.storage import accounts
from armgs_server.storage.tx import Tx

ADDRESS: Final = Field("string", "The person's address.", required=True)
_SUCCESSOR: Final = Field("string", "The address of who takes over.")
_WRITTEN: Final = {
    "name": Field("string", "The full name.", length=500),
    "unit": Field("integer", "The number of the unit; 0 is none."),
    "post": Field("string", "The title, where no post of the structure is held.", length=500),
    "head": Field("boolean", "Leads the unit."),
    "data": Field(
        "object", "Attributes: telephone, mobile, family, given, additional and others; null removes."
    ),
}
_PASSWORD: Final = Field("string", "A password to log in with.", is_secret=True, length=500)


async def list_(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    limit = given.get("limit", DEFAULT_PAGE)
    departments = [each.id for each in await desk.chosen(tx, given.get("domain", ""))]
    unit = given.get("unit")
    if unit:
        await desk.number(tx, unit, "unit")
    found: list[Principal] = []
    after = given.get("after", 0)
    for department in departments:
        rows = await tx.rows(
            f"SELECT {COLUMNS} FROM principal WHERE kind = 'person' AND department = ? AND id > ?"
            + (" AND unit = ?" if unit else "")
            + " ORDER BY id LIMIT ?",
            department,
            after,
            *((unit,) if unit else ()),
            limit,
        )
        found += map(from_row, rows)
    found.sort(key=lambda each: each.id)
    return {"people": [summary(each) for each in found[:limit]]}


async def show(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    return await described(tx, desk, await desk.find(tx, given["address"], "person"))


async def create(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    address = check_address(given["address"])
    await desk.domain_of(tx, address)
    if given.get("unit"):
        await desk.number(tx, given["unit"], "unit")
    person = await people.create(
        tx,
        address,
        given.get("name", ""),
        unit=given.get("unit", 0),
        post=given.get("post", ""),
        head=given.get("head", False),
        data=_attributes(given),
        credentials=desk.credentials.get(given.get("password", ""), ()),
        quota=desk.directory.config.limits.quota,
    )
    return await described(tx, desk, person)


async def change(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.find(tx, given["address"], "person")
    placed = {"unit", "post", "head"} & given.keys()
    if placed and "own" in person.data:
        raise Conflict(
            f"{person.address} holds a post, which says unit and title: appoint or relieve instead"
        )
    if given.get("unit"):
        await desk.number(tx, given["unit"], "unit")
    given_ones = {key: given[key] for key in ("name", "unit", "post", "head") if key in given}
    wanted = Change(**given_ones, data=_attributes(given))
    return await described(tx, desk, await people.update(tx, person.id, wanted))


async def set_password(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.below(tx, await desk.find(tx, given["address"], "person"))
    history = (await policy.in_(tx, desk.directory.config, person.department)).password_history
    await people.set_password(tx, person.id, desk.credentials[given["password"]], history=history)
    return {"address": person.address}


async def suspend(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.below(tx, await desk.find(tx, given["address"], "person"))
    return await described(tx, desk, await succession.suspend(tx, person, await _successor(tx, desk, given)))


async def restore(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.below(tx, await desk.find(tx, given["address"], "person"))
    return await described(tx, desk, await succession.restore(tx, person))


async def remove(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.below(tx, await desk.find(tx, given["address"], "person"))
    estate = await succession.remove(tx, person, await _successor(tx, desk, given))
    return {"address": person.address, "estate": estate is not None}


async def add_alias(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await desk.find(tx, given["address"], "person", "group", "room", "equipment")
    await desk.domain_of(tx, given["alias"])
    await structure.add_alias(tx, found, given["alias"])
    return {"address": found.address, "aliases": await lookup.aliases(tx, found.id)}


async def remove_alias(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await desk.find(tx, given["address"], "person", "group", "room", "equipment")
    if check_address(given["alias"]) not in await lookup.aliases(tx, found.id):
        raise NotFound(f"{given['alias']} is not an address of {found.address}")
    await structure.remove_alias(tx, found, given["alias"])
    return {"address": found.address, "aliases": await lookup.aliases(tx, found.id)}


def summary(person: Principal) -> dict[str, Any]:
    """The fields of a list."""
    return {
        "number": person.id,
        "address": person.address,
        "name": person.name,
        "unit": person.unit,
        "post": person.post,
        "head": person.head,
        "disabled": person.disabled,
    }


async def described(tx: Tx, desk: Desk, person: Principal) -> dict[str, Any]:
    """Everything that is told about one person."""
    units = [await lookup.existing(tx, unit) for unit in person.units if unit]
    held = await terms.terms_of_person(tx, person.id)
    groups = [await lookup.existing(tx, each) for each in sorted(await lookup.groups_of(tx, person))]
    usage = await accounts.usage(tx, person.id)
    successor = await lookup.by_id(tx, int(person.data.get(succession.SUCCESSOR, 0)))
    return {
        **summary(person),
        "data": {key: value for key, value in person.data.items() if key not in INTERNAL},
        "units": [{"number": each.id, "name": each.name} for each in units],
        "terms": [
            {"post": each.post, "starts": each.starts, "ends": each.ends, "acting": bool(each.acting)}
            for each in held
        ],
        "aliases": await lookup.aliases(tx, person.id),
        "groups": [
            {"number": each.id, "address": each.address, "name": each.name}
            for each in groups
            if each.kind == "group" and desk.admits(each.department)
        ],
        "successor": successor.address if successor is not None else "",
        "items": usage.items,
        "bytes": usage.bytes,
        "quota": usage.quota,
    }


def _attributes(given: Given) -> Mapping[str, str | None]:
    """What may be written of somebody; Invalid for what the directory itself keeps there."""
    data: Mapping[str, str | None] = given.get("data", {})
    kept = sorted(INTERNAL.intersection(data))
    if kept:
        raise Invalid(f"{kept[0]} is no attribute")
    return data


async def _successor(tx: Tx, desk: Desk, given: Given) -> Principal | None:
    address = given.get("successor", "")
    return await desk.find(tx, address, "person", "group") if address else None


_ALIAS: Final = Field("string", "The other address.", required=True)
VERBS: Final = (
    Verb(
        "people.list",
        "GET",
        "/people",
        "People, in the order of their numbers",
        {
            "domain": Field("string", "Only those of the department of this domain."),
            "unit": Field("integer", "Only those of this unit."),
            **PAGE,
        },
        list_,
    ),
    Verb("people.show", "GET", "/people/{address}", "One person", {"address": ADDRESS}, show),
    Verb(
        "people.create",
        "POST",
        "/people",
        "Adds a person",
        {"address": ADDRESS, **_WRITTEN, "password": _PASSWORD},
        create,
    ),
    Verb(
        "people.change",
        "PATCH",
        "/people/{address}",
        "Changes a person",
        {"address": ADDRESS, **_WRITTEN},
        change,
    ),
    Verb(
        "people.password",
        "PUT",
        "/people/{address}/password",
        "Sets a password; whoever is logged in with the old one is logged out",
        {"address": ADDRESS, "password": replace(_PASSWORD, required=True)},
        set_password,
    ),
    Verb(
        "people.suspend",
        "POST",
        "/people/{address}/suspend",
        "Shuts a person out everywhere at once; a successor looks after what is the person's",
        {"address": ADDRESS, "successor": _SUCCESSOR},
        suspend,
    ),
    Verb(
        "people.restore",
        "POST",
        "/people/{address}/restore",
        "Lets a person in again",
        {"address": ADDRESS},
        restore,
    ),
    Verb(
        "people.remove",
        "DELETE",
        "/people/{address}",
        "Removes a person; what was the person's goes to the successor, without one it is deleted",
        {"address": ADDRESS, "successor": _SUCCESSOR},
        remove,
    ),
    Verb(
        "aliases.add",
        "POST",
        "/aliases/{address}",
        "Gives one more address",
        {"address": ADDRESS, "alias": _ALIAS},
        add_alias,
    ),
    Verb(
        "aliases.remove",
        "DELETE",
        "/aliases/{address}/{alias}",
        "Takes an address away",
        {"address": ADDRESS, "alias": _ALIAS},
        remove_alias,
    ),
)
