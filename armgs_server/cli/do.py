# SPDX-License-Identifier: Apache-2.0
"""`armgs do VERB`: every verb of administration, as the API has it; `armgs verbs` lists them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from armgs_server.administration import TABLE, VERBS, Verb
from armgs_server.administration.fields import parse_text
from armgs_server.cli.output import print_json, print_records, print_table
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.directory.effects import KINDS
from armgs_server.errors import Invalid, NotFound


@click.command("verbs")
@json_option
def verbs(as_json: bool) -> None:
    """Lists what `armgs do` and the JSON API can do."""
    records = [
        {
            "verb": verb.name,
            "does": verb.summary,
            "arguments": " ".join(
                name if field.required else f"[{name}]" for name, field in verb.arguments.items()
            ),
        }
        for verb in VERBS
    ]
    print_records(as_json, "", records, ("verb", "arguments", "does"))


@click.command("do")
@click.argument("name", metavar="VERB")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--preview", is_flag=True, help="Show what it would bring about, and do nothing.")
@click.option("--expect", default="", metavar="DIGEST", help="Only if it does what the preview has shown.")
@config_option
@json_option
def do(
    name: str,
    arguments: tuple[str, ...],
    preview: bool,
    expect: str,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Does one thing in one transaction and writes it to the journal of acts.

    Lists are written with commas, objects as JSON: `armgs do people.change address=a@b unit=5`.
    """
    verb = TABLE.get(name)
    if verb is None:
        raise NotFound(f"there is no verb {name}: `armgs verbs` lists them")
    given = _given(verb, arguments)

    async def work(workplace: Workplace) -> Any:
        office = workplace.office
        if not preview:
            return await office.run(name, given, expect=expect)
        _, effects = await office.preview([office.step(name, given)])
        return effects.as_json()

    result = work_on(config_path, work)
    if preview and not as_json:
        _print_effects(result)
    else:
        print_json(result)


def _given(verb: Verb, arguments: Sequence[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for argument in arguments:
        name, sign, text = argument.partition("=")
        field = verb.arguments.get(name)
        if field is None or not sign:
            raise Invalid(f"{verb.name} takes NAME=VALUE of {', '.join(verb.arguments) or 'nothing'}")
        if field.type == "object":
            try:
                given[name] = json.loads(text)
            except ValueError as error:
                raise Invalid(f"{name} is no JSON: {error}") from error
        else:
            given[name] = parse_text(field, text)
    return given


def _print_effects(result: dict[str, Any]) -> None:
    rows = []
    for kind in KINDS:
        for each in result[kind]:
            gained = each.get("gained", [each.get("card", "")])
            rows.append((kind, each["address"], ", ".join(gained), ", ".join(each.get("lost", ()))))
    caption = f"{result['people']} people looked at, {result['missed']} not; --expect {result['digest']}"
    print_table("What will change", ("what", "whose", "gains", "loses"), rows, caption)
