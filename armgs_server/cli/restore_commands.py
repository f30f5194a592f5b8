# SPDX-License-Identifier: Apache-2.0
"""`armgs restore`: of everything, or of a part, into a moment of the past. `armgs restore OUT DIR` means
`armgs restore all OUT DIR`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from armgs_server.cli import exit as exit_codes
from armgs_server.cli import restore_parts, restore_whole
from armgs_server.cli.output import print_json, print_table, remark
from armgs_server.cli.restore import restore as whole
from armgs_server.cli.restore_plan import Result, Wish
from armgs_server.cli.restore_session import Between, between
from armgs_server.cli.short_form import ShortForm
from armgs_server.cli.times import MOMENT, local
from armgs_server.cli.workplace import config_option, json_option
from armgs_server.storage.returned import KINDS

NAMED = 20  # things of one collection in a table; JSON has more of them


class _All(ShortForm):
    default = "all"


@click.group(cls=_All)
def restore() -> None:
    """Brings back everything, or a part, as it was at a moment of the past.

    A part comes into the workplace that is served, beside what is there; the daemon goes on.
    """


restore.add_command(whole, "all")


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What all restores of parts have."""
    for option in (
        click.argument("address"),
        click.argument("folder", type=click.Path(path_type=Path)),
        click.option(
            "--at", type=MOMENT, help="From the last backup made before this moment. Default: the newest."
        ),
        click.option("--in-place", is_flag=True, help="To where it was, and only what is missing there now."),
        click.option(
            "--replace",
            is_flag=True,
            help="With --in-place: what is there in another state gets the old one.",
        ),
        click.option("--missing", is_flag=True, help="Beside, but only what is not there any more."),
        click.option("--dry-run", is_flag=True, help="Only show what would come back."),
        click.option(
            "--scratch",
            type=click.Path(path_type=Path),
            help="Where the backup is opened; FOLDER by default.",
        ),
        config_option,
        json_option,
    ):
        command = option(command)
    return command


@restore.command()
@_options
@click.option("--into", default="", metavar="ADDRESS", help="Into the account of somebody else.")
def person(folder: Path, address: str, into: str, **options: Any) -> None:
    """Brings back what ADDRESS had, or ADDRESS itself where it was removed.

    A group with a mailbox, a room or a piece of equipment is brought back alike.
    """
    _run(folder, options, lambda work, wish, dry: restore_parts.person(work, address, into, wish, dry))


@restore.command()
@_options
def department(folder: Path, address: str, **options: Any) -> None:
    """Brings back the department of the domain ADDRESS: structure, people, and what they had."""
    _run(folder, options, lambda work, wish, dry: restore_whole.department(work, address, wish, dry))


@restore.command()
@_options
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("path")
@click.option("--into", default="", metavar="ADDRESS", help="Into the account of somebody else.")
def collection(folder: Path, address: str, kind: str, path: str, into: str, **options: Any) -> None:
    """Brings back a mailbox, calendar, task list, address book or folder of ADDRESS, and what lies below it.

    A department's domain as ADDRESS means its shared folder; the PATH `/` all files.
    """
    _run(
        folder,
        options,
        lambda work, wish, dry: restore_parts.collection(work, address, into, (kind, path), wish, dry),
    )


@restore.command()
@_options
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("what")
@click.option("--into", default="", metavar="ADDRESS", help="Into the account of somebody else.")
def item(folder: Path, address: str, kind: str, what: str, into: str, **options: Any) -> None:
    """Brings back one message, event, task, contact or file of ADDRESS.

    WHAT is a Message-ID, a UID, or the path of a file; `restore collection --dry-run --json` shows them.
    """
    _run(
        folder,
        options,
        lambda work, wish, dry: restore_parts.item(work, address, into, (kind, what), wish, dry),
    )


def _run(
    folder: Path, options: dict[str, Any], work: Callable[[Between, Wish, bool], Awaitable[Result]]
) -> None:
    at: datetime | None = local(options["at"])
    in_place, dry_run = options["in_place"], options["dry_run"]
    if options["replace"] and not in_place:
        raise click.UsageError("--replace goes with --in-place")
    if options["missing"] and in_place:
        raise click.UsageError("--in-place brings only what is missing: --missing is for beside")

    async def run() -> tuple[Result, dict[str, Any]]:
        async with between(folder, at, options["config_path"], options["scratch"]) as found:
            wish = Wish(found.generation.created, in_place, options["replace"], options["missing"])
            record = {"generation": found.generation.path.name, "dry_run": dry_run}
            return await work(found, wish, dry_run), record

    result, record = asyncio.run(run())
    _print(result, record, options["as_json"])
    code = exit_codes.PARTIAL if result.refused else exit_codes.OK
    click.get_current_context().exit(code)


def _print(result: Result, record: dict[str, Any], as_json: bool) -> None:
    if as_json:
        told = [each.as_record() for each in result.collections]
        totals = {"brought": result.brought, "bytes": result.bytes, "refused": result.refused}
        print_json({**record, **totals, "remarks": result.remarks, "collections": told})
        return
    columns = ("owner", "kind", "path", "new", "same", "differs", "brought", "bytes", "into")
    rows = [[each.as_record()[column] for column in columns] for each in result.collections]
    print_table("", columns, rows, f"from {record['generation']}")
    if record["dry_run"]:
        things = [
            (each.kind, thing["id"], thing["title"], thing["bytes"], thing["state"])
            for each in result.collections
            for thing in each.things[:NAMED]
        ]
        print_table(
            "", ("kind", "id", "title", "bytes", "state"), things, "the first of each; --json has more"
        )
    for each in result.collections:
        for one in each.refused:
            remark(f"refused: {each.kind} {each.path}: {one['title']} ({one['id']}): {one['reason']}")
    for text in result.remarks:
        remark(text)
    verb = "would come back" if record["dry_run"] else "came back"
    remark(f"{result.brought} things, {result.bytes} bytes {verb}")
