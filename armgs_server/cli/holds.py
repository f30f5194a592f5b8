# SPDX-License-Identifier: Apache-2.0
"""`armgs hold …`: legal holds. What their owners remove stays in the store, and they do not notice."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_record, print_records
from armgs_server.cli.removed import removed
from armgs_server.cli.times import range_of, range_options, shown
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.errors import AlreadyExists, NotFound
from armgs_server.storage import holds
from armgs_server.storage.keeping import Kept

ENDINGS = {
    "mail": ".eml",
    "calendar": ".ics",
    "tasks": ".ics",
    "addressbook": ".vcf",
    "files": ".bin",
    "chat": ".xml",
}
FIELDS = ("file", "kind", "path", "name", "removed", "created", "size", "sha256")

_text = click.option("--text", default="", help="Only what has this in its name, its subject or its text.")


@click.group()
def hold() -> None:
    """Legal holds: on, off, list, and what was removed under them."""


@hold.command("on")
@click.argument("address")
@click.option("--reason", default="", help="Why; shown by `hold list`.")
@config_option
def on(address: str, reason: str, config_path: Path | None) -> None:
    """From now on nothing of ADDRESS is gone, whatever is deleted, changed or expired."""

    async def work(workplace: Workplace) -> None:
        owner = (await workplace.principal(address)).id
        await workplace.store.write(lambda tx: holds.put_hold(tx, owner, reason))

    work_on(config_path, work)


@hold.command("off")
@click.argument("address")
@config_option
def off(address: str, config_path: Path | None) -> None:
    """Lifts the hold; what it alone has kept goes within the hour."""

    async def work(workplace: Workplace) -> None:
        owner = (await workplace.principal(address)).id
        if not await workplace.store.write(lambda tx: holds.lift_hold(tx, owner)):
            raise NotFound(f"there is no hold on {address}")

    work_on(config_path, work)


@hold.command("list")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """Lists the holds."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        records = []
        for each in await workplace.store.read(holds.all_holds):
            owner = await workplace.directory.by_id(each.owner)
            address = owner.address if owner is not None else ""
            records.append({"address": address, "since": shown(each.since), "reason": each.reason})
        return records

    print_records(as_json, "", work_on(config_path, work), ("address", "since", "reason"))


@hold.command("items")
@click.argument("address")
@range_options
@_text
@config_option
@json_option
def items_(
    address: str,
    since: datetime | None,
    to: datetime | None,
    text: str,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Lists what ADDRESS has removed and is kept."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        owner = (await workplace.principal(address)).id
        return [_record(each) async for each in removed(workplace, owner, *range_of(since, to), text=text)]

    print_records(as_json, "", work_on(config_path, work), ("kind", "path", "name", "removed", "size"))


@hold.command("export")
@click.argument("address")
@click.argument("out", type=click.Path(path_type=Path))
@range_options
@_text
@config_option
@json_option
def export(
    address: str,
    out: Path,
    since: datetime | None,
    to: datetime | None,
    text: str,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Writes what ADDRESS has removed and is kept into the new folder OUT, with index.tsv.

    What is not removed `armgs export` writes.
    """
    if out.exists():
        raise AlreadyExists(f"{out} exists already")

    async def work(workplace: Workplace) -> dict[str, Any]:
        owner = (await workplace.principal(address)).id
        out.mkdir(mode=0o700, parents=True)
        count = 0
        with (out / "index.tsv").open("w", encoding="utf-8", newline="") as index:
            writer = csv.DictWriter(index, FIELDS, delimiter="\t")
            writer.writeheader()
            async for each in removed(workplace, owner, *range_of(since, to), text=text):
                count += 1
                name = f"{count:06}{ENDINGS[each.kind]}"
                with (out / name).open("xb") as file:
                    async for chunk in workplace.store.blobs.stream(each.blob):
                        file.write(chunk)
                writer.writerow({"file": name, **_record(each)})
        return {"address": address, "folder": str(out), "items": count}

    print_record(as_json, work_on(config_path, work))


def _record(each: Kept) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "path": each.path,
        "name": each.name,
        "removed": shown(each.removed),
        "created": shown(each.created),
        "size": each.size,
        "sha256": each.blob.hex(),
    }
