# SPDX-License-Identifier: Apache-2.0
"""`armgs group …`: groups, which are mail lists and may be given rights."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import click

from armgs_server.cli.output import print_record, print_records
from armgs_server.cli.users import confirm
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.directory.model import Principal
from armgs_server.directory.people import Change
from armgs_server.smtp import lists


@click.group()
def group() -> None:
    """Groups: add, list, show, change the members, delete."""


@group.command("add")
@click.argument("address")
@click.option("--name", default="", help="The group's name.")
@click.option(
    "--member", "members", multiple=True, metavar="ADDRESS", help="A person or a group; repeatable."
)
@config_option
@json_option
def add(address: str, name: str, members: tuple[str, ...], config_path: Path | None, as_json: bool) -> None:
    """Adds a group; mail to its address goes to all its members."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        given = {"address": address, "name": name, "members": list(members)}
        made = await workplace.office.run("groups.create", given)
        return await _describe(workplace, await workplace.principal(made["address"], "group"))

    print_record(as_json, work_on(config_path, work))


@group.command("list")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """Lists groups."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        return [
            await _describe(workplace, found)
            for department in await workplace.directory.departments()
            for found in await workplace.directory.groups(department.id)
        ]

    records = work_on(config_path, work)
    shown = records if as_json else [record | {"members": len(record["members"])} for record in records]
    print_records(as_json, "", shown, ("address", "name", "members"))


@group.command("show")
@click.argument("address")
@config_option
@json_option
def show(address: str, config_path: Path | None, as_json: bool) -> None:
    """Shows a group and its members."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        return await _describe(workplace, await workplace.principal(address, "group"))

    print_record(as_json, work_on(config_path, work))


@group.command("member-add")
@click.argument("address")
@click.argument("members", nargs=-1, required=True, metavar="MEMBER...")
@config_option
def member_add(address: str, members: tuple[str, ...], config_path: Path | None) -> None:
    """Puts people or groups into a group."""

    async def work(workplace: Workplace) -> None:
        await workplace.office.run("groups.change", {"address": address, "add": list(members)})

    work_on(config_path, work)


@group.command("member-remove")
@click.argument("address")
@click.argument("members", nargs=-1, required=True, metavar="MEMBER...")
@config_option
def member_remove(address: str, members: tuple[str, ...], config_path: Path | None) -> None:
    """Takes people or groups out of a group."""

    async def work(workplace: Workplace) -> None:
        await workplace.office.run("groups.change", {"address": address, "remove": list(members)})

    work_on(config_path, work)


@group.command("rules")
@click.argument("address")
@click.option("--post", type=click.Choice(get_args(lists.Posters)), help="Who may write to the list.")
@click.option("--moderated/--not-moderated", default=None, help="What others write waits for a moderator.")
@click.option("--moderator", "moderators", multiple=True, metavar="ADDRESS", help="Who decides; repeatable.")
@click.option("--join/--no-join", default=None, help="People of the department may join by mail.")
@click.option("--leave/--no-leave", default=None, help="Members may leave by mail.")
@click.option("--archive", metavar="URL", help="Where earlier messages are; empty: nowhere.")
@config_option
@json_option
def rules(
    address: str,
    post: lists.Posters | None,
    moderated: bool | None,
    moderators: tuple[str, ...],
    join: bool | None,
    leave: bool | None,
    archive: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Shows or changes who may write to a list, join it and leave it."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        found = await workplace.principal(address, "group", "unit")
        people = tuple([(await workplace.principal(each, "person")).address for each in moderators])
        given: dict[str, Any] = {
            "post": post,
            "is_moderated": moderated,
            "moderators": people or None,
            "may_join": join,
            "may_leave": leave,
            "archive": None if archive is None else lists.check_archive(archive),
        }
        changed = replace(
            lists.rules_of(found.data), **{key: value for key, value in given.items() if value is not None}
        )
        if changed != lists.rules_of(found.data):
            kept = lists.serialise_rules(changed) or None
            await workplace.directory.update(found.id, Change(data={lists.KEY: kept}))
        return {"address": found.address, **asdict(changed)}

    print_record(as_json, work_on(config_path, work))


@group.command("delete")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask at a terminal.")
@config_option
def delete(address: str, yes: bool, config_path: Path | None) -> None:
    """Deletes a group; its members stay."""
    confirm(f"Delete the group {address}?", yes)

    async def work(workplace: Workplace) -> None:
        await workplace.office.run("groups.remove", {"address": address})

    work_on(config_path, work)


async def _describe(workplace: Workplace, found: Principal) -> dict[str, Any]:
    members = await workplace.directory.direct_members(found)
    return {"address": found.address, "name": found.name, "members": [member.address for member in members]}
