# SPDX-License-Identifier: Apache-2.0
"""Moments on the command line: `2026-11-22` or `2026-11-22T14:30`, in the local time of who writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from armgs_server.storage import clock
from armgs_server.storage.keeping import FOREVER

MOMENT = click.DateTime(("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"))


def range_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --since and --to: which removals are meant."""
    to = click.option("--to", type=MOMENT, help="Removed before this moment.")
    since = click.option("--since", type=MOMENT, help="Removed at this moment or later.")
    return since(to(command))


def range_of(since: datetime | None, to: datetime | None) -> tuple[int, int]:
    """The two moments as the store keeps time; all times where none is given."""
    return (moment_of(since) if since else 0, moment_of(to) if to else FOREVER)


def local(moment: datetime | None) -> datetime | None:
    """The moment with its zone."""
    return None if moment is None else moment.astimezone()


def moment_of(local: datetime) -> int:
    return int(local.astimezone().timestamp()) * clock.SECOND


def shown(moment: int) -> str:
    """For tables and JSON: UTC, to the second."""
    return datetime.fromtimestamp(moment // clock.SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
