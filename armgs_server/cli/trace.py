# SPDX-License-Identifier: Apache-2.0
"""`armgs trace`: did it arrive? What mailboxes, queue and log know of a message, or of somebody's mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from armgs_server.cli import exit as exit_codes
from armgs_server.cli import mail_log
from armgs_server.cli.findings import LANGUAGES, Language, Texts, language_of_terminal, say
from armgs_server.cli.mail_log import Line
from armgs_server.cli.output import print_json, print_table, remark
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.errors import DomainError, Invalid, Unusable
from armgs_server.formats.addresses import normalise
from armgs_server.smtp import header
from armgs_server.storage import clock, queue, tracing
from armgs_server.storage.queue import Entry

DAYS = 7.0
QUEUED = 10_000  # rows of the queue that are looked at
HEADER_LIMIT = 256 * 1024
OWNERS = 200  # whose mailboxes one read goes through
EVENTS_LIMIT = 1000

TEXTS: Texts = {
    "arrived": ("Доставлено: {where}.", "It has arrived: {where}."),
    "relayed": (
        "Передано серверу получателя: {where}. Дальше знает только он.",
        "It was handed to the recipient's server: {where}. Further only that server knows.",
    ),
    "waits": ("Ждёт отправки: {where}.", "It waits to be sent: {where}."),
    "returned": ("Не доставлено, отправителю сообщено: {where}.", "It was returned to its sender: {where}."),
    "refused": ("Не принято: {where}.", "It was refused: {where}."),
    "unknown": ("Об этом ничего не известно.", "Nothing is known of it."),
    "columns": ("когда,что,номер,от кого,кому,подробно", "when,what,id,from,to,detail"),
}
_VERDICTS = {
    "in mailbox": "arrived",
    "waits": "waits",
    "held": "waits",
    "postponed": "waits",
    "relayed": "relayed",
    "returned": "returned",
    "message refused": "refused",
    "message refused by its recipient": "refused",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that has happened to a message."""

    moment: float  # seconds since 1970
    event: str
    id: str
    sender: str
    recipient: str
    detail: str


