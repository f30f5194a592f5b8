# SPDX-License-Identifier: Apache-2.0
"""Transactions on a connection to PostgreSQL: `?` places, rows as tuples, errors as ours."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable

import asyncpg

from armgs_server.errors import AlreadyExists
from armgs_server.storage.postgresql_pool import Connection
from armgs_server.storage.tx import Row, Tx, Value


@functools.lru_cache(maxsize=4096)
def numbered(sql: str) -> str:
    """The statement with `?` places as `$1`, `$2` …; no statement of ours has `?` in a literal."""
    numbers = itertools.count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", sql)


class PostgresTx(Tx):
    """A transaction on one connection of the pool."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    async def rows(self, sql: str, *args: Value) -> list[Row]:
        """See Tx.rows."""
        try:
            return [tuple(row) for row in await self._connection.fetch(numbered(sql), *args)]
        except asyncpg.IntegrityConstraintViolationError as error:
            raise AlreadyExists() from error

    async def execute(self, sql: str, *args: Value) -> int:
        """See Tx.execute."""
        try:
            status = await self._connection.execute(numbered(sql), *args)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise AlreadyExists() from error
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def executemany(self, sql: str, rows: Iterable[tuple[Value, ...]]) -> None:
        """See Tx.executemany."""
        try:
            await self._connection.executemany(numbered(sql), rows)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise AlreadyExists() from error


class MoreStatements(BaseException):
    """A read has asked for a second statement: not an error, so that no work can take it for one."""


class SingleRead(PostgresTx):
    """Outside a transaction, so good for one statement, which is a snapshot by itself."""

    __slots__ = ("_used",)

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._used = False

    async def rows(self, sql: str, *args: Value) -> list[Row]:
        """See Tx.rows."""
        if self._used or not sql.startswith("SELECT"):
            raise MoreStatements
        self._used = True
        return await super().rows(sql, *args)

    async def execute(self, sql: str, *args: Value) -> int:
        """A read that writes is left to the read-only transaction, which refuses it."""
        raise MoreStatements

    async def executemany(self, sql: str, rows: Iterable[tuple[Value, ...]]) -> None:
        """See execute."""
        raise MoreStatements
