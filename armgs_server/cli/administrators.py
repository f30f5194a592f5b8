# SPDX-License-Identifier: Apache-2.0
"""`armgs administrator …`: who administers a department (directory.administrators)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_records
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.directory.administrators import KEY, set_administrators
from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound


@click.group()
def administrator() -> None:
    """Who may add, disable and look after the people of a department: list, add, remove."""


@administrator.command("list")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """Lists administrators; those of [security] administrators administer every department."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        records = [
            {"department": "*", "address": address, "name": ""}
            for address in workplace.config.security.administrators
        ]
        for department in await workplace.directory.departments():
            for number in department.data.get(KEY, ()):
                found = await workplace.directory.by_id(number)
                if found is not None:
                    record = {"address": found.address, "name": found.name}
                    records.append({"department": department.name, **record})
        return records

    print_records(as_json, "", work_on(config_path, work), ("department", "address", "name"))


@administrator.command("add")
@click.argument("domain")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@config_option
def add(domain: str, addresses: tuple[str, ...], config_path: Path | None) -> None:
    """Makes people, or all members of groups, administrators of the department that serves DOMAIN."""
    _change(config_path, domain, addresses, lambda before, named: [*before, *named])


@administrator.command("remove")
@click.argument("domain")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@config_option
def remove(domain: str, addresses: tuple[str, ...], config_path: Path | None) -> None:
    """Takes the right from people or groups again."""
    _change(config_path, domain, addresses, lambda before, named: [id_ for id_ in before if id_ not in named])


def _change(
    config_path: Path | None,
    domain: str,
    addresses: tuple[str, ...],
    change: Callable[[list[int], list[int]], list[int]],
) -> None:
    async def work(workplace: Workplace) -> None:
        department = await _department(workplace, domain)
        named = [(await workplace.principal(address, "person", "group", "unit")).id for address in addresses]
        chosen = change(list(department.data.get(KEY, ())), named)
        await set_administrators(workplace.directory, department, chosen)

    work_on(config_path, work)


async def _department(workplace: Workplace, domain: str) -> Principal:
    number = workplace.directory.domains.get(domain.lower())
    found = await workplace.directory.by_id(number) if number is not None else None
    if found is None:
        raise NotFound(f"{domain} is not a domain of this server")
    return found
