# SPDX-License-Identifier: Apache-2.0
"""`armgs trace`: did it arrive? What mailboxes, archives, calendars, queue and log know of a message, of
somebody's mail, or of an id that somebody was shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from armgs_server import trace_id
from armgs_server.cli import exit as exit_codes
from armgs_server.cli import mail_log, trace_steps
from armgs_server.cli.findings import LANGUAGES, Language, Texts, language_of_terminal, say
from armgs_server.cli.mail_log import Line
from armgs_server.cli.output import print_json, print_table, remark
from armgs_server.cli.trace_steps import EVENTS_LIMIT, FOR_DEVICE, IN_ARCHIVE, IN_CALENDAR, IN_MAILBOX, Step
from armgs_server.cli.workplace import config_option, json_option, work_on
from armgs_server.errors import Invalid, Unusable
from armgs_server.formats.addresses import normalise
from armgs_server.storage import clock

DAYS = 7.0

TEXTS: Texts = {
    "arrived": ("Доставлено: {where}.", "It has arrived: {where}."),
    "kept": ("В архиве чата: {where}.", "It is in the chat archive of: {where}."),
    "entered": ("В календаре: {where}.", "It is in the calendar of: {where}."),
    "logged": ("Об этом знает только журнал.", "Only the log knows of it."),
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
    IN_MAILBOX: "arrived",
    IN_ARCHIVE: "kept",
    IN_CALENDAR: "entered",
    FOR_DEVICE: "waits",
    "waits": "waits",
    "held": "waits",
    "postponed": "waits",
    "relayed": "relayed",
    "returned": "returned",
    "message refused": "refused",
    "message refused by its recipient": "refused",
}


_ORDER = ("arrived", "waits", "relayed", "returned", "refused", "kept", "entered")


@click.command()
@click.argument("what", metavar="ID|MESSAGE-ID|ADDRESS")
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

    ID is what a client was shown: in the server's reply to a message, in a report, in X-Request-Id. A chat
    message is found by its stanza id, a meeting by its UID. A Message-ID is given with its angle brackets or
    without; quote it for the shell.
    """
    since = clock.now() - int(days * 24 * clock.HOUR)
    number = trace_id.parse(what)
    is_address = not what.startswith("<") and _is_address(what)
    lines = _lines(log_file, unit, days, number)
    if number:
        own = [line for line in lines if line.trace == number]
        named = [line.fields["message_id"] for line in own if line.fields.get("message_id")]
        steps: list[Step] = work_on(
            config_path, partial(trace_steps.of_trace, trace=number, message_ids=named)
        )
    else:
        work = partial(trace_steps.of_address if is_address else trace_steps.of_thing, what=what, since=since)
        steps = work_on(config_path, work)
    if is_address and not steps and not any(line.names(what) for line in lines):
        is_address = False  # the forms are alike: try it as a Message-ID
        steps = work_on(config_path, partial(trace_steps.of_thing, what=what, since=since))
    known = {step.id for step in steps if step.id} | ({number} if number else set())
    steps += trace_steps.of_lines(lines, what, is_address, known)
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


def _lines(log_file: Path | None, unit: str, days: float, number: str) -> list[Line]:
    if log_file is not None:
        with log_file.open(encoding="utf-8", errors="replace") as file:
            return list(mail_log.parse(file))
    try:
        return mail_log.from_journal(unit, days, number)
    except Unusable as error:
        remark(f"armgs: {error}")
        return []


def _verdict(steps: Sequence[Step]) -> tuple[str, str]:
    """The best that can be said, and of whom: a copy here counts more than an earlier trouble."""
    for wanted in _ORDER:
        who = [step.recipient for step in steps if _VERDICTS.get(step.event) == wanted]
        if wanted == "waits":  # what was postponed may have gone since
            settled = {step.recipient for step in steps if step.event in ("relayed", "returned")}
            who = [each for each in who if each not in settled]
        if who:
            return wanted, ", ".join(dict.fromkeys(who))
    return "logged" if steps else "unknown", ""


def _record(step: Step) -> dict[str, Any]:
    return {
        "when": f"{datetime.fromtimestamp(step.moment, UTC):%Y-%m-%d %H:%M:%S}",
        "event": step.event,
        "id": step.id,
        "from": step.sender,
        "to": step.recipient,
        "detail": step.detail,
    }
