# SPDX-License-Identifier: Apache-2.0
"""`armgs suspend` and `armgs remove`: somebody leaves, and a successor has what was the person's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_json
from armgs_server.cli.users import confirm
from armgs_server.cli.workplace import Workplace, config_option, work_on

_successor = click.option("--successor", default="", metavar="ADDRESS", help="Who takes over.")


@click.command("suspend")
@click.argument("address")
@_successor
@config_option
def suspend(address: str, successor: str, config_path: Path | None) -> None:
    """Ends ADDRESS's sessions everywhere at once, until `armgs user enable`.

    The successor reaches mail, tasks, calendars and files, and new mail still arrives.
    """
    _run(config_path, "people.suspend", address, successor)


@click.command("remove")
@click.argument("address")
@_successor
@click.option("--yes", is_flag=True, help="Do not ask at a terminal.")
@config_option
def remove(address: str, successor: str, yes: bool, config_path: Path | None) -> None:
    """Removes ADDRESS; what was the person's is the successor's, without one it is deleted.

    The address stays with what is left, until `armgs group delete ADDRESS`.
    """
    confirm(f"Remove {address}{'' if successor else ' and everything it owns'}?", yes)
    _run(config_path, "people.remove", address, successor)


def _run(config_path: Path | None, verb: str, address: str, successor: str) -> None:
    async def work(workplace: Workplace) -> Any:
        return await workplace.office.run(verb, {"address": address, "successor": successor})

    print_json(work_on(config_path, work))
