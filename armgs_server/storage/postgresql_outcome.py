# SPDX-License-Identifier: Apache-2.0
"""What became of a transaction whose connection was lost while COMMIT was on its way.

Each writing transaction learns its number with its BEGIN: it is put into `application_name`, a setting whose
changes PostgreSQL reports unasked, so no round trip is spent. Numbers mean something on one timeline only: on
a promoted standby the same one may be somebody else's.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg

from armgs_server.storage.postgresql_pool import Connection, Pool

BEGIN = "BEGIN; SELECT set_config('application_name', 'armgs ' || pg_current_xact_id(), false)"
# Between two questions, while the server starts again or has not noticed that we are gone.
_PAUSE = 0.2
_NOT_YET = (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is needed to ask for a transaction later."""

    number: str
    timeline: str


def ticket(connection: Connection) -> Ticket:
    """Of the transaction that BEGIN has begun on the connection."""
    name: str = connection.get_settings().application_name
    return Ticket(name.removeprefix("armgs "), connection.timeline)


async def was_committed(pool: Pool, asked: Ticket, timeout: float) -> bool | None:
    """True or False when the server says so in time; None when nobody can tell."""
    try:
        async with asyncio.timeout(timeout):
            while True:
                try:
                    found = await _ask(pool, asked)
                except _NOT_YET:
                    found = "in progress"
                if found != "in progress":
                    return {"committed": True, "aborted": False}.get(found)
                await asyncio.sleep(_PAUSE)
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None


async def _ask(pool: Pool, asked: Ticket) -> str:
    connection = await pool.acquire()
    try:
        found = "unknown"
        if asked.timeline and connection.timeline == asked.timeline:
            found = await connection.fetchval(
                "SELECT pg_xact_status(CAST(CAST($1 AS TEXT) AS xid8))", asked.number
            )
    except BaseException:
        pool.mend(connection)
        raise
    pool.release(connection)
    return found or "unknown"
