# SPDX-License-Identifier: Apache-2.0
"""Legal holds and retention rules: the rows that say what `keeping` keeps and what `expire` removes.

A hold is on an owner; it is seen nowhere but by the administrator. A rule is for a person, a group, a room
or a department with all that belongs to it, and for one kind of things.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from armgs_server.errors import Invalid
from armgs_server.storage import archive, clock, collections, items, keeping
from armgs_server.storage.tx import Tx

# Mailboxes by their role, which may be emptied sooner than the others.
ROLES = ("trash", "junk")
KINDS = (*keeping.KINDS, keeping.CHAT, *ROLES)
BATCH = 200
_OWNERS = (
    "SELECT account.owner FROM account JOIN principal ON principal.id = account.owner"
    " WHERE (principal.id = ? OR principal.department = ?) AND account.owner > ?"
    " ORDER BY account.owner LIMIT ?"
)


class Hold(NamedTuple):
    """One owner's."""

    owner: int
    since: int
    reason: str


class Rule(NamedTuple):
    """Days after the last change; 0: no such rule."""

    principal: int
    kind: str
    keep: int
    expire: int


async def put_hold(tx: Tx, owner: int, reason: str) -> None:
    """From the commit on nothing of the owner's is gone; a hold that is there gets the new reason."""
    await tx.execute(
        "INSERT INTO hold (owner, since, reason) VALUES (?, ?, ?)"
        " ON CONFLICT (owner) DO UPDATE SET reason = excluded.reason",
        owner,
        clock.now(),
        reason,
    )


async def lift_hold(tx: Tx, owner: int) -> bool:
    """Whether there was one. What it alone has kept goes with the next maintenance."""
    return await tx.execute("DELETE FROM hold WHERE owner = ?", owner) > 0


async def all_holds(tx: Tx) -> list[Hold]:
    """In the order of owners."""
    return [Hold(*row) for row in await tx.rows("SELECT owner, since, reason FROM hold ORDER BY owner")]


async def put_rule(tx: Tx, rule: Rule) -> None:
    """Sets a rule; one without any days takes it away. Invalid for a kind that there is not."""
    if rule.kind not in KINDS:
        raise Invalid(f"{rule.kind}: one of {', '.join(KINDS)}")
    if rule.keep and rule.kind in ROLES:
        raise Invalid(f"{rule.kind} is kept as all mail is")
    await tx.execute("DELETE FROM retention WHERE principal = ? AND kind = ?", rule.principal, rule.kind)
    if rule.keep or rule.expire:
        await tx.execute("INSERT INTO retention (principal, kind, keep, expire) VALUES (?, ?, ?, ?)", *rule)


async def all_rules(tx: Tx) -> list[Rule]:
    """In the order of principals and kinds."""
    rows = await tx.rows("SELECT principal, kind, keep, expire FROM retention ORDER BY principal, kind")
    return [Rule(*row) for row in rows]


async def owners(tx: Tx, principal: int, after: int, limit: int = BATCH) -> list[int]:
    """The next owners that a rule is for."""
    return [row[0] for row in await tx.rows(_OWNERS, principal, principal, after, limit)]


async def has_old(tx: Tx, owner: int, rule: Rule) -> bool:
    """Whether `expire` has anything to remove: mostly it has not, and needs no transaction."""
    before = await _limit(tx, owner, rule)
    if rule.kind == keeping.CHAT:
        return await archive.has_before(tx, owner, before)
    return bool(await _old(tx, owner, rule.kind, before, 1))


async def expire(tx: Tx, owner: int, rule: Rule, limit: int = BATCH) -> int:
    """Removes the owner's things of a kind that are too old, at most `limit`; how many."""
    before = await _limit(tx, owner, rule)
    if rule.kind == keeping.CHAT:
        return await archive.expire(tx, owner, before, limit)
    found = await _old(tx, owner, rule.kind, before, limit)
    for number, uids in _by_collection(found).items():
        await items.remove(tx, await collections.get(tx, owner, number), uids)
    return len(found)


async def _limit(tx: Tx, owner: int, rule: Rule) -> int:
    """What was changed before this moment is too old; the owner's own rule goes before the department's."""
    own = None
    if rule.principal != owner:
        own = await tx.value(
            "SELECT expire FROM retention WHERE principal = ? AND kind = ? AND expire > 0", owner, rule.kind
        )
    return clock.now() - (own or rule.expire) * clock.DAY


async def _old(tx: Tx, owner: int, kind: str, before: int, limit: int) -> list[tuple[int, int]]:
    """Collections and uids. Mail lies in the order in which it came: only the beginning is read."""
    if kind not in ("mail", *ROLES):
        rows = await tx.rows(
            "SELECT i.collection, i.uid FROM collection c JOIN item i"
            " ON i.owner = c.owner AND i.collection = c.id"
            " WHERE c.owner = ? AND c.kind = ? AND i.modified < ? ORDER BY i.collection, i.uid LIMIT ?",
            owner,
            kind,
            before,
            limit,
        )
        return [(row[0], row[1]) for row in rows]
    found: list[tuple[int, int]] = []
    for each in await collections.all_of(tx, owner, "mail"):
        if each.items and len(found) < limit and kind in ("mail", each.role):
            rows = await tx.rows(
                "SELECT uid, modified FROM item WHERE owner = ? AND collection = ? ORDER BY uid LIMIT ?",
                owner,
                each.id,
                limit - len(found),
            )
            found += [(each.id, row[0]) for row in takewhile(lambda row: row[1] < before, rows)]
    return found


def _by_collection(rows: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for number, uid in rows:
        found.setdefault(number, []).append(uid)
    return found
