# SPDX-License-Identifier: Apache-2.0
"""A restore of parts: the workplace as it was, opened from a backup, beside the one that is served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from armgs_server.cli.backup_folder import Folder, Generation
from armgs_server.cli.backup_opened import open_generation
from armgs_server.cli.restore_diary import Diary
from armgs_server.cli.restore_merge import Chosen, Merger
from armgs_server.cli.restore_plan import Result, Wish
from armgs_server.cli.workplace import Workplace, load_config, opened
from armgs_server.directory.model import Kind, Principal
from armgs_server.errors import Conflict, NotFound, OverQuota
from armgs_server.storage import accounts, returned
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

OWNERS: tuple[Kind, ...] = ("person", "group", "room", "equipment", "department")
Trees = list[tuple[Collection, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Between:
    """Both workplaces, and the backup that the first of them is."""

    then: Workplace
    now: Workplace
    generation: Generation

    async def was(self, address: str) -> Principal:
        """Who had the address; NotFound."""
        found = await self.then.directory.by_address(address)
        if found is None or found.kind not in OWNERS:
            raise NotFound(f"the backup of {self.generation.manifest['created']} has nobody with {address}")
        return found

    async def trees(self, owner: int, *kinds: str) -> Trees:
        """The owner's collections of then, with their paths."""

        async def work(tx: Tx) -> Trees:
            return [each for kind in kinds or returned.KINDS for each in await returned.tree(tx, owner, kind)]

        return await self.then.store.read(work)

    def diary(self, department: int, verb: str, wish: Wish, **arguments: object) -> Diary:
        """For a restore about a department."""
        told = {
            **arguments,
            "generation": self.generation.path.name,
            "in_place": wish.in_place,
            "replace": wish.replace,
            "missing": wish.missing,
        }
        return Diary(department, self.now.office.actor, verb, told)

    async def merge(
        self,
        pair: tuple[Principal, Principal],
        trees: Trees,
        wish: Wish,
        diary: Diary,
        *,
        chosen: Chosen | None = None,
        dry_run: bool = False,
    ) -> Result:
        """Brings collections from who was to who is. OverQuota before anything is done."""
        old, new = pair
        dav = self.now.config.dav
        merger = Merger(self.then.store, self.now.store, dav, wish, diary)
        plan = await merger.run(old, new, trees, chosen, dry_run=True)
        usage = await self.now.store.read(lambda tx: accounts.usage(tx, new.id))
        free = usage.quota - usage.bytes
        if usage.quota and plan.bytes > max(free, 0):
            text = f"{plan.bytes} bytes would come back to {new.address}, whose quota has {free} left"
            if not dry_run:
                raise OverQuota(text)
            plan.remarks.append(text)
        if dry_run:
            return plan
        return await merger.run(old, new, trees, chosen, dry_run=False)


@asynccontextmanager
async def between(
    folder: Path, moment: datetime | None, config_path: Path | None, scratch: Path | None
) -> AsyncIterator[Between]:
    """Opens both. NotFound; Conflict where the backup is that of another installation."""
    found = Folder.existing(folder)
    config = load_config(config_path)
    with found.locked(exclusive=False):
        generation = found.at(moment)
        async with opened(config) as now, open_generation(found, generation, scratch) as then:
            if then.store.installation != now.store.installation:
                raise Conflict(f"{folder} has backups of another installation")
            yield Between(then, now, generation)
