# SPDX-License-Identifier: Apache-2.0
"""`armgs room …` and `armgs equipment …`: what can be booked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.bookings import rules
from armgs_server.cli.output import print_record, print_records
from armgs_server.cli.users import confirm
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.directory.model import Kind, Principal


@click.group()
def room() -> None:
    """Meeting rooms: add, list, rules, delete."""


@room.command("add")
@click.argument("address")
@click.option("--capacity", type=click.IntRange(min=1), required=True, help="How many people it holds.")
@click.option("--name", default="", help="The room's name.")
@config_option
@json_option
def room_add(address: str, capacity: int, name: str, config_path: Path | None, as_json: bool) -> None:
    """Adds a meeting room with its calendar."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        given = {"address": address, "name": name, "capacity": capacity}
        return _described(await workplace.office.run("rooms.create", given))

    print_record(as_json, work_on(config_path, work))


@room.command("list")
@config_option
@json_option
def room_list(config_path: Path | None, as_json: bool) -> None:
    """Lists meeting rooms."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        return [
            _describe(found)
            for department in await workplace.directory.departments()
            for found in await workplace.directory.rooms(department.id)
        ]

    print_records(as_json, "", work_on(config_path, work), ("address", "name", "capacity"))


room.add_command(rules)


@room.command("delete")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask at a terminal.")
@config_option
def room_delete(address: str, yes: bool, config_path: Path | None) -> None:
    """Deletes a meeting room and its calendar."""
    _delete("room", address, yes, config_path)


@click.group()
def equipment() -> None:
    """Equipment: add, list, rules, delete."""


@equipment.command("add")
@click.argument("address")
@click.option("--name", default="", help="What it is.")
@config_option
@json_option
def equipment_add(address: str, name: str, config_path: Path | None, as_json: bool) -> None:
    """Adds a piece of equipment with its calendar."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        given = {"address": address, "name": name, "kind": "equipment"}
        return _described(await workplace.office.run("rooms.create", given))

    print_record(as_json, work_on(config_path, work))


@equipment.command("list")
@config_option
@json_option
def equipment_list(config_path: Path | None, as_json: bool) -> None:
    """Lists equipment."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        return [
            _describe(found)
            for department in await workplace.directory.departments()
            for found in await workplace.directory.equipment(department.id)
        ]

    print_records(as_json, "", work_on(config_path, work), ("address", "name"))


equipment.add_command(rules)


@equipment.command("delete")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask at a terminal.")
@config_option
def equipment_delete(address: str, yes: bool, config_path: Path | None) -> None:
    """Deletes a piece of equipment and its calendar."""
    _delete("equipment", address, yes, config_path)


def _delete(kind: Kind, address: str, yes: bool, config_path: Path | None) -> None:
    confirm(f"Delete {address} and its calendar?", yes)

    async def work(workplace: Workplace) -> None:
        found = await workplace.principal(address, kind)
        await workplace.office.run("rooms.remove", {"address": found.address})

    work_on(config_path, work)


def _described(made: Mapping[str, Any]) -> dict[str, Any]:
    return {key: made[key] for key in ("address", "name", "capacity") if key in made}


def _describe(resource: Principal) -> dict[str, Any]:
    record: dict[str, Any] = {"address": resource.address, "name": resource.name}
    if resource.kind == "room":
        record["capacity"] = resource.data.get("capacity", 0)
    return record
