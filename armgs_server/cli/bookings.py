# SPDX-License-Identifier: Apache-2.0
"""`armgs room rules` and `armgs equipment rules`: when and by whom something can be booked.

What the rules mean is in dav/scheduling_rooms.py; `--clear` takes away those that are there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_record
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.directory.people import Change
from armgs_server.errors import Invalid
from armgs_server.formats import timezones

RULES = ("hours", "buffer", "horizon", "bookers", "managers", "approval", "features")
_HOURS = re.compile(
    r"((?:MO|TU|WE|TH|FR|SA|SU)(?:,(?:MO|TU|WE|TH|FR|SA|SU))*)"
    r" ([01]\d:[0-5]\d|2[0-3]:[0-5]\d)-([01]\d:[0-5]\d|2[0-3]:[0-5]\d|24:00) (\S+)"
)


def parse_hours(text: str) -> dict[str, str]:
    """Opening hours as the directory keeps them; Invalid."""
    match = _HOURS.fullmatch(text.strip())
    if match is None or match[2] >= match[3]:
        raise Invalid('opening hours look like "MO,TU,WE,TH,FR 09:00-18:00 Europe/Moscow"')
    if timezones.named(match[4]) is None:
        raise Invalid(f"{match[4]} is no time zone")
    return {"days": match[1], "from": match[2], "until": match[3], "zone": match[4]}


@click.command("rules")
@click.argument("address")
@click.option("--hours", help='Opening hours: "MO,TU,WE,TH,FR 09:00-18:00 Europe/Moscow".')
@click.option("--buffer", type=click.IntRange(0, 1440), help="Minutes kept free before and after.")
@click.option("--horizon", type=click.IntRange(1, 3660), help="Days ahead that may be booked.")
@click.option("--booker", "bookers", multiple=True, help="Who may book: a person, group or unit. Repeatable.")
@click.option("--manager", "managers", multiple=True, help="Who approves, and books unasked. Repeatable.")
@click.option("--approval/--no-approval", default=None, help="Whether a manager must accept each booking.")
@click.option("--feature", "features", multiple=True, help="What it has. Repeatable.")
@click.option("--clear", is_flag=True, help="Take away the rules that are there.")
@config_option
@json_option
def rules(address: str, clear: bool, config_path: Path | None, as_json: bool, **given: Any) -> None:
    """Sets and shows the rules of booking."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        resource = await workplace.principal(address, "room", "equipment")
        data: dict[str, Any] = dict.fromkeys(RULES) if clear else {}
        for name in ("buffer", "horizon", "approval"):
            if given[name] is not None:
                data[name] = given[name]
        if given["hours"] is not None:
            data["hours"] = parse_hours(given["hours"])
        if given["features"]:
            data["features"] = list(given["features"])
        for name in ("bookers", "managers"):
            if given[name]:
                found = [await workplace.principal(each, "person", "group", "unit") for each in given[name]]
                data[name] = [each.id for each in found]
        await workplace.directory.update(resource.id, Change(data=data))
        kept = (await workplace.principal(address)).data
        return {"address": resource.address, **{name: kept[name] for name in RULES if name in kept}}

    print_record(as_json, work_on(config_path, work))
