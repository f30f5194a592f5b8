# SPDX-License-Identifier: Apache-2.0
"""Verbs about groups, static and by rule, and about rooms and equipment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from armgs_server.administration import contacts
from armgs_server.administration.fields import Field
from armgs_server.administration.verb import Desk, Given, Verb
from armgs_server.directory import group_rules, lookup, people, structure, terms
from armgs_server.directory.model import Principal
from armgs_server.directory.people import Change
from armgs_server.errors import Invalid
from armgs_server.storage.tx import Tx

_GROUP: Final = Field("string", "The group's address.", required=True)
_DOMAIN: Final = Field("string", "Only those of the department of this domain.")
_MEMBERS: Final = Field("addresses", "People and groups, and contacts of the department.")
_RULE: Final = {
    "unit": Field("integer", "Its people."),
    "below": Field("boolean", "And those of the units below it; true where it is not given."),
    "post": Field("string", "Their title, `*` and `?` stand for anything.", length=500),
    "head": Field("boolean", "Only who leads, or only who does not."),
    "attributes": Field("object", "Attributes and their values, `*` and `?` stand for anything."),
}


async def list_(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = []
    for department in await desk.chosen(tx, given.get("domain", "")):
        for each in await lookup.of_kind(tx, department.id, "group"):
            if terms.KEY not in each.data:
                found.append(_summary(each))
    return {"groups": found}


async def show(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    return await _described(tx, desk, await desk.find(tx, given["address"], "group"))


async def create(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    await desk.domain_of(tx, given["address"])
    name = given.get("name") or given["address"].partition("@")[0]
    made = await structure.create_group(tx, given["address"], name, (), {})
    await structure.add_members(tx, made, await _members(tx, desk, made, given.get("members", ())))
    return await _described(tx, desk, made)


async def change(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await _no_post(tx, desk, given)
    if "name" in given:
        found = await people.update(tx, found.id, Change(name=given["name"]))
    for key, put in (("add", structure.add_members), ("remove", structure.remove_members)):
        if key in given:
            await put(tx, found, await _members(tx, desk, found, given[key]))
    return await _described(tx, desk, found)


async def set_rule(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await _no_post(tx, desk, given)
    wanted = {key: given[key] for key in _RULE if key in given}
    await group_rules.set_rule(tx, found, group_rules.parse_rule(wanted) if wanted else None)
    return await _described(tx, desk, await lookup.existing(tx, found.id))


async def remove(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await _no_post(tx, desk, given)
    await people.delete(tx, found.id)
    return _summary(found)


async def _members(tx: Tx, desk: Desk, group: Principal, addresses: Sequence[str]) -> list[int]:
    """Numbers of people and groups by their address, of contacts of the group's department by theirs."""
    found = []
    for address in addresses:
        contact = await contacts.named(tx, desk, group, address)
        found.append((contact or await desk.find(tx, address, "person", "group")).id)
    return found


async def _no_post(tx: Tx, desk: Desk, given: Given) -> Principal:
    """The group. Invalid for a post: what follows for who holds it is for the verbs of posts."""
    found = await desk.below(tx, await desk.find(tx, given["address"], "group"))
    if terms.KEY in found.data:
        raise Invalid(f"{found.name} is a post")
    return found


