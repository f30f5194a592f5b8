# SPDX-License-Identifier: Apache-2.0
"""`armgs sieve …`: mail rules of people, and of whole departments, whose script runs before theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import click

from armgs_server.cli.output import print_records, remark
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.errors import Invalid
from armgs_server.rules.sieve.checking import check as check_script
from armgs_server.rules.sieve.program import serialise
from armgs_server.storage import accounts, clock, sieve
from armgs_server.storage.tx import Tx

COLUMNS = ("name", "active", "size")


@click.group("sieve")
def rules() -> None:
    """Mail rules: of a person by the address, of a department by a domain of it."""


async def _owner(workplace: Workplace, address: str) -> int:
    return (await workplace.principal(address, "person", "group", "department")).id


@rules.command("list")
@click.argument("address")
@config_option
@json_option
def list_(address: str, config_path: Path | None, as_json: bool) -> None:
    """The scripts of ADDRESS."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        owner = await _owner(workplace, address)
        found = await workplace.store.read(lambda tx: sieve.listed(tx, owner))
        return [{"name": each.name, "active": each.is_active, "size": each.size} for each in found]

    print_records(as_json, f"Scripts of {address}", work_on(config_path, work), COLUMNS)


@rules.command()
@click.argument("address")
@click.argument("name")
@config_option
def show(address: str, name: str, config_path: Path | None) -> None:
    """Writes the script NAME of ADDRESS to standard output."""

    async def work(workplace: Workplace) -> bytes:
        owner = await _owner(workplace, address)
        return (await workplace.store.read(lambda tx: sieve.get(tx, owner, name))).text

    click.echo(work_on(config_path, work), nl=False)


@rules.command()
@click.argument("address")
@click.argument("name")
@click.argument("file", type=click.File("rb"))
@click.option("--activate", is_flag=True, help="It runs from now on.")
@config_option
def put(address: str, name: str, file: BinaryIO, activate: bool, config_path: Path | None) -> None:
    """Checks the script in FILE (- for standard input), and keeps it as NAME of ADDRESS."""
    text = file.read()

    async def work(workplace: Workplace) -> tuple[str, ...]:
        owner, limits = await _owner(workplace, address), workplace.config.sieve
        if len(text) > limits.script_size:
            raise Invalid("the script is too large")
        checked = check_script(text, limits.nesting)
        program, now = serialise(checked.program), clock.now()

        async def write(tx: Tx) -> None:
            await accounts.provide(tx, owner)
            await sieve.put(tx, owner, name, text, program, now)
            if activate:
                await sieve.activate(tx, owner, name)

        await workplace.store.write(write)
        return checked.warnings

    for warning in work_on(config_path, work):
        remark(warning)


@rules.command()
@click.argument("address")
@click.argument("name", default="")
@config_option
def activate(address: str, name: str, config_path: Path | None) -> None:
    """The script NAME of ADDRESS runs from now on; without NAME none does."""

    async def work(workplace: Workplace) -> None:
        owner = await _owner(workplace, address)
        await workplace.store.write(lambda tx: sieve.activate(tx, owner, name))

    work_on(config_path, work)


@rules.command()
@click.argument("address")
@click.argument("name")
@config_option
def delete(address: str, name: str, config_path: Path | None) -> None:
    """Removes the script NAME of ADDRESS; not the active one."""

    async def work(workplace: Workplace) -> None:
        owner = await _owner(workplace, address)
        await workplace.store.write(lambda tx: sieve.delete(tx, owner, name))

    work_on(config_path, work)


@rules.command()
@click.argument("file", type=click.File("rb"))
@config_option
def check(file: BinaryIO, config_path: Path | None) -> None:
    """Says what is wrong with the script in FILE."""
    text = file.read()

    async def work(workplace: Workplace) -> tuple[str, ...]:
        return check_script(text, workplace.config.sieve.nesting).warnings

    for warning in work_on(config_path, work):
        remark(warning)
