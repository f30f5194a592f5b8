# SPDX-License-Identifier: Apache-2.0
"""`armgs mail …`: takes back what was sent by mistake; the language of the server's reports."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_record
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.directory.people import Change
from armgs_server.errors import NotFound
from armgs_server.formats import addresses
from armgs_server.service import Core
from armgs_server.smtp import dsn
from armgs_server.smtp import recall as recalling

BOTH = "both"


@click.group()
def mail() -> None:
    """Messages that were sent, and what the server says of them."""


@mail.command("recall")
@click.argument("author")
@click.argument("message_id", metavar="MESSAGE-ID")
@config_option
@json_option
def recall(author: str, message_id: str, config_path: Path | None, as_json: bool) -> None:
    """Removes the unread copies of a message of AUTHOR's, and what of it waits in the queue.

    Who got it is read from the copy in the author's Sent. What somebody has read, or moved, stays.
    """
    identifier = message_id if message_id.startswith("<") else f"<{message_id}>"

    async def work(workplace: Workplace) -> dict[str, Any]:
        person = await workplace.principal(author, "person")
        core = Core(workplace.config, workplace.store, workplace.directory, None)
        return asdict(await recalling.recall(core, person, identifier))

    print_record(as_json, work_on(config_path, work))


@mail.command("language")
@click.argument("who", metavar="ADDRESS|DOMAIN")
@click.argument("language", type=click.Choice((*dsn.LANGUAGES, BOTH)))
@config_option
def language(who: str, language: str, config_path: Path | None) -> None:
    """Chooses the language of delivery reports for a person, or for a department by its domain."""

    async def work(workplace: Workplace) -> None:
        if "@" in who:
            principal = (await workplace.principal(who, "person")).id
        else:
            found = workplace.directory.domains.get(addresses.normalise_domain(who))
            if found is None:
                raise NotFound(f"no department serves {who}")
            principal = found
        chosen = None if language == BOTH else language
        await workplace.directory.update(principal, Change(data={"language": chosen}))

    work_on(config_path, work)
