# SPDX-License-Identifier: Apache-2.0
"""What a principal who comes back was part of: read from the backup, put back where the other end is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Final

from armgs_server.directory import group_rules, homographs, lookup, terms
from armgs_server.directory.access import Rights, put_account_grant, put_grant
from armgs_server.directory.model import COLUMNS, Principal, from_row
from armgs_server.directory.structure import announce
from armgs_server.directory.terms import Term
from armgs_server.storage import collections, pubsub_members, rooms
from armgs_server.storage.items import places
from armgs_server.storage.migrations import tables
from armgs_server.storage.rooms import AffiliationRecord
from armgs_server.storage.tx import Row, Tx

# Rows that belong to a principal and come back as they were, by the column that names it.
_OWN: Final = (
    ("credential", "principal"),
    ("second_factor", "principal"),
    ("webauthn_credential", "principal"),
    ("retention", "principal"),
    ("login", "principal"),
    ("connected", "principal"),
)
_OVER: Final = 2  # Term.state
_COLUMNS: Final = {table.name: table.columns for table in tables()}


@dataclass(slots=True)
class Past:
    """A principal as the backup has it, and the rows that name it."""

    principal: Principal
    domains: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)  # it is in
    members: list[int] = field(default_factory=list)  # in it
    deputy_of: list[int] = field(default_factory=list)
    deputies: list[int] = field(default_factory=list)
    rule: str = ""
    terms: list[Term] = field(default_factory=list)  # that it holds, or in which it is held
    granted: list[Row] = field(default_factory=list)  # to it: owner, collection, rights
    grants: list[Row] = field(default_factory=list)  # by it: collection, grantee, rights
    shares: list[Row] = field(default_factory=list)  # rows of `share`, of both sides
    rooms: list[Row] = field(default_factory=list)  # room's address, affiliation, nick, reason
    nodes: list[Row] = field(default_factory=list)  # owner, node, affiliation
    own: dict[str, list[Row]] = field(default_factory=dict)


class Numbers:
    """Who of the backup is who now: by number where it has the same address, else by address; 0 is nobody."""

    def __init__(self, then: dict[int, Principal]) -> None:
        self._then = then
        self._noted: dict[int, int] = {}

    def note(self, old: int, new: int) -> None:
        self._noted[old] = new

    async def of(self, tx: Tx, number: int) -> int:
        """0 where nobody is left of it."""
        if number in self._noted or not number:
            return self._noted.get(number, 0)
        old, now = self._then.get(number), await lookup.by_id(tx, number)
        if old is None:
            return 0
        if now is not None and now.address == old.address and now.kind == old.kind:
            return number
        found = await lookup.by_address(tx, old.address) if old.address else None
        return found.id if found is not None and found.kind == old.kind else 0


async def all_of_then(tx: Tx) -> dict[int, Principal]:
    """Every principal of the backup, by number."""
    return {row[0]: from_row(row) for row in await tx.rows(f"SELECT {COLUMNS} FROM principal")}


async def read(tx: Tx, principal: Principal) -> Past:
    """From the backup."""
    id_, jid = principal.id, principal.address

    async def first(sql: str) -> list[int]:
        return [int(row[0]) for row in await tx.rows(sql, id_)]

    rows = await tx.rows("SELECT name FROM domain WHERE department = ? ORDER BY name", id_)
    past = Past(principal, domains=[row[0] for row in rows], aliases=await lookup.aliases(tx, id_))
    past.groups = await first("SELECT principal FROM member WHERE member = ?")
    past.members = await first("SELECT member FROM member WHERE principal = ?")
    past.deputy_of = await first("SELECT principal FROM deputy WHERE deputy = ?")
    past.deputies = await first("SELECT deputy FROM deputy WHERE principal = ?")
    past.rule = await tx.value("SELECT rule FROM group_rule WHERE principal = ?", id_) or ""
    past.terms = [*await terms.terms_of_person(tx, id_), *await terms.terms_of(tx, id_)]
    past.granted = await tx.rows("SELECT owner, collection, rights FROM grant_ WHERE grantee = ?", id_)
    past.grants = await tx.rows("SELECT collection, grantee, rights FROM grant_ WHERE owner = ?", id_)
    past.shares = await tx.rows(
        f"SELECT {', '.join(_COLUMNS['share'])} FROM share WHERE owner = ? OR sharee = ?", id_, id_
    )
    past.rooms = await tx.rows(
        "SELECT chatroom.address, affiliation, nick, reason FROM affiliation"
        " JOIN chatroom ON chatroom.owner = affiliation.owner WHERE jid = ?",
        jid,
    )
    past.nodes = await tx.rows("SELECT owner, node, affiliation FROM pubsub_affiliation WHERE jid = ?", jid)
    for table, column in _OWN:
        if table in _COLUMNS:
            sql = f"SELECT {', '.join(_COLUMNS[table])} FROM {table} WHERE {column} = ?"
            past.own[table] = await tx.rows(sql, id_)
    return past


async def put_credentials(tx: Tx, past: Past, number: int) -> None:
    """The password and the second factor; journal of log-ins and retention rules with them."""
    for table, column in _OWN:
        names = _COLUMNS.get(table, ())
        kept: list[Row] = []
        for row in past.own.get(table, ()):
            fields = dict(zip(names, row, strict=True))
            if fields.get("kind") != "app" or table != "credential":
                kept.append(tuple({**fields, column: number}.values()))
        if not kept:
            continue
        await tx.executemany(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places([0] * len(names))})"
            " ON CONFLICT DO NOTHING",
            kept,
        )


async def put_aliases(tx: Tx, past: Past, made: Principal) -> list[str]:
    """Other addresses that nobody has got meanwhile."""
    remarks = []
    for address in past.aliases:
        domain = address.rpartition("@")[2]
        served = await tx.value("SELECT department FROM domain WHERE name = ?", domain)
        twin = homographs.twin(address.rpartition("@")[0])
        taken = [
            await lookup.by_address(tx, each)
            for each in (address, f"{twin}@{domain}" if twin else "")
            if each
        ]
        if served != made.department or any(each is not None and each.id != made.id for each in taken):
            remarks.append(f"{address} is not {made.address}'s any more")
            continue
        await tx.execute(
            "INSERT INTO alias (address, principal) VALUES (?, ?) ON CONFLICT DO NOTHING", address, made.id
        )
    return remarks


async def put_memberships(tx: Tx, past: Past, made: Principal, numbers: Numbers) -> list[str]:
    """Groups it was in by hand, and who was in it; deputies of both sides."""
    remarks = []
    pairs = [(each, past.principal.id) for each in past.groups]
    pairs += [(past.principal.id, each) for each in past.members]
    for group, member in pairs:
        there, who = await lookup.by_id(tx, await numbers.of(tx, group)), await numbers.of(tx, member)
        if there is None or there.kind != "group" or not who:
            if group != past.principal.id:
                remarks.append(f"a group that {made.address} was in is gone (number {group})")
        elif not (there.data.get("rule") or there.data.get("post")):
            await tx.execute(
                "INSERT INTO member (principal, member) VALUES (?, ?) ON CONFLICT DO NOTHING", there.id, who
            )
            announce(tx, there.id)
    deputies = [(each, past.principal.id) for each in past.deputy_of]
    deputies += [(past.principal.id, each) for each in past.deputies]
    for group, deputy in deputies:
        found, who = await numbers.of(tx, group), await numbers.of(tx, deputy)
        if found and who:
            await tx.execute(
                "INSERT INTO deputy (principal, deputy) VALUES (?, ?) ON CONFLICT DO NOTHING", found, who
            )
            announce(tx, found)
    if past.rule and made.kind == "group":
        rule = group_rules.parse_rule(json.loads(past.rule))
        unit = await numbers.of(tx, rule.unit)
        if unit or not rule.unit:
            await group_rules.set_rule(tx, made, replace(rule, unit=unit))
    return remarks


async def put_rights(tx: Tx, past: Past, made: Principal, numbers: Numbers) -> None:
    """Grants of both sides, and invitations to calendars and books; what was granted since stays."""
    own = past.principal.id
    grants = [(own, collection, grantee, rights) for collection, grantee, rights in past.grants]
    grants += [(owner, collection, own, rights) for owner, collection, rights in past.granted]
    for owner, collection, grantee, rights in grants:
        theirs = await numbers.of(tx, owner)
        who = await numbers.of(tx, grantee) if grantee else 0
        if not theirs or (grantee and not who):
            continue
        key = (theirs, collection, who)
        if await tx.row("SELECT 1 FROM grant_ WHERE owner = ? AND collection = ? AND grantee = ?", *key):
            continue
        if not collection:
            await put_account_grant(tx, theirs, who, Rights(rights))
        elif await tx.row("SELECT 1 FROM collection WHERE owner = ? AND id = ?", theirs, collection):
            await put_grant(tx, await collections.get(tx, theirs, collection), who, Rights(rights))
    names = _COLUMNS["share"]
    for row in past.shares:
        fields = dict(zip(names, row, strict=True))
        theirs, who = await numbers.of(tx, fields["owner"]), await numbers.of(tx, fields["sharee"])
        if (
            theirs
            and who
            and await tx.row(
                "SELECT 1 FROM collection WHERE owner = ? AND id = ?", theirs, fields["collection"]
            )
        ):
            await tx.execute(
                f"INSERT INTO share ({', '.join(names)}) VALUES ({places([0] * len(names))})"
                " ON CONFLICT DO NOTHING",
                *{**fields, "owner": theirs, "sharee": who}.values(),
            )


async def put_terms(tx: Tx, past: Past, made: Principal, numbers: Numbers, now: int) -> list[str]:
    """Posts whose term is not over and which nobody else holds by now."""
    remarks = []
    for term in past.terms:
        post = await lookup.by_id(tx, await numbers.of(tx, term.post))
        person = await lookup.by_id(tx, await numbers.of(tx, term.person))
        if (term.ends and term.ends <= now) or person is None or person.kind != "person":
            continue
        if post is None or terms.KEY not in post.data or post.department != person.department:
            remarks.append(f"a post of {person.address} is gone (number {term.post})")
            continue
        others = [each for each in await terms.terms_of(tx, post.id) if _overlap(each, term)]
        mine = [each for each in others if each.person == person.id]
        if any(each.starts != term.starts or each.state(now) < _OVER for each in mine):
            continue  # holds it again, or still
        others = [each for each in others if each.person != person.id]
        if not term.acting and any(not each.acting for each in others):
            remarks.append(f"{post.name} is held by somebody else now, not by {person.address}")
            continue
        # The removal has ended it, where an estate was left.
        key = (post.id, person.id, term.starts)
        await tx.execute("DELETE FROM term WHERE post = ? AND person = ? AND starts = ?", *key)
        await terms.appoint(tx, post, person, now, (term.starts, term.ends, bool(term.acting)))
    return remarks


def _overlap(one: Term, other: Term) -> bool:
    return not ((one.ends and one.ends <= other.starts) or (other.ends and other.ends <= one.starts))


async def put_chat(tx: Tx, past: Past) -> None:
    """Standing in rooms and nodes that are there and do not know the person otherwise."""
    jid = past.principal.address
    for address, affiliation, nick, reason in past.rooms:
        room = await tx.value("SELECT owner FROM chatroom WHERE address = ?", address)
        if room is None or await tx.row("SELECT 1 FROM affiliation WHERE owner = ? AND jid = ?", room, jid):
            continue
        await rooms.set_affiliation(tx, room, AffiliationRecord(jid, affiliation, nick, reason))
        announce(tx, room)
    for owner, node, affiliation in past.nodes:
        if not await tx.row("SELECT 1 FROM pubsub_node WHERE owner = ? AND node = ?", owner, node):
            continue
        if await pubsub_members.affiliation(tx, owner, node, jid) == "none":
            await pubsub_members.set_affiliation(tx, owner, node, jid, affiliation)
