# SPDX-License-Identifier: Apache-2.0
"""Groups whose members follow from a rule: a unit, a post, who leads, attributes.

The members are rows like those of any group, so whoever asks for them asks nothing more. They are brought in
step by the transaction that changes a person or the tree; nobody puts anyone in or out by hand.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from armgs_server.directory import lookup
from armgs_server.directory.model import TOPIC, Principal, to_json
from armgs_server.errors import Invalid, NotFound
from armgs_server.storage.tx import Tx

KEY: Final = "rule"  # of the group's data: true where there is one
ATTRIBUTES_LIMIT: Final = 20


@dataclass(frozen=True, slots=True)
class Rule:
    """All that is given must be so. `post` and the attributes may hold `*` and `?`; case does not matter."""

    unit: int = 0
    below: bool = True  # people of the units below it, too
    post: str = ""
    head: bool | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def holds(self, person: Principal, units: Collection[int]) -> bool:
        """`units`: those above the person, its own among them."""
        if self.unit and self.unit not in (units if self.below else person.units):
            return False
        if self.post and not _matches(person.post, self.post):
            return False
        if self.head is not None and person.head != self.head:
            return False
        return all(_matches(str(person.data.get(key, "")), value) for key, value in self.attributes.items())


def parse_rule(data: Mapping[str, Any]) -> Rule:
    """A rule from JSON; Invalid where it says nothing at all."""
    attributes = data.get("attributes") or {}
    if len(attributes) > ATTRIBUTES_LIMIT:
        raise Invalid(f"a rule has at most {ATTRIBUTES_LIMIT} attributes")
    made = Rule(
        int(data.get("unit") or 0),
        bool(data.get("below", True)),
        str(data.get("post") or ""),
        None if data.get("head") is None else bool(data["head"]),
        {str(key): str(value) for key, value in attributes.items()},
    )
    if not (made.unit or made.post or made.attributes or made.head is not None):
        raise Invalid("a rule names a unit, a post, who leads or an attribute")
    return made


def serialise_rule(rule: Rule) -> dict[str, Any]:
    """The rule for JSON."""
    return {
        "unit": rule.unit,
        "below": rule.below,
        "post": rule.post,
        "head": rule.head,
        "attributes": dict(rule.attributes),
    }


async def set_rule(tx: Tx, group: Principal, rule: Rule | None) -> None:
    """The group follows the rule from now on; without one its members stay until somebody changes them."""
    before = await lookup.existing(tx, group.id, "group")
    data = to_json({**before.data, KEY: None if rule is None else True})
    await tx.execute("UPDATE principal SET data = ? WHERE id = ?", data, group.id)
    await tx.execute("DELETE FROM group_rule WHERE principal = ?", group.id)
    tx.publish(TOPIC, b"%d" % group.id)
    if rule is None:
        return
    if rule.unit and (await lookup.existing(tx, rule.unit, "unit")).department != group.department:
        raise NotFound(f"no unit with the number {rule.unit}")
    await tx.execute(
        "INSERT INTO group_rule (principal, department, rule) VALUES (?, ?, ?)",
        group.id,
        group.department,
        json.dumps(serialise_rule(rule), ensure_ascii=False),
    )
    await _refill(tx, group.id, group.department, rule)


async def rule_of(tx: Tx, group: int) -> Rule | None:
    """The rule of a group."""
    text = await tx.value("SELECT rule FROM group_rule WHERE principal = ?", group)
    return None if text is None else parse_rule(json.loads(text))


async def follow_person(tx: Tx, person: Principal) -> None:
    """Puts a person into the groups of the department whose rules hold, and out of the others."""
    rules = await _rules(tx, person.department)
    if not rules:
        return
    units = await lookup.units_above(tx, person)
    rows = await tx.rows("SELECT principal FROM member WHERE member = ?", person.id)
    present = {row[0] for row in rows}
    for group, rule in rules:
        holds = rule.holds(person, units)
        if holds and group not in present:
            await _put(tx, group, person.id)
        elif not holds and group in present:
            await _take(tx, group, person.id)


async def follow_tree(tx: Tx, department: int, units: Collection[int] | None = None) -> None:
    """Units have come to lie below others, or do not any more: the groups are filled again whose rules name
    one of those (None: any)."""
    for group, rule in await _rules(tx, department):
        if rule.unit and (units is None or (rule.below and rule.unit in units)):
            await _refill(tx, group, department, rule)


async def _rules(tx: Tx, department: int) -> list[tuple[int, Rule]]:
    rows = await tx.rows("SELECT principal, rule FROM group_rule WHERE department = ?", department)
    return [(row[0], parse_rule(json.loads(row[1]))) for row in rows]


async def _refill(tx: Tx, group: int, department: int, rule: Rule) -> None:
    among = await lookup.by_id(tx, rule.unit or department)  # None: the unit has been removed
    chains: dict[tuple[int, ...], frozenset[int]] = {}
    wanted = set()
    for person in await lookup.members(tx, among) if among is not None else ():
        units = chains.get(person.units)
        if units is None:
            units = chains[person.units] = await lookup.units_above(tx, person)
        if rule.holds(person, units):
            wanted.add(person.id)
    rows = await tx.rows("SELECT member FROM member WHERE principal = ?", group)
    present = {row[0] for row in rows}
    for each in sorted(wanted - present):
        await _put(tx, group, each)
    for each in sorted(present - wanted):
        await _take(tx, group, each)


async def _put(tx: Tx, group: int, person: int) -> None:
    await tx.execute(
        "INSERT INTO member (principal, member) VALUES (?, ?) ON CONFLICT (principal, member) DO NOTHING",
        group,
        person,
    )
    tx.publish(TOPIC, b"%d" % group)


async def _take(tx: Tx, group: int, person: int) -> None:
    await tx.execute("DELETE FROM member WHERE principal = ? AND member = ?", group, person)
    tx.publish(TOPIC, b"%d" % group)


def _matches(text: str, pattern: str) -> bool:
    return fnmatchcase(_folded(text), _folded(pattern).replace("[", "[[]"))


def _folded(text: str) -> str:
    return text.casefold().replace("ё", "е").strip()
