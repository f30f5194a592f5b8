# SPDX-License-Identifier: Apache-2.0
"""What commands print: tables for people or one JSON value for programs on standard output; progress and
remarks on standard error, the bar only on a terminal and only when the work takes longer than a second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

NEVER_CUT = 10_000  # columns; a table takes no more than it needs
SHOWN_AFTER = 1.0  # seconds: what is done sooner needs no bar


def print_json(value: Any) -> None:
    """One JSON value, UTF-8, for programs."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], caption: str = ""
) -> None:
    """A table for people; never cut when it goes into a file or a pipe."""
    table = Table(
        title=title or None,
        title_justify="left",
        caption=caption or None,
        caption_justify="left",
        header_style="bold",
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = NEVER_CUT
    console.print(table)


def print_records(
    as_json: bool, title: str, records: Sequence[dict[str, Any]], columns: Sequence[str]
) -> None:
    """The same records either way: all their fields as JSON, the named columns as a table."""
    if as_json:
        print_json(list(records))
    else:
        print_table(title, columns, ([record.get(column, "") for column in columns] for record in records))


def print_record(as_json: bool, record: dict[str, Any]) -> None:
    """One record, as JSON or as a table of two columns."""
    if as_json:
        print_json(record)
    else:
        print_table("", ("field", "value"), ((key, _plain(value)) for key, value in record.items()))


def remark(text: str) -> None:
    """Something for the person at the terminal that is not the result."""
    click.echo(text, err=True)


class Bar:
    """A progress bar: `with Bar("Importing", total) as bar: bar.advance()`. Total None = not known."""

    def __init__(self, text: str, total: int | None = None) -> None:
        self._text = text
        self._total = total
        self._done = 0
        self._begin = time.monotonic()
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def advance(self, count: int = 1) -> None:
        self._done += count
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=self._done)
        elif self._console.is_terminal and time.monotonic() - self._begin > SHOWN_AFTER:
            self._show()

    def _show(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._progress.start()
        self._task = self._progress.add_task(self._text, total=self._total, completed=self._done)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(element) for element in value)
    return str(value)
