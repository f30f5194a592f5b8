# SPDX-License-Identifier: Apache-2.0
"""`armgs journal …`: a department's journal of mail and that of acts: on, off, list, export, acts, verify."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from armgs_server.cli import exit as exit_codes
from armgs_server.cli import verification
from armgs_server.cli.output import print_record, print_records
from armgs_server.cli.times import range_of, range_options, shown
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.directory.people import Change
from armgs_server.errors import AlreadyExists
from armgs_server.smtp.records import JOURNAL
from armgs_server.storage import journal as entries
from armgs_server.storage.journal import Entry

PAGE = 200


@click.group()
def journal() -> None:
    """Journals: a copy of all mail of a department, which nobody can change unseen."""


@journal.command("on")
@click.argument("domain")
@config_option
def on(domain: str, config_path: Path | None) -> None:
    """From now on every message that people of the department send or get is kept."""
    _switch(config_path, domain, True)


@journal.command("off")
@click.argument("domain")
@config_option
def off(domain: str, config_path: Path | None) -> None:
    """Nothing more is added; what is in the journal stays."""
    _switch(config_path, domain, None)


def _switch(config_path: Path | None, domain: str, value: bool | None) -> None:
    async def work(workplace: Workplace) -> None:
        department = await workplace.principal(domain, "department")
        await workplace.directory.update(department.id, Change(data={JOURNAL: value}))

    work_on(config_path, work)


@journal.command("list")
@click.argument("domain")
@range_options
@config_option
@json_option
def list_(
    domain: str, since: datetime | None, to: datetime | None, config_path: Path | None, as_json: bool
) -> None:
    """Lists the messages of a time."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        return [_record(each) async for each in _entries(workplace, domain, since, to)]

    columns = ("number", "time", "sender", "recipients", "size")
    print_records(as_json, "", work_on(config_path, work), columns)


@journal.command("export")
@click.argument("domain")
@click.argument("out", type=click.Path(path_type=Path))
@range_options
@config_option
@json_option
def export(
    domain: str,
    out: Path,
    since: datetime | None,
    to: datetime | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Writes the messages of a time into the new folder OUT, with journal.jsonl."""
    if out.exists():
        raise AlreadyExists(f"{out} exists already")

    async def work(workplace: Workplace) -> dict[str, Any]:
        out.mkdir(mode=0o700, parents=True)
        count = 0
        with (out / "journal.jsonl").open("w", encoding="utf-8") as index:
            async for each in _entries(workplace, domain, since, to):
                with (out / f"{each.id:08}.eml").open("xb") as file:
                    async for chunk in workplace.store.blobs.stream(each.blob):
                        file.write(chunk)
                index.write(json.dumps(_record(each), ensure_ascii=False) + "\n")
                count += 1
        return {"domain": domain, "folder": str(out), "messages": count}

    print_record(as_json, work_on(config_path, work))


@journal.command("acts")
@click.argument("domain", required=False, default="")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="At most so many."
)
@config_option
@json_option
def acts_(domain: str, limit: int, config_path: Path | None, as_json: bool) -> None:
    """Lists what administrators have done: in a department, or about the whole server; the last first."""

    async def work(workplace: Workplace) -> Any:
        return await workplace.office.run("acts.list", {"domain": domain, "limit": limit})

    found = work_on(config_path, work)["acts"]
    print_records(as_json, "", found, ("number", "time", "actor", "verb", "arguments"))


@journal.command("verify")
@click.argument("domain", required=False, default="")
@config_option
def verify(domain: str, config_path: Path | None) -> int:
    """Follows the chains of mail and of acts from their beginnings; where one is broken, with exit code 9.

    Without DOMAIN those of all departments, of departments that are gone, and of the server.
    """

    async def work(workplace: Workplace) -> list[int]:
        chosen = await verification.owners(workplace, domain)
        return [owner for owner in chosen if await verification.verify(workplace, owner)]

    broken = work_on(config_path, work)
    return exit_codes.UNHEALTHY if broken else exit_codes.OK


async def _entries(
    workplace: Workplace, domain: str, since: datetime | None, to: datetime | None
) -> AsyncIterator[Entry]:
    owner = (await workplace.principal(domain, "department")).id
    begin, end = range_of(since, to)
    last = 0
    while page := await workplace.store.read(
        partial(entries.page, owner=owner, after=last, limit=PAGE, since=begin, to=end)
    ):
        for each in page:
            yield each
        last = page[-1].id


def _record(each: Entry) -> dict[str, Any]:
    return {
        "number": each.id,
        "time": shown(each.moment),
        "sender": each.sender,
        "recipients": json.loads(each.recipients),
        "size": each.size,
        "sha256": each.blob.hex(),
        "chain": each.hash.hex(),
    }
