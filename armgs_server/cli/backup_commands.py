# SPDX-License-Identifier: Apache-2.0
"""`armgs backup`: the group of its commands. `armgs backup DIR OUT` means `armgs backup file DIR OUT`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from armgs_server.cli import backup_add, backup_trial, backup_verify
from armgs_server.cli import exit as exit_codes
from armgs_server.cli.backup import backup_file
from armgs_server.cli.backup_folder import Folder
from armgs_server.cli.backup_keep import parse_keep
from armgs_server.cli.output import print_record, print_records, remark
from armgs_server.cli.short_form import ShortForm
from armgs_server.cli.times import MOMENT, local
from armgs_server.cli.workplace import check_owner, config_file, config_option, json_option, load_config

MEGABYTE = 1_000_000


class _File(ShortForm):
    default = "file"


@click.group(cls=_File)
def backup() -> None:
    """Backups: into one file, or generation by generation into a folder. The daemon may run."""


backup.add_command(backup_file)
_folder = click.argument("folder", type=click.Path(path_type=Path))
_at = click.option(
    "--at", type=MOMENT, help="The state of this moment: the last backup made before it. Default: the newest."
)


@backup.command()
@_folder
@click.option("--keep", help="What stays: 7d,4w,12m is the last backup of 7 days, 4 weeks, 12 months.")
@click.option("--rate", type=click.IntRange(min=0), help="Megabytes a second at the most; 0 = no limit.")
@config_option
@json_option
def add(folder: Path, keep: str | None, rate: int | None, config_path: Path | None, as_json: bool) -> None:
    """Adds a backup to FOLDER; of large bodies only those that it lacks.

    Afterwards removes what --keep does not keep. [backup] keep and rate count where no option is given.
    """
    config = load_config(config_path)
    check_owner(config.data_dir)
    rules = parse_keep(config.backup.keep if keep is None else keep)
    rate = config.backup.rate if rate is None else rate
    settings = config_file(config_path)
    added = backup_add.add(config, settings, Folder(folder), rules, rate * MEGABYTE)
    record: dict[str, Any] = {
        "generation": added.generation,
        "new_bodies": added.copied.bodies,
        "bytes": added.copied.bytes,
        "removed_generations": added.removed,
        "damaged": added.copied.damaged,
    }
    print_record(as_json, record)
    if added.copied.damaged:
        remark("the store has lost these bodies, or their bytes: earlier generations may have them")
        click.get_current_context().exit(exit_codes.UNHEALTHY)


@backup.command("list")
@_folder
@json_option
def list_generations(folder: Path, as_json: bool) -> None:
    """Shows the backups in FOLDER, the oldest first."""
    found = Folder.existing(folder)
    records = []
    for generation in found.generations():
        records.append(
            {
                "generation": generation.path.name,
                "created": generation.manifest["created"],
                "database": sum(each["size"] for each in generation.manifest["members"].values()),
                "bodies": sum(size for _, size in generation.places()),
                "damaged": len(generation.manifest["damaged"]),
            }
        )
    print_records(as_json, "", records, ("generation", "created", "database", "bodies", "damaged"))


@backup.command()
@_folder
@_at
@click.option("--rate", type=click.IntRange(min=0), default=0, help="Megabytes a second at the most.")
@json_option
def verify(folder: Path, at: datetime | None, rate: int, as_json: bool) -> None:
    """Reads everything in FOLDER again: hashes of all files, the databases, and their counts.

    With --at only one backup and what belongs to it.
    """
    found = Folder.existing(folder)
    generations = found.generations() if at is None else [found.at(local(at))]
    findings = backup_verify.verify(found, generations, rate * MEGABYTE)
    _report([asdict(each) for each in findings], as_json)


@backup.command()
@_folder
@_at
@click.option(
    "--scratch", type=click.Path(path_type=Path), help="Where it is unpacked meanwhile; FOLDER by default."
)
@json_option
def trial(folder: Path, at: datetime | None, scratch: Path | None, as_json: bool) -> None:
    """Restores the newest backup in FOLDER for a moment, opens it as a store and logs in to it."""
    findings = backup_trial.trial(Folder.existing(folder), local(at), scratch)
    _report([asdict(each) for each in findings], as_json)


def _report(findings: list[dict[str, Any]], as_json: bool) -> None:
    print_records(as_json, "", findings, ("generation", "check", "status", "detail"))
    unhealthy = any(each["status"] != "ok" for each in findings)
    click.get_current_context().exit(exit_codes.UNHEALTHY if unhealthy else exit_codes.OK)
