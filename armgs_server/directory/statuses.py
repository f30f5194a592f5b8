# SPDX-License-Identifier: Apache-2.0
"""How people are there just now, as the service of chat tells it to the others: a page may show it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from armgs_server.directory.model import Principal


@dataclass(frozen=True, slots=True)
class Status:
    """`show` is one of RFC 6121 §4.7.2.1, "" for plainly available; `text` is the person's own words."""

    show: str
    text: str


# (who asks, about whom): None where nobody is there, or the asker may not see it.
Teller: TypeAlias = Callable[[Principal, Principal], Awaitable[Status | None]]


class Statuses:
    """Made by the directory; whoever serves chat sets the teller."""

    def __init__(self) -> None:
        self.teller: Teller | None = None

    async def of(self, asker: Principal, person: Principal) -> Status | None:
        """How the person is there, for the asker."""
        return await self.teller(asker, person) if self.teller is not None else None