@click.command()
@click.argument("what", metavar="MESSAGE-ID|ADDRESS")
@click.option("--days", default=DAYS, show_default=True, help="How far back.")
@click.option("--unit", default="armgs", show_default=True, help="The systemd unit whose journal is read.")
@click.option("--log", "log_file", type=click.Path(path_type=Path), help="Read this log, not the journal.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Instead of the terminal's.")
@config_option
@json_option
def trace(
    what: str,
    days: float,
    unit: str,
    log_file: Path | None,
    language: Language | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Tells what became of a message, or of all mail from and to ADDRESS. Exit code 3: nothing is known.

    A Message-ID is given with its angle brackets or without; quote it for the shell.
    """
    is_address = not what.startswith("<") and _is_address(what)
    lines = _lines(log_file, unit, days)
    since = clock.now() - int(days * 24 * clock.HOUR)
    work = partial(_of_address if is_address else _of_message, what=what, since=since)
    steps: list[Step] = work_on(config_path, work)
    if is_address and not steps and not any(line.names(what) for line in lines):
        is_address = False  # the forms are alike: try it as a Message-ID
        steps = work_on(config_path, partial(_of_message, what=what, since=since))
    steps += _logged(lines, what, is_address, {step.id for step in steps if step.id})
    steps.sort(key=lambda step: step.moment)
    spoken = language or language_of_terminal()
    verdict, where = _verdict(steps)
    if as_json:
        print_json({"verdict": verdict, "steps": [_record(step) for step in steps]})
    else:
        if steps:
            rows = [tuple(_record(step).values()) for step in steps[-EVENTS_LIMIT:]]
            print_table("", say(TEXTS, spoken, "columns").split(","), rows)
        if not is_address or not steps:
            click.echo(say(TEXTS, spoken, verdict, {"where": where}))
    click.get_current_context().exit(exit_codes.OK if steps else exit_codes.NOT_FOUND)


def _is_address(text: str) -> bool:
    try:
        return "@" in normalise(text)
    except Invalid:
        return False


def _lines(log_file: Path | None, unit: str, days: float) -> list[Line]:
    if log_file is not None:
        with log_file.open(encoding="utf-8", errors="replace") as file:
            return list(mail_log.parse(file))
    try:
        return mail_log.from_journal(unit, days)
    except Unusable as error:
        remark(f"armgs: {error}")
        return []


async def _of_message(workplace: Workplace, what: str, since: int) -> list[Step]:
    """Copies in mailboxes, whoever has them, and recipients in the queue."""
    message_id = what if what.startswith("<") else f"<{what}>"
    steps: list[Step] = []
    after = 0
    while True:
        page = await workplace.store.read(
            partial(tracing.copies, message_id=message_id, since=since, after=after, limit=OWNERS)
        )
        for copy in page.copies:
            steps.append(await _step(workplace, copy))
        if page.last is None:
            break
        after = page.last
    waiting = await workplace.store.read(lambda tx: queue.scan(tx, limit=QUEUED))
    heads: dict[bytes, str] = {}
    for entry in waiting:
        if entry.blob not in heads:
            heads[entry.blob] = await _message_id(workplace, entry)
        if heads[entry.blob] == message_id:
            steps.append(_queued(entry))
    return steps


async def _of_address(workplace: Workplace, what: str, since: int) -> list[Step]:
    """What lies in the person's mailboxes, and what is on its way to or from the address."""
    address = normalise(what)
    steps: list[Step] = []
    principal = await workplace.directory.by_address(address)
    if principal is not None:
        found = await workplace.store.read(
            partial(tracing.arrived, owner=principal.id, since=since, limit=EVENTS_LIMIT)
        )
        steps += [await _step(workplace, copy) for copy in found]
    for scan in (partial(queue.scan, recipient=address), partial(queue.scan, sender=address)):
        waiting = await workplace.store.read(partial(scan, limit=EVENTS_LIMIT))
        steps += [_queued(entry) for entry in waiting]
    return steps


async def _step(workplace: Workplace, copy: tracing.Copy) -> Step:
    owner = await workplace.directory.by_id(copy.owner)
    name = owner.address if owner is not None else f"#{copy.owner}"
    moment = copy.created / clock.SECOND
    return Step(moment, "in mailbox", "", copy.sender, name, f"{copy.mailbox}, uid {copy.uid}")


def _queued(entry: Entry) -> Step:
    detail = f"attempts {entry.attempts}" + (f": {entry.last_error}" if entry.last_error else "")
    event = "held" if entry.is_held else "waits"
    number = str(entry.data.get("id", ""))
    return Step(entry.created / clock.SECOND, event, number, entry.sender, entry.recipient, detail)


async def _message_id(workplace: Workplace, entry: Entry) -> str:
    skip = int(entry.data.get("skip", 0))
    try:
        head = await workplace.store.blobs.read(entry.blob, start=skip, end=skip + HEADER_LIMIT)
    except DomainError as error:
        remark(f"armgs: queue {entry.id:x}: {error}")
        return ""
    return header.message_id(head.partition(b"\r\n\r\n")[0])


def _logged(lines: Sequence[Line], what: str, is_address: bool, known: set[str]) -> list[Step]:
    """Lines that name it, then those that name the same ids."""
    message_id = what if what.startswith("<") else f"<{what}>"
    ids = known | {
        line.fields.get("id", "")
        for line in lines
        if (line.names(what) if is_address else line.fields.get("message_id") == message_id)
    }
    ids.discard("")
    return [_of_line(line) for line in lines if line.fields.get("id") in ids]


def _of_line(line: Line) -> Step:
    fields = line.fields
    detail = fields.get("answer") or fields.get("message_id", "")
    recipient = fields.get("recipient") or fields.get("to", "")
    return Step(
        line.moment, line.event, fields.get("id", ""), fields.get("sender", "") or "<>", recipient, detail
    )


def _verdict(steps: Sequence[Step]) -> tuple[str, str]:
    """The best that can be said, and of whom: a copy here counts more than an earlier trouble."""
    for wanted in ("arrived", "waits", "relayed", "returned", "refused"):
        who = [step.recipient for step in steps if _VERDICTS.get(step.event) == wanted]
        if wanted == "waits":  # what was postponed may have gone since
            settled = {step.recipient for step in steps if step.event in ("relayed", "returned")}
            who = [each for each in who if each not in settled]
        if who:
            return wanted, ", ".join(dict.fromkeys(who))
    return "unknown", ""


def _record(step: Step) -> dict[str, Any]:
    return {
        "when": f"{datetime.fromtimestamp(step.moment, UTC):%Y-%m-%d %H:%M:%S}",
        "event": step.event,
        "id": step.id,
        "from": step.sender,
        "to": step.recipient,
        "detail": step.detail,
    }
