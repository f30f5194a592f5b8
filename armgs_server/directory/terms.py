# SPDX-License-Identifier: Apache-2.0
"""Posts of the structure, and the terms for which people hold them.

A post is a group that stands in a unit: it may have an address, a mailbox, rights, deputies. Who holds it
now, or stands in for who does, is a member of it; terms begin and end by themselves (`settle_due`). What
follows for the person (unit, title, who leads) is written by the transaction that settles a term: the first
post that is held in one's own right says the unit, others add units. Without any term it is what it was.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from armgs_server.directory import lookup
from armgs_server.directory.model import NAME_LIMIT, Principal, check_address
from armgs_server.directory.people import Change, update
from armgs_server.directory.structure import announce, department_of, insert
from armgs_server.errors import AlreadyExists, Conflict, Invalid, NotFound
from armgs_server.storage.tx import Tx

KEY: Final = "post"  # of the group's data: {"head": whether who holds it leads the unit}
BATCH: Final = 100
_CYRILLIC: Final = re.compile("[а-яё]", re.IGNORECASE)
_COLUMNS: Final = "post, person, starts, ends, acting"


class Term(NamedTuple):
    """`ends` 0: not known yet. `acting`: stands in for who holds it."""

    post: int
    person: int
    starts: int
    ends: int
    acting: int

    def state(self, now: int) -> int:
        """0 before it, 1 in it, 2 after it."""
        if self.starts > now:
            return 0
        return 2 if self.ends and self.ends <= now else 1


async def create_post(
    tx: Tx, department: int, name: str, *, unit: int = 0, address: str = "", head: bool = False
) -> Principal:
    """A post that nobody holds yet."""
    if not name.strip():
        raise Invalid("a post has a name")
    await lookup.existing(tx, department, "department")
    if address:
        address = check_address(address)
        if await department_of(tx, address) != department:
            raise Conflict(f"{address} is an address of another department")
    data = {KEY: {"head": head}}
    return await insert(tx, "group", address, name, department=department, unit=unit, data=data)


async def existing_post(tx: Tx, number: int) -> Principal:
    """NotFound where it is no post."""
    found = await lookup.existing(tx, number, "group")
    if KEY not in found.data:
        raise NotFound(f"no post with the number {number}")
    return found


async def posts(tx: Tx, department: int) -> list[Principal]:
    """All of a department."""
    return [each for each in await lookup.of_kind(tx, department, "group") if KEY in each.data]


async def appoint(tx: Tx, post: Principal, person: Principal, now: int, term: tuple[int, int, bool]) -> Term:
    """Somebody holds the post from `starts` to `ends`, or is acting in it. AlreadyExists on an overlap."""
    starts, ends, acting = term
    if ends and ends <= starts:
        raise Invalid("a term ends after it begins")
    if person.kind != "person" or person.department != post.department:
        raise Conflict(f"{person.address} is of another department than the post")
    made = Term(post.id, person.id, starts, ends, int(acting))
    for each in await terms_of(tx, post.id):
        ends_before = each.ends and each.ends <= starts
        begins_after = ends and each.starts >= ends
        if each.person == person.id and not (ends_before or begins_after):
            raise AlreadyExists(f"{person.address} holds {post.name} in that time already")
    await tx.execute(f"INSERT INTO term ({_COLUMNS}, state) VALUES (?, ?, ?, ?, ?, 0)", *made)
    await _settle(tx, post, now)
    return made


async def relieve(tx: Tx, post: Principal, person: Principal, now: int, ends: int) -> None:
    """The person's terms in the post end then; those that begin later are gone. NotFound."""
    count = await tx.execute(
        "DELETE FROM term WHERE post = ? AND person = ? AND starts >= ? AND (ends = 0 OR ends > ?)",
        post.id,
        person.id,
        ends,
        now,
    )
    count += await tx.execute(
        "UPDATE term SET ends = ? WHERE post = ? AND person = ? AND starts < ? AND (ends = 0 OR ends > ?)",
        ends,
        post.id,
        person.id,
        ends,
        ends,
    )
    if not count:
        raise NotFound(f"{person.address} does not hold {post.name}")
    await _settle(tx, post, now)


