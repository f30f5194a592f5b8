# SPDX-License-Identifier: Apache-2.0
"""Work on much of a stranger's bytes, done beside the loop, so that nobody else waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

# What is smaller costs less than the way to a thread and back is worth.
LARGE = 64 * 1024

P = ParamSpec("P")
T = TypeVar("T")


async def aside(size: int, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Does the work, in a thread where the size of what it works on is large."""
    if size > LARGE:
        return await asyncio.to_thread(work, *arguments, **options)
    return work(*arguments, **options)
