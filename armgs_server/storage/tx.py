# SPDX-License-Identifier: Apache-2.0
"""What a unit of work sees of an engine: one transaction, the same on SQLite and PostgreSQL.

SQL is the subset both engines share: `?` places, integers, text and bytes only, `RETURNING` and
`ON CONFLICT` allowed; a place whose type cannot be seen from a column is written `CAST(? AS BIGINT)`.
A work awaits nothing but these methods and functions that do so, has no side effect but through them,
and does not catch their errors: PostgreSQL's transaction is void after one, and a work may be run again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, TypeVar

Value: TypeAlias = int | str | bytes | None
Row: TypeAlias = tuple[Any, ...]
T = TypeVar("T")
Work: TypeAlias = "Callable[[Tx], Awaitable[T]]"
Publish: TypeAlias = "Callable[[list[tuple[str, bytes]]], None]"


class AsOf(Protocol):
    """A collection as somebody knows it: a `collections.Collection`."""

    @property
    def owner(self) -> int: ...

    @property
    def id(self) -> int: ...

    @property
    def modseq(self) -> int: ...


class Standing(NamedTuple):
    """The least AsOf."""

    owner: int
    id: int
    modseq: int


@dataclass(frozen=True, slots=True)
class Options:
    """How an engine that is a server of its own is spoken to; times in seconds (config.StoreSettings)."""

    connections: int = 10
    timeout: float = 30.0
    replicas: tuple[str, ...] = ()
    replica_lag: float = 5.0


class Tx(ABC):
    """One transaction. What it publishes leaves after the commit, and never if there is none."""

    __slots__ = ("changes", "messages")
    # Whether nobody else writes until it has ended: what it reads stays true without a lock.
    is_serial: ClassVar[bool] = False

    def __init__(self) -> None:
        self.changes: dict[tuple[int, int], int] = {}
        self.messages: list[tuple[str, bytes]] = []

    @abstractmethod
    async def rows(self, sql: str, *args: Value) -> list[Row]:
        """All rows of a query, or of a statement with RETURNING."""

    @abstractmethod
    async def execute(self, sql: str, *args: Value) -> int:
        """Runs a statement; the number of rows it touched."""

    @abstractmethod
    async def executemany(self, sql: str, rows: Iterable[tuple[Value, ...]]) -> None:
        """Runs a statement once for each row of arguments."""

    async def row(self, sql: str, *args: Value) -> Row | None:
        """The first row, or None."""
        found = await self.rows(sql, *args)
        return found[0] if found else None

    async def value(self, sql: str, *args: Value) -> Any:
        """The first column of the first row, or None."""
        found = await self.rows(sql, *args)
        return found[0][0] if found else None

    def changed(self, owner: int, collection: int, modseq: int) -> None:
        """Notes that a collection now stands at `modseq`; the hint goes to the bus after the commit."""
        self.changes[owner, collection] = modseq

    def publish(self, topic: str, data: bytes) -> None:
        """Sends `data` on the bus after the commit."""
        self.messages.append((topic, data))

    def outgoing(self) -> list[tuple[str, bytes]]:
        """Everything to publish: the hints first, then the messages in their order."""
        hints = [
            (f"changes:{owner}", b"%d %d" % (collection, modseq))
            for (owner, collection), modseq in self.changes.items()
        ]
        return hints + self.messages


def by_table(rows: Iterable[Row]) -> dict[str, set[str]]:
    """Rows of table and column as Engine.columns returns them."""
    found: dict[str, set[str]] = {}
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return found


class Engine(ABC):
    """A database that runs works. Opened on the running loop, used from it alone."""

    @abstractmethod
    async def read(self, work: Work[T]) -> T:
        """Runs `work` on a consistent snapshot that it cannot change."""

    async def read_aside(self, work: Work[T], as_of: AsOf | None) -> T:
        """Runs `work` on a replica where there is one, on a snapshot that may be a little old.

        With `as_of` that collection is there as it stood then, or newer. What a replica has not got (the
        work raises a DomainError) is read where `read` reads it.
        """
        return await self.read(work)

    @abstractmethod
    async def write(self, work: Work[T]) -> T:
        """Runs `work`, commits durably, publishes what it noted, and returns its result.

        Raises what the work raised (its changes are undone, those of others stay), or Temporary
        when the engine cannot write. Whoever is cancelled while waiting does not cancel the work.
        """

    @abstractmethod
    async def script(self, statements: Iterable[str]) -> None:
        """Runs schema statements, written for SQLite, in one transaction."""

    @abstractmethod
    async def columns(self) -> dict[str, set[str]]:
        """The tables that are there, whoever made them, each with the names of its columns."""

    @abstractmethod
    async def analyse(self) -> None:
        """Looks at what the tables hold now, where the engine plans by statistics: after large imports."""

    def release(self) -> None:
        """Gives back memory that only saves reading again."""
        return

    async def follow_clock(self) -> None:
        """Sets storage.clock by the database's, where hosts share one. Temporary when it cannot be asked."""
        return

    @abstractmethod
    async def close(self) -> None:
        """Finishes what is queued and lets go of the database."""
