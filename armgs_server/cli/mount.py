# SPDX-License-Identifier: Apache-2.0
"""`armgs mount`: how somebody's files become a drive of the computer, as the page /mount says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_json
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.errors import Invalid
from armgs_server.portal import mounting
from armgs_server.portal.endpoints import find_endpoints
from armgs_server.portal.texts_mounting import TEXTS


@click.command()
@click.argument("address")
@click.option("--system", type=click.Choice(mounting.SYSTEMS), help="One system alone.")
@click.option("--lang", type=click.Choice(sorted(TEXTS)), default="en", show_default=True, help="Language.")
@config_option
@json_option
def mount(address: str, system: str | None, lang: str, config_path: Path | None, as_json: bool) -> None:
    """Prints how to open the files of ADDRESS as a drive or a folder of the computer."""

    async def work(workplace: Workplace) -> list[mounting.Instruction]:
        found = await workplace.principal(address)
        if not mounting.is_plain(found.address):
            raise Invalid(TEXTS[lang]["mount_address"])
        config = workplace.config
        endpoints = find_endpoints(config, has_tls=bool(config.tls.certificate))
        return [
            each for each in mounting.instructions(endpoints, found.address) if system in (None, each.system)
        ]

    made = work_on(config_path, work)
    if as_json:
        print_json([_record(each) for each in made])
        return
    texts = TEXTS[lang]
    for each in made:
        click.secho(texts[f"mount_{each.system}"], bold=True)
        click.echo(texts[f"mount_{each.system}_text"])
        click.echo(f"{texts['mount_open']}: {each.place}")
        click.echo(f"{texts['mount_type']}:")
        for line in each.lines:
            click.echo(f"  {line}")
        click.echo()


def _record(instruction: mounting.Instruction) -> dict[str, Any]:
    return {"system": instruction.system, "place": instruction.place, "lines": list(instruction.lines)}
