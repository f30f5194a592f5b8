# SPDX-License-Identifier: Apache-2.0
"""`armgs lock …`: who has files and calendars locked (WebDAV, office editors), and taking a lock away."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
from lxml import etree

from armgs_server.cli.output import print_records
from armgs_server.cli.times import shown
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.errors import NotFound
from armgs_server.formats import xmltree
from armgs_server.storage import accounts, locks
from armgs_server.storage.locks import Lock
from armgs_server.storage.tx import Tx

COLUMNS = ("path", "by", "client", "scope", "until")


@click.group()
def lock() -> None:
    """Locks on files: list them, take one away."""


@lock.command("list")
@click.argument("address")
@config_option
@json_option
def list_(address: str, config_path: Path | None, as_json: bool) -> None:
    """Lists the locks on what belongs to ADDRESS: a person, or a department by its domain."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        owner = (await workplace.principal(address)).id
        return [
            await _record(workplace, each)
            for each in await workplace.store.read(lambda tx: locks.of_owner(tx, owner))
        ]

    print_records(as_json, "", work_on(config_path, work), COLUMNS)


@lock.command("remove")
@click.argument("address")
@click.argument("path")
@config_option
def remove(address: str, path: str, config_path: Path | None) -> None:
    """Takes away every lock on PATH, as `list` shows it: what its holder saves later is refused."""

    async def work(workplace: Workplace) -> None:
        owner = (await workplace.principal(address)).id

        async def release(tx: Tx) -> int:
            await accounts.hold(tx, [owner])
            found = [each for each in await locks.of_owner(tx, owner) if unquote(each.root) == path]
            for each in found:
                await locks.release(tx, each)
            return len(found)

        if not await workplace.store.write(release):
            raise NotFound(f"{address} has no lock on {path}")

    work_on(config_path, work)


async def _record(workplace: Workplace, held: Lock) -> dict[str, Any]:
    holder = await workplace.directory.by_id(held.principal)
    return {
        "path": unquote(held.root),
        "by": holder.address if holder is not None else "",
        "client": _said(held.holder),
        "scope": held.scope,
        "until": shown(held.expires),
    }


def _said(owner: str) -> str:
    """What the client says about itself in DAV:owner, as text."""
    root = xmltree.parse(f'<r xmlns:D="DAV:">{owner}</r>'.encode())
    return " ".join("".join(etree.ElementTextIterator(root)).split())
