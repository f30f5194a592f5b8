# SPDX-License-Identifier: Apache-2.0
"""`armgs link …`: links by which people without an account read a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_record, print_records
from armgs_server.cli.times import shown
from armgs_server.cli.workplace import Workplace, config_option, json_option, read_password, work_on
from armgs_server.directory import sharelinks
from armgs_server.errors import NotFound
from armgs_server.storage import sharelinks as rows
from armgs_server.storage.sharelinks import Link
from armgs_server.storage.tx import Tx


@click.group()
def link() -> None:
    """Links to files: make, list, revoke. People do it themselves at /links."""


@link.command("make")
@click.argument("address")
@click.argument("path")
@click.option("--days", type=click.IntRange(1), default=None, help="How long it is good.")
@click.option("--password-stdin", is_flag=True, help="Read a password for it from standard input.")
@config_option
@json_option
def make(
    address: str, path: str, days: int | None, password_stdin: bool, config_path: Path | None, as_json: bool
) -> None:
    """Makes a link to the file PATH of ADDRESS, and prints it this once."""
    password = read_password() if password_stdin else ""

    async def work(workplace: Workplace) -> dict[str, Any]:
        owner = (await workplace.principal(address)).id
        hashed = await sharelinks.password_hash(workplace.directory, password)
        token = sharelinks.new_token()

        async def add(tx: Tx) -> Link:
            item = await sharelinks.file_at(tx, owner, [part for part in path.split("/") if part])
            if item is None:
                raise NotFound(f"{address} has no file {path}")
            made = sharelinks.made(workplace.config, item, owner, token, hashed, days or 0)
            await rows.add(tx, made)
            return made

        made = await workplace.store.write(add)
        url = sharelinks.url(workplace.config, token)
        return {"id": made.id, "url": url, "until": shown(made.expires)}

    print_record(as_json, work_on(config_path, work))


@link.command("list")
@click.argument("address", required=False)
@config_option
@json_option
def list_(address: str | None, config_path: Path | None, as_json: bool) -> None:
    """Lists the links to files of ADDRESS, or of everybody."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        if address is not None:
            owners = [(await workplace.principal(address)).id]
        else:
            owners = await workplace.store.read(rows.owners)
        records = []
        for owner in owners:
            found = await workplace.directory.by_id(owner)
            for each in await workplace.store.read(lambda tx, owner=owner: rows.of_owner(tx, owner)):  # type: ignore[misc]
                records.append(
                    {
                        "id": each.link.id,
                        "owner": found.address if found is not None else "",
                        "file": each.name,
                        "until": shown(each.link.expires),
                        "password": bool(each.link.password),
                        "downloads": each.link.downloads,
                    }
                )
        return records

    columns = ("id", "owner", "file", "until", "password", "downloads")
    print_records(as_json, "", work_on(config_path, work), columns)


@link.command("revoke")
@click.argument("address")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@config_option
def revoke(address: str, ids: tuple[str, ...], config_path: Path | None) -> None:
    """Ends links to files of ADDRESS, by the ids that `list` shows."""

    async def work(workplace: Workplace) -> None:
        owner = (await workplace.principal(address)).id
        for id_ in ids:
            if not await workplace.store.write(lambda tx, id_=id_: rows.revoke(tx, owner, id_)):  # type: ignore[misc]
                raise NotFound(f"{address} has no link {id_}")

    work_on(config_path, work)
