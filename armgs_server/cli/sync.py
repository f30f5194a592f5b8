# SPDX-License-Identifier: Apache-2.0
"""`armgs sync`: a department's units and people as the tables of another system have them (RFC 4180)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from armgs_server.administration.sync import PEOPLE_NEED, UNITS_NEED, Missing, Report, Sync
from armgs_server.administration.table_file import Table, parse_table
from armgs_server.cli import exit as exit_codes
from armgs_server.cli.output import Bar, print_json, print_table, remark
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.errors import Invalid

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_COUNTS = ("units_added", "units_changed", "added", "changed", "unchanged", "suspended")


@click.command("sync")
@click.argument("domain")
@click.option("--people", "people_file", type=_FILE, help="CSV: address, name, unit, post, head, telephone …")
@click.option("--units", "units_file", type=_FILE, help="CSV: code, name, parent, address.")
@click.option(
    "--missing",
    type=click.Choice(["keep", "suspend"]),
    default="keep",
    show_default=True,
    help="What becomes of people who are not in the table.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and do nothing.")
@click.option("--strict", is_flag=True, help="One row that is refused, and nothing is done.")
@config_option
@json_option
def sync(
    domain: str,
    people_file: Path | None,
    units_file: Path | None,
    missing: Missing,
    dry_run: bool,
    strict: bool,
    config_path: Path | None,
    as_json: bool,
) -> int:
    """Brings the department of DOMAIN in step with tables; may be run again and again.

    Units are known by their code, people by their address. Without --strict the rows that can be taken are
    taken; each other is told with line and column.
    """
    if people_file is None and units_file is None:
        raise Invalid("name --people, --units or both")
    units = _read(units_file, UNITS_NEED)
    people = _read(people_file, PEOPLE_NEED)

    async def work(workplace: Workplace) -> Report:
        department = await workplace.principal(domain, "department")
        with Bar("Bringing in step", len(people.rows) if people is not None else None) as bar:
            run = Sync(workplace.directory, department, units, people, missing=missing, progress=bar.advance)
            report = await run.run(workplace.office.actor, is_trial=dry_run, strict=strict)
        if not dry_run:
            await workplace.store.analyse()
        return report

    return finish(work_on(config_path, work), as_json)


def _read(file: Path | None, needed: tuple[str, ...]) -> Table | None:
    return None if file is None else parse_table(file.read_bytes(), str(file), needed)


def finish(report: Report, as_json: bool) -> int:
    """Tells what was done, or would be; the exit code."""
    if as_json:
        print_json(dataclasses.asdict(report))
    else:
        if report.refusals:
            rows = [(each.file, each.line, each.column or "", each.reason) for each in report.refusals]
            print_table("Refused", ("file", "line", "column", "reason"), rows)
        remark(", ".join(f"{name.replace('_', ' ')}: {getattr(report, name)}" for name in _COUNTS))
    if not report.refusals:
        return exit_codes.OK
    is_done = any(getattr(report, name) for name in _COUNTS)
    return exit_codes.PARTIAL if is_done else exit_codes.INVALID
