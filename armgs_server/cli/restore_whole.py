# SPDX-License-Identifier: Apache-2.0
"""A department comes back from a backup: structure, people, and what they had; or who of it is gone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from armgs_server.cli import restore_chat
from armgs_server.cli.restore_diary import Diary
from armgs_server.cli.restore_gone import Comeback
from armgs_server.cli.restore_plan import Result, Wish
from armgs_server.cli.restore_session import Between
from armgs_server.directory import lookup, returned_ties
from armgs_server.directory import returned as coming_back
from armgs_server.directory.model import Principal
from armgs_server.directory.returned_ties import Numbers
from armgs_server.errors import Invalid, NotFound
from armgs_server.formats.addresses import normalise_domain
from armgs_server.storage.tx import Tx

# Who comes back before whom: each stands in, or belongs to, one of those before it.
_ORDER: Final = ("department", "unit", "group", "room", "equipment", "contact", "chatroom", "person")
_OWNERS: Final = ("department", "group", "room", "equipment", "person")


async def department(between: Between, domain: str, wish: Wish, dry_run: bool) -> Result:
    """All of the department that served a domain."""
    then = between.then.directory
    try:
        number = then.domains.get(normalise_domain(domain))
    except Invalid:
        number = None
    if number is None:
        created = between.generation.manifest["created"]
        raise NotFound(f"the backup of {created} has no department of the domain {domain}")
    numbers = await numbers_of(between)
    found = await _inside(between, number)
    diary = between.diary(number, "restore.department", wish, domain=domain)
    comebacks, result = [], Result()
    for old in found:
        if await is_gone(between, numbers, old):
            comebacks.append(await Comeback.of(between, diary, numbers, old))
        elif old.kind in _OWNERS:
            new = await between.now.store.read(partial(_now, numbers=numbers, number=old.id))
            await merge_all(between, (old, new), wish, diary, result, dry_run)
    return await come_back(between, comebacks, diary, dry_run, result)


async def come_back(
    between: Between,
    comebacks: Sequence[Comeback],
    diary: Diary,
    dry_run: bool,
    result: Result | None = None,
) -> Result:
    """Those who are gone: all of them first get their rows, so that each finds the others at the end."""
    result = result or Result()
    if dry_run:
        for each in comebacks:
            result.remarks.append(f"comes back: {each.old.kind} {each.old.address or each.old.name}")
            await each.plan(result)
        return result
    for each in comebacks:
        await each.begin()
    for each in comebacks:
        await each.fill(result)
    for each in comebacks:
        await each.finish(result)
        result.remarks.append(f"is back: {each.old.kind} {each.old.address or each.old.name}")
    figures = {"things": result.brought, "bytes": result.bytes, "came_back": len(comebacks)}
    await diary.end(between.now.store, figures)
    return result


async def merge_all(
    between: Between,
    pair: tuple[Principal, Principal],
    wish: Wish,
    diary: Diary,
    result: Result,
    dry_run: bool,
) -> None:
    """Everything of one who is there."""
    old, new = pair
    trees = await between.trees(old.id)
    if not trees:
        return  # a group that is a list and owns nothing
    found = await between.merge(pair, trees, wish, diary, dry_run=dry_run)
    result.collections += found.collections
    result.remarks += found.remarks
    if old.kind == "person" and old.address == new.address:
        if wish.in_place:
            await restore_chat.merge(between, old, new, diary, result, dry_run=dry_run)
        elif (text := "chat comes back with --in-place only: it has no place beside") not in result.remarks:
            result.remarks.append(text)


async def numbers_of(between: Between) -> Numbers:
    """Who of the backup is who now."""
    return Numbers(await between.then.store.read(returned_ties.all_of_then))


async def is_gone(between: Between, numbers: Numbers, old: Principal) -> bool:
    """Whether somebody has to come back, or to go on with coming back."""

    async def work(tx: Tx) -> bool:
        number = await numbers.of(tx, old.id)
        return not number or await coming_back.begun(tx, number) is not None

    return await between.now.store.read(work)


async def _inside(between: Between, number: int) -> list[Principal]:
    """A department and all that belongs to it, in the order in which they come back."""
    everybody = await between.then.store.read(returned_ties.all_of_then)
    inside = [each for each in everybody.values() if each.department == number]

    def depth(each: Principal) -> int:
        above, steps = each, 0
        while each.kind == "unit" and above.unit and steps < len(everybody):
            above, steps = everybody[above.unit], steps + 1
        return steps

    return sorted(inside, key=lambda each: (_ORDER.index(each.kind), depth(each), each.id))


async def _now(tx: Tx, numbers: Numbers, number: int) -> Principal:
    return await lookup.existing(tx, await numbers.of(tx, number))