async def relieve_of_all(tx: Tx, person: Principal, now: int) -> None:
    """Ends all terms of a person."""
    rows = await tx.rows(
        "SELECT DISTINCT post FROM term WHERE person = ? AND (ends = 0 OR ends > ?)", person.id, now
    )
    for (number,) in rows:
        await relieve(tx, await existing_post(tx, number), person, now, now)


async def change_post(
    tx: Tx, post: Principal, now: int, *, name: str | None, unit: int | None, head: bool | None
) -> Principal:
    """Renames or moves a post; who holds it goes with it."""
    data = None if head is None else {KEY: {"head": head}}
    after = await update(tx, post.id, Change(name=name, unit=unit, data=data))
    await _settle(tx, after, now, everybody=True)
    return after


async def terms_of(tx: Tx, post: int) -> list[Term]:
    """All terms of a post, those that are over too."""
    return [
        Term(*row)
        for row in await tx.rows(f"SELECT {_COLUMNS} FROM term WHERE post = ? ORDER BY starts, person", post)
    ]


async def terms_of_person(tx: Tx, person: int) -> list[Term]:
    """All terms of a person, those that are over too."""
    return [
        Term(*row)
        for row in await tx.rows(
            f"SELECT {_COLUMNS} FROM term WHERE person = ? ORDER BY starts, post", person
        )
    ]


async def settle_due(tx: Tx, now: int) -> int:
    """Terms that have begun or ended since: what follows from them; how many posts were looked at."""
    rows = await tx.rows(
        "SELECT DISTINCT post FROM term WHERE state < 2 AND starts <= ?"
        " AND (state = 0 OR (ends > 0 AND ends <= ?)) ORDER BY post LIMIT ?",
        now,
        now,
        BATCH,
    )
    for (number,) in rows:
        await _settle(tx, await existing_post(tx, number), now)
    return len(rows)


async def _settle(tx: Tx, post: Principal, now: int, *, everybody: bool = False) -> None:
    """Members are who is in a term now; whoever comes or goes is placed anew."""
    current = set()
    for term in await terms_of(tx, post.id):
        if term.state(now) == 1:
            current.add(term.person)
        await tx.execute(
            "UPDATE term SET state = ? WHERE post = ? AND person = ? AND starts = ?",
            term.state(now),
            term.post,
            term.person,
            term.starts,
        )
    before = {row[0] for row in await tx.rows("SELECT member FROM member WHERE principal = ?", post.id)}
    for person in sorted(before - current):
        await tx.execute("DELETE FROM member WHERE principal = ? AND member = ?", post.id, person)
    for person in sorted(current - before):
        await tx.execute("INSERT INTO member (principal, member) VALUES (?, ?)", post.id, person)
    announce(tx, post.id)
    for person in sorted(before | current if everybody else before ^ current):
        await _place(tx, await lookup.existing(tx, person), now)


async def _place(tx: Tx, person: Principal, now: int) -> None:
    held: list[tuple[Term, Principal]] = []
    for term in await terms_of_person(tx, person.id):
        if term.state(now) == 1:
            held.append((term, await existing_post(tx, term.post)))
    own: dict[str, Any] = person.data.get("own") or {
        "unit": person.unit,
        "post": person.post,
        "head": person.head,
    }
    fixed = [post for term, post in held if not term.acting]
    if fixed:
        own = {"unit": fixed[0].unit, "post": "", "head": False}
    titles = [own["post"]] if own["post"] else []
    titles += [_acting(post.name) if term.acting else post.name for term, post in held]
    led = {post.unit for _, post in held if post.data[KEY].get("head")}
    if own["head"]:
        led.add(own["unit"])
    others = sorted({post.unit for _, post in held} - {own["unit"], 0})
    await tx.execute("DELETE FROM also_in WHERE person = ?", person.id)
    for unit in others:
        await tx.execute("INSERT INTO also_in (unit, person) VALUES (?, ?)", unit, person.id)
    data = {"own": own if held else None, "units": others or None, "led": sorted(led) if held else None}
    change = Change(unit=own["unit"], post="; ".join(titles)[:NAME_LIMIT], head=bool(led), data=data)
    await update(tx, person.id, change)


def _acting(name: str) -> str:
    """The title of who stands in, in the language of the post's name."""
    return f"и. о. {name}" if _CYRILLIC.search(name) else f"acting {name}"
