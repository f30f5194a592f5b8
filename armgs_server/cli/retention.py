# SPDX-License-Identifier: Apache-2.0
"""`armgs retention …`: how long things are kept at least, and when they are removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_records
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.storage import holds
from armgs_server.storage.holds import Rule

_kind = click.argument("kind", type=click.Choice(holds.KINDS))


@click.group()
def retention() -> None:
    """Retention rules: set, list, remove."""


@retention.command("set")
@click.argument("address", metavar="ADDRESS|DOMAIN")
@_kind
@click.option(
    "--keep", type=click.IntRange(0), default=0, help="Days that a thing is kept even if it is removed."
)
@click.option(
    "--remove-after", type=click.IntRange(0), default=0, help="Days after which a thing is removed."
)
@config_option
def set_(address: str, kind: str, keep: int, remove_after: int, config_path: Path | None) -> None:
    """Sets the rule for things of a KIND of one person or group, or of a whole department by its domain.

    Days count from the last change; of mail from its arrival in the mailbox. What is kept is seen by nobody
    but `armgs hold items`.
    """
    if not keep and not remove_after:
        raise click.UsageError("--keep or --remove-after says what the rule is")

    async def work(workplace: Workplace) -> None:
        principal = (await workplace.principal(address)).id
        rule = Rule(principal, kind, keep, remove_after)
        await workplace.store.write(lambda tx: holds.put_rule(tx, rule))

    work_on(config_path, work)


@retention.command("remove")
@click.argument("address", metavar="ADDRESS|DOMAIN")
@_kind
@config_option
def remove(address: str, kind: str, config_path: Path | None) -> None:
    """Takes a rule away."""

    async def work(workplace: Workplace) -> None:
        rule = Rule((await workplace.principal(address)).id, kind, 0, 0)
        await workplace.store.write(lambda tx: holds.put_rule(tx, rule))

    work_on(config_path, work)


@retention.command("list")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """Lists the rules."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        records = []
        for rule in await workplace.store.read(holds.all_rules):
            found = await workplace.directory.by_id(rule.principal)
            address = found.address if found is not None else ""
            records.append(
                {"address": address, "kind": rule.kind, "keep": rule.keep, "remove_after": rule.expire}
            )
        return records

    print_records(as_json, "", work_on(config_path, work), ("address", "kind", "keep", "remove_after"))
