# SPDX-License-Identifier: Apache-2.0
"""`armgs store copy`: moves a whole installation to another engine, verified."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import Bar, print_records, remark
from armgs_server.cli.workplace import check_owner, json_option, load_config, note_made
from armgs_server.config import Config
from armgs_server.errors import Denied, DomainError
from armgs_server.storage import replication
from armgs_server.storage.configured import open_store
from armgs_server.supervisor import PidFile


@click.group()
def store() -> None:
    """The store as a whole."""


@store.command()
@click.argument("source", metavar="FROM", type=click.Path(path_type=Path))
@click.argument("target", metavar="TO", type=click.Path(path_type=Path))
@json_option
def copy(source: Path, target: Path, as_json: bool) -> None:
    """Copies the store of the workplace FROM into the empty one TO, and verifies it.

    Both are an armgs.toml or its folder: they say which database, which data folder and which bucket. No
    daemon may serve either meanwhile. A copy that was interrupted goes on when the command is run again.
    """
    configs = load_config(source), load_config(target)
    for config in configs:
        check_owner(config.data_dir)
        if PidFile(config.data_dir).pid() is not None:
            raise Denied(f"a daemon serves {config.directory}: stop it first")
    verified = asyncio.run(_copy(*configs))
    asyncio.run(note_made(configs[1]))
    print_records(as_json, "Copied and verified", verified, ("table", "rows", "hash"))


async def _copy(source: Config, target: Config) -> list[dict[str, Any]]:
    ours = await open_store(source)
    try:
        theirs = await open_store(target)
    except DomainError:
        await ours.close()
        raise
    try:
        bars: dict[str, tuple[Bar, int]] = {}

        def progress(table: str, done: int, total: int) -> None:
            bar, before = bars.get(table, (None, 0))
            if bar is None:
                for other, _ in bars.values():
                    other.__exit__(None, None, None)
                bar = Bar(table, total)
            bar.advance(done - before)
            bars[table] = bar, done

        await replication.copy(ours, theirs, progress)
        remark("copied; verifying both sides")
        verified = await replication.verify(ours, theirs)
        await replication.forget_marks(theirs)
        return [{"table": each.table, "rows": each.rows, "hash": each.hash} for each in verified]
    finally:
        await ours.close()
        await theirs.close()
