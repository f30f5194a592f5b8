# SPDX-License-Identifier: Apache-2.0
"""`armgs absence …`: somebody is away; mail answers, the calendar shows it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_record
from armgs_server.cli.times import moment_of, shown
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.errors import NotFound
from armgs_server.rules.away import clear_absence, set_absence
from armgs_server.storage import absences, clock
from armgs_server.storage.absences import Absence

MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"])


@click.group()
def absence() -> None:
    """When somebody is away, said once for mail and calendar."""


@absence.command("set")
@click.argument("address")
@click.option("--from", "starts", type=MOMENT, required=True, help="The first day, or moment, local time.")
@click.option("--until", "ends", type=MOMENT, required=True, help="The day, or moment, of the return.")
@click.option("--text", "inside", required=True, help="What colleagues are told.")
@click.option("--outside", help="What others are told; the same if not given; '' tells them nothing.")
@click.option("--deputy", default="", help="Who answers meanwhile: named in what is told.")
@config_option
def set_(
    address: str,
    starts: datetime,
    ends: datetime,
    inside: str,
    outside: str | None,
    deputy: str,
    config_path: Path | None,
) -> None:
    """ADDRESS is away: their mail is answered, once for each sender a week, and their calendar is busy."""

    async def work(workplace: Workplace) -> None:
        owner = (await workplace.principal(address, "person")).id
        stands_in = (await workplace.principal(deputy, "person")).id if deputy else 0
        made = Absence(
            owner,
            moment_of(starts),
            moment_of(ends),
            inside,
            inside if outside is None else outside,
            stands_in,
        )
        await set_absence(workplace.store, made, clock.now())

    work_on(config_path, work)


@absence.command()
@click.argument("address")
@config_option
@json_option
def show(address: str, config_path: Path | None, as_json: bool) -> None:
    """The absence of ADDRESS."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        owner = (await workplace.principal(address, "person")).id
        found = await workplace.store.read(lambda tx: absences.of(tx, owner))
        if found is None:
            raise NotFound(f"{address} is not away")
        deputy = await workplace.directory.by_id(found.deputy) if found.deputy else None
        return {
            "from": shown(found.starts),
            "until": shown(found.ends),
            "inside": found.inside,
            "outside": found.outside,
            "deputy": deputy.address if deputy is not None else "",
        }

    print_record(as_json, work_on(config_path, work))


@absence.command()
@click.argument("address")
@config_option
def clear(address: str, config_path: Path | None) -> None:
    """ADDRESS is there again."""

    async def work(workplace: Workplace) -> None:
        owner = (await workplace.principal(address, "person")).id
        if not await clear_absence(workplace.store, owner):
            raise NotFound(f"{address} is not away")

    work_on(config_path, work)