async def list_rooms(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = []
    for department in await desk.chosen(tx, given.get("domain", "")):
        for kind in ("room", "equipment"):
            found += [_resource(each) for each in await lookup.of_kind(tx, department.id, kind)]
    return {"rooms": found}


async def show_room(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    return _resource(await desk.find(tx, given["address"], "room", "equipment"))


async def create_room(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    await desk.domain_of(tx, given["address"])
    unit = given.get("unit", 0)
    if unit:
        await desk.number(tx, unit, "unit")
    is_room = given.get("kind", "room") == "room"
    data = {"capacity": given.get("capacity", 0)} if is_room else {}
    name = given.get("name") or given["address"].partition("@")[0]
    made = await structure.create_resource(
        tx, "room" if is_room else "equipment", given["address"], name, unit, data
    )
    return _resource(made)


async def change_room(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await desk.find(tx, given["address"], "room", "equipment")
    data = {"capacity": given["capacity"]} if "capacity" in given else None
    return _resource(await people.update(tx, found.id, Change(name=given.get("name"), data=data)))


async def remove_room(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await desk.find(tx, given["address"], "room", "equipment")
    await people.delete(tx, found.id)
    return _resource(found)


def _summary(found: Principal) -> dict[str, Any]:
    return {
        "number": found.id,
        "address": found.address,
        "name": found.name,
        "by_rule": bool(found.data.get(group_rules.KEY)),
        "mailbox": bool(found.data.get("mailbox")),
        "estate": bool(found.data.get("estate")),
    }


async def _described(tx: Tx, desk: Desk, found: Principal) -> dict[str, Any]:
    members = await lookup.direct_members(tx, found.id)
    own = [each for each in members if desk.admits(each.department)]
    rule = await group_rules.rule_of(tx, found.id)
    return {
        **_summary(found),
        "rule": None if rule is None else group_rules.serialise_rule(rule),
        "members": [each.address for each in own],
        "contacts": await contacts.mails_in(tx, found),
        "members_elsewhere": len(members) - len(own),
    }


def _resource(found: Principal) -> dict[str, Any]:
    record: dict[str, Any] = {"number": found.id, "kind": found.kind, "address": found.address}
    record |= {"name": found.name, "unit": found.unit}
    if found.kind == "room":
        record["capacity"] = found.data.get("capacity", 0)
    return record


_ROOM: Final = Field("string", "The address of the room or piece of equipment.", required=True)
_CAPACITY: Final = Field("integer", "How many people it holds.", maximum=1_000_000)
_NAME: Final = Field("string", "The name.", length=500)
VERBS: Final = (
    Verb("groups.list", "GET", "/groups", "Groups", {"domain": _DOMAIN}, list_),
    Verb("groups.show", "GET", "/groups/{address}", "One group with its members", {"address": _GROUP}, show),
    Verb(
        "groups.create",
        "POST",
        "/groups",
        "Adds a group, which is a mail list and may be given rights",
        {"address": _GROUP, "name": _NAME, "members": _MEMBERS},
        create,
    ),
    Verb(
        "groups.change",
        "PATCH",
        "/groups/{address}",
        "Changes name and members",
        {"address": _GROUP, "name": _NAME, "add": _MEMBERS, "remove": _MEMBERS},
        change,
    ),
    Verb(
        "groups.rule",
        "PUT",
        "/groups/{address}/rule",
        "The members follow from a rule from now on; without any condition they are put in by hand again",
        {"address": _GROUP, **_RULE},
        set_rule,
    ),
    Verb("groups.remove", "DELETE", "/groups/{address}", "Removes a group", {"address": _GROUP}, remove),
    Verb("rooms.list", "GET", "/rooms", "Meeting rooms and equipment", {"domain": _DOMAIN}, list_rooms),
    Verb("rooms.show", "GET", "/rooms/{address}", "One of them", {"address": _ROOM}, show_room),
    Verb(
        "rooms.create",
        "POST",
        "/rooms",
        "Adds a meeting room or a piece of equipment with its calendar",
        {
            "address": _ROOM,
            "name": _NAME,
            "kind": Field(
                "string", "What it is; a room where it is not given.", choices=("room", "equipment")
            ),
            "capacity": _CAPACITY,
            "unit": Field("integer", "The unit it belongs to."),
        },
        create_room,
    ),
    Verb(
        "rooms.change",
        "PATCH",
        "/rooms/{address}",
        "Changes name and capacity",
        {"address": _ROOM, "name": _NAME, "capacity": _CAPACITY},
        change_room,
    ),
    Verb(
        "rooms.remove",
        "DELETE",
        "/rooms/{address}",
        "Removes it with its calendar",
        {"address": _ROOM},
        remove_room,
    ),
)
