# SPDX-License-Identifier: Apache-2.0
"""`armgs user …`: the people of the workplace."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_record, print_records
from armgs_server.cli.workplace import Workplace, config_option, json_option, read_password, work_on
from armgs_server.directory.model import Principal, check_address
from armgs_server.errors import Invalid
from armgs_server.storage import accounts


@click.group()
def user() -> None:
    """People: add, list, show, change the password, disable, enable, delete."""


@user.command("add")
@click.argument("address")
@click.option("--name", default="", help="The full name.")
@click.option("--unit", default="", help="The unit's name; a unit that is missing is made.")
@click.option("--post", default="", help="The post held.")
@click.option("--head", is_flag=True, help="Leads the unit, or the department where no unit is given.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@config_option
@json_option
def add(
    address: str,
    name: str,
    unit: str,
    post: str,
    head: bool,
    password_stdin: bool,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Adds a person. Without a password nobody can log in yet."""
    password = read_password() if password_stdin else None

    async def work(workplace: Workplace) -> dict[str, Any]:
        person = await create(workplace, address, password, name, unit, post, head)
        return await describe(workplace, person)

    print_record(as_json, work_on(config_path, work))


async def create(
    workplace: Workplace,
    address: str,
    password: str | None,
    name: str,
    unit: str,
    post: str,
    head: bool = False,
    data: Mapping[str, str] | None = None,
) -> Principal:
    """A person in the department that serves the address's domain."""
    domain = check_address(address).rpartition("@")[2]
    department = workplace.directory.domains.get(domain)
    if department is None:
        raise Invalid(f"{domain} is not a domain of this server")
    number = await workplace.unit(department, unit)
    return await workplace.directory.create_person(
        address, name, unit=number, post=post, head=head, password=password, data=data
    )


@user.command("list")
@click.option("--domain", default="", help="Only the department that serves this domain.")
@config_option
@json_option
def list_(domain: str, config_path: Path | None, as_json: bool) -> None:
    """Lists people."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        records = []
        for department in await workplace.directory.departments():
            if domain and workplace.directory.domains.get(domain.lower()) != department.id:
                continue
            for person in await workplace.directory.people(department.id):
                records.append(await summary(workplace, person))
        return records

    columns = ("address", "name", "unit", "post", "disabled")
    print_records(as_json, "", work_on(config_path, work), columns)


@user.command("show")
@click.argument("address")
@config_option
@json_option
def show(address: str, config_path: Path | None, as_json: bool) -> None:
    """Shows one person with groups, other addresses and what is stored."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        return await describe(workplace, await workplace.principal(address, "person"))

    print_record(as_json, work_on(config_path, work))


@user.command("password")
@click.argument("address")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@config_option
def password(address: str, password_stdin: bool, config_path: Path | None) -> None:
    """Sets a new password; whoever is logged in with the old one is logged out."""
    new = read_password()

    async def work(workplace: Workplace) -> None:
        person = await workplace.principal(address, "person")
        await workplace.office.run("people.password", {"address": person.address, "password": new})

    work_on(config_path, work)


@user.command("disable")
@click.argument("address")
@config_option
def disable(address: str, config_path: Path | None) -> None:
    """Shuts a person out at once; everything owned stays."""

    async def work(workplace: Workplace) -> None:
        await workplace.office.run("people.suspend", {"address": address})

    work_on(config_path, work)


@user.command("enable")
@click.argument("address")
@config_option
def enable(address: str, config_path: Path | None) -> None:
    """Lets a disabled person in again."""

    async def work(workplace: Workplace) -> None:
        await workplace.office.run("people.restore", {"address": address})

    work_on(config_path, work)


@user.command("delete")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask at a terminal.")
@config_option
def delete(address: str, yes: bool, config_path: Path | None) -> None:
    """Deletes a person with all mail, calendars, contacts, files and chat."""
    confirm(f"Delete {address} and everything it owns?", yes)

    async def work(workplace: Workplace) -> None:
        await workplace.office.run("people.remove", {"address": address})

    work_on(config_path, work)


def confirm(question: str, yes: bool) -> None:
    """Asks whoever sits at a terminal; a script has said what it wants by running the command."""
    if not yes and sys.stdin.isatty():
        click.confirm(question, abort=True)


async def summary(workplace: Workplace, person: Principal) -> dict[str, Any]:
    """The fields of a list."""
    unit = await workplace.directory.by_id(person.unit) if person.unit else None
    department = await workplace.directory.by_id(person.department)
    return {
        "address": person.address,
        "name": person.name,
        "department": department.name if department else "",
        "unit": unit.name if unit else "",
        "post": person.post,
        "head": person.head,
        "disabled": person.disabled,
    }


async def describe(workplace: Workplace, person: Principal) -> dict[str, Any]:
    """Everything that is told about one person."""
    groups = [
        found.address or found.name
        for number in sorted(await workplace.directory.groups_of(person))
        if (found := await workplace.directory.by_id(number)) is not None and found.kind == "group"
    ]
    usage = await workplace.store.read(lambda tx: accounts.usage(tx, person.id))
    return {
        **await summary(workplace, person),
        "aliases": await workplace.directory.aliases(person),
        "groups": groups,
        "items": usage.items,
        "bytes": usage.bytes,
        "quota": usage.quota,
    }
