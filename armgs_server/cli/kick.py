# SPDX-License-Identifier: Apache-2.0
"""`armgs kick`: ends everything somebody has open, on all hosts."""

from __future__ import annotations

from pathlib import Path

import click

from armgs_server.cli.output import remark
from armgs_server.cli.workplace import Workplace, config_option, work_on
from armgs_server.directory.model import TOPIC_KICK
from armgs_server.storage.tx import Tx


@click.command()
@click.argument("address")
@config_option
def kick(address: str, config_path: Path | None) -> None:
    """Ends the sessions of ADDRESS everywhere, within a second or two.

    Programs log in again by themselves: `armgs user disable` shuts somebody out.
    """

    async def work(workplace: Workplace) -> None:
        number = (await workplace.principal(address, "person")).id

        async def publish(tx: Tx) -> None:
            tx.publish(TOPIC_KICK, b"%d" % number)

        await workplace.store.write(publish)

    work_on(config_path, work)
    remark(f"{address} is disconnected; programs may log in again, unless it is disabled")
