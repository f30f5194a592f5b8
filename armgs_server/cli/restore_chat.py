# SPDX-License-Identifier: Apache-2.0
"""The chat archive of a person: what is missing in it comes back under the ids it had."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from armgs_server.cli.restore_diary import Diary
from armgs_server.cli.restore_plan import Result, Told
from armgs_server.cli.restore_session import Between
from armgs_server.directory.model import Principal
from armgs_server.storage import archive_returned
from armgs_server.storage.tx import Row, Tx

PAGE = 500


async def merge(
    between: Between, old: Principal, new: Principal, diary: Diary, result: Result, *, dry_run: bool
) -> None:
    """Page by page; one that was cut off is gone on with by running it again."""
    told = Told(new.address, "chat", "archive", "archive")
    now, after = between.now.store, 0
    while rows := await between.then.store.read(
        partial(archive_returned.page, owner=old.id, after=after, limit=PAGE)
    ):
        after = rows[-1][0]
        lacking = await now.read(partial(archive_returned.missing, owner=new.id, rows=rows))
        if lacking and not dry_run:
            await now.write(partial(_put, owner=new.id, rows=lacking, diary=diary))
            diary.committed()
        told.same += len(rows) - len(lacking)
        told.new += len(lacking)
        told.brought += len(lacking)
        told.bytes += sum(len(row[-1]) for row in lacking)
    if told.new or told.same:
        result.collections.append(told)


async def _put(tx: Tx, owner: int, rows: Sequence[Row], diary: Diary) -> None:
    await archive_returned.put(tx, owner, rows)
    await diary.note(tx)
