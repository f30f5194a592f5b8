# SPDX-License-Identifier: Apache-2.0
"""What each restore of a part does: of a person, of a collection, of one thing."""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.cli.restore_gone import Comeback
from armgs_server.cli.restore_merge import Chosen, is_own
from armgs_server.cli.restore_plan import Result, Wish
from armgs_server.cli.restore_session import Between, Trees
from armgs_server.cli.restore_whole import come_back, is_gone, merge_all, numbers_of
from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid, NotFound
from armgs_server.storage.collections import Collection
from armgs_server.storage.returned import Returning


async def person(between: Between, address: str, into: str, wish: Wish, dry_run: bool) -> Result:
    """Everything of somebody; who is gone comes back."""
    old = await between.was(address)
    if old.kind == "department":
        raise Invalid(f"{address} is a department: `armgs restore department` brings it back")
    now = await between.now.directory.by_address(into or address)
    numbers = await numbers_of(between)
    if not into and await is_gone(between, numbers, old):
        diary = between.diary(old.department, "restore.person", wish, address=old.address, comes_back=True)
        comeback = await Comeback.of(between, diary, numbers, old)
        return await come_back(between, [comeback], diary, dry_run)
    if now is None:
        raise NotFound(f"there is nobody with the address {into or address}")
    diary = between.diary(now.department, "restore.person", wish, address=old.address, into=now.address)
    result = Result()
    await merge_all(between, (old, now), wish, diary, result, dry_run)
    if not dry_run:
        await diary.end(between.now.store, {"things": result.brought, "bytes": result.bytes})
    return result


async def collection(
    between: Between, address: str, into: str, what: tuple[str, str], wish: Wish, dry_run: bool
) -> Result:
    """A collection with all that lies below it."""
    kind, path = what
    old = await between.was(address)
    new = await _receiver(between, into or address)
    trees = _below([each for each in await between.trees(old.id, kind) if is_own(each[0])], kind, path)
    diary = between.diary(
        new.department,
        "restore.collection",
        wish,
        address=old.address,
        into=new.address,
        kind=kind,
        path=path,
    )
    result = await between.merge((old, new), trees, wish, diary, dry_run=dry_run)
    if not dry_run:
        await diary.end(between.now.store, {"things": result.brought, "bytes": result.bytes})
    return result


async def item(
    between: Between, address: str, into: str, what: tuple[str, str], wish: Wish, dry_run: bool
) -> Result:
    """One thing, wherever it lay. NotFound where the backup has not got it."""
    kind, wanted = what
    old = await between.was(address)
    new = await _receiver(between, into or address)
    diary = between.diary(
        new.department, "restore.item", wish, address=old.address, into=new.address, kind=kind, what=wanted
    )
    trees = await between.trees(old.id, kind)
    result = await between.merge((old, new), trees, wish, diary, chosen=_is(kind, wanted), dry_run=dry_run)
    if not result.collections:
        created = between.generation.manifest["created"]
        raise NotFound(f"the backup of {created} has no such thing of {old.address}: {wanted}")
    if not dry_run:
        await diary.end(between.now.store, {"things": result.brought, "bytes": result.bytes})
    return result


def _below(trees: Trees, kind: str, path: str) -> Trees:
    """The collections at a path and below it; a calendar or address book by the name it shows, too."""
    wanted = [part for part in path.split("/") if part]
    if kind == "files":
        wanted = ["", *wanted]
    elif not wanted:
        raise Invalid("the path is empty")
    found = [each for each in trees if list(each[1][: len(wanted)]) == wanted]
    if not found:
        shown = [each for each in trees if str(each[0].data.get("displayname", "")) == path]
        found = shown
    if not found:
        names = ", ".join("/".join(each).lstrip("/") or "/" for _, each in trees)
        raise NotFound(f"the backup has no {kind} {path}; it has {names or 'none'}")
    return found


def _is(kind: str, wanted: str) -> Chosen:
    """Whether something is the one that is wanted."""
    bare = wanted.strip("<>") if kind == "mail" else wanted

    def chosen(collection: Collection, path: Sequence[str], each: Returning) -> bool:
        if kind == "files":
            return "/".join((*path[1:], each.id)) == wanted.strip("/")
        return bare in (each.id.strip("<>") if kind == "mail" else each.id, each.item.name)

    return chosen


async def _receiver(between: Between, address: str) -> Principal:
    """Who gets it."""
    found = await between.now.directory.by_address(address)
    if found is None:
        raise NotFound(f"there is nobody with the address {address}")
    return found
