# SPDX-License-Identifier: Apache-2.0
"""`armgs queue …`: mail on its way to other servers, and mail that waits for its time or a moderator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_record, print_records
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.errors import Invalid, NotFound
from armgs_server.formats import mime
from armgs_server.storage import clock
from armgs_server.storage import queue as rows
from armgs_server.storage.queue import Entry
from armgs_server.storage.tx import Tx

HEADER_LIMIT = 256 * 1024
BATCH = 1000
MOST = 1_000_000  # rows that one command changes
COLUMNS = ("id", "sender", "recipient", "queued", "next", "attempts", "error")

# A change of rows; the number is the lifetime of what begins to wait now.
Change = Callable[[Tx, Sequence[Entry], int], Awaitable[None]]


@click.group()
def queue() -> None:
    """Mail on its way: list, show, retry, hold, release, cancel."""


def selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --sender, --recipient, --domain."""
    for name, help_ in (
        ("domain", "Only mail to this domain."),
        ("recipient", "Only mail to this address."),
        ("sender", "Only mail from this address."),
    ):
        command = click.option(f"--{name}", default="", help=help_)(command)
    return command


def changing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the IDs of messages, the selection, and --all."""
    all_ = click.option("--all", "everything", is_flag=True, help="All that is in the queue.")
    return click.argument("ids", nargs=-1, metavar="[ID]...")(selection(all_(command)))


@queue.command("list")
@selection
@click.option("--held", is_flag=True, help="Only what is held.")
@click.option(
    "--limit", default=BATCH, show_default=True, type=click.IntRange(min=1), help="At most so many."
)
@config_option
@json_option
def list_(held: bool, limit: int, config_path: Path | None, as_json: bool, **selected: str) -> None:
    """Lists what waits, the oldest first."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        found = await workplace.store.read(lambda tx: rows.scan(tx, limit=limit, **selected))
        return [_describe(entry) for entry in found if entry.is_held or not held]

    print_records(as_json, "", work_on(config_path, work), COLUMNS)


@queue.command("show")
@click.argument("id_", metavar="ID")
@config_option
@json_option
def show(id_: str, config_path: Path | None, as_json: bool) -> None:
    """Shows one message that waits, with its header."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        [entry] = await _by_ids(workplace, [id_])
        skip = int(entry.data.get("skip", 0))
        text = await workplace.store.blobs.read(entry.blob, start=skip, end=skip + HEADER_LIMIT)
        head = text[: mime.header_end(text, 0, len(text))].decode("utf-8", "replace")
        return {
            **_describe(entry),
            "expires": _time(entry.expires),
            "size": entry.data.get("size", 0),
            "header": head.replace("\r\n", "\n").strip(),
        }

    print_record(as_json, work_on(config_path, work))


@queue.command("retry")
@changing
@config_option
def retry(ids: tuple[str, ...], everything: bool, config_path: Path | None, **selected: str) -> None:
    """Tries again now, without waiting for the time that was set. What is held stays held."""

    async def change(tx: Tx, entries: Sequence[Entry], lifetime: int) -> None:
        await rows.retry(tx, [entry for entry in entries if not entry.is_held], clock.now(), 0)

    _change(config_path, ids, everything, selected, change)


@queue.command("hold")
@changing
@config_option
def hold(ids: tuple[str, ...], everything: bool, config_path: Path | None, **selected: str) -> None:
    """Holds messages back until they are released. One being sent at this moment may still go."""

    async def change(tx: Tx, entries: Sequence[Entry], lifetime: int) -> None:
        await rows.hold(tx, entries)

    _change(config_path, ids, everything, selected, change)


@queue.command("release")
@changing
@config_option
def release(ids: tuple[str, ...], everything: bool, config_path: Path | None, **selected: str) -> None:
    """Lets held messages go; they have their whole lifetime before them."""

    async def change(tx: Tx, entries: Sequence[Entry], lifetime: int) -> None:
        held = [entry for entry in entries if entry.is_held]
        for entry in held:
            if "list" in entry.data:  # it waits for a moderator, whose place this takes
                await rows.annotate(tx, entry, {**entry.data, "approved": True})
        await rows.retry(tx, held, clock.now(), lifetime)

    _change(config_path, ids, everything, selected, change)


@queue.command("cancel")
@changing
@click.option("--return", "is_returned", is_flag=True, help="Tell the senders, with a report.")
@config_option
def cancel(
    ids: tuple[str, ...], everything: bool, is_returned: bool, config_path: Path | None, **selected: str
) -> None:
    """Removes messages from the queue: silently, or with a report to their senders."""

    async def change(tx: Tx, entries: Sequence[Entry], lifetime: int) -> None:
        if not is_returned:
            await rows.finish(tx, entries)
            return
        for entry in entries:
            await rows.annotate(tx, entry, {**entry.data, "cancelled": True})
        await rows.retry(tx, entries, clock.now(), 0)

    _change(config_path, ids, everything, selected, change)


def _change(
    config_path: Path | None,
    ids: Sequence[str],
    everything: bool,
    selected: Mapping[str, str],
    change: Change,
) -> None:
    """Applies a change to the rows that are named, selected, or to all of them."""
    if not ids and not any(selected.values()) and not everything:
        raise click.UsageError("name messages by ID, --sender, --recipient or --domain, or say --all")

    async def work(workplace: Workplace) -> None:
        lifetime = round(workplace.config.smtp.queue_lifetime * clock.SECOND)
        named = await _by_ids(workplace, ids)

        async def apply(tx: Tx) -> None:
            await change(tx, named or await rows.scan(tx, limit=MOST, **selected), lifetime)

        await workplace.store.write(apply)

    work_on(config_path, work)


async def _by_ids(workplace: Workplace, ids: Sequence[str]) -> list[Entry]:
    found: list[Entry] = []
    for text in ids:
        try:
            number = int(text, 16)
        except ValueError as error:
            raise Invalid(f"{text} is no ID of a message") from error
        entry = await workplace.store.read(lambda tx, number=number: rows.get(tx, number))  # type: ignore[misc]
        if entry is None:
            raise NotFound(f"no message {text} waits")
        found.append(entry)
    return found


def _describe(entry: Entry) -> dict[str, Any]:
    return {
        "id": f"{entry.id:x}",
        "sender": entry.sender or "<>",
        "recipient": entry.recipient,
        "queued": _time(entry.created),
        "next": "held" if entry.is_held else _time(entry.next_attempt),
        "attempts": entry.attempts,
        "error": entry.last_error,
    }


def _time(microseconds: int) -> str:
    return f"{datetime.fromtimestamp(microseconds // clock.SECOND, UTC):%Y-%m-%d %H:%M:%S}"
