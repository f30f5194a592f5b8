# SPDX-License-Identifier: Apache-2.0
"""What people have asked for by a form (directory.requests), and whose decision each waits for, as rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from armgs_server.storage.tx import Row, Tx

_COLUMNS: Final = "owner, id, form, state, step, waits_for, created, changed, data"


@dataclass(frozen=True, slots=True)
class Decision:
    """What one of the route has said."""

    person: int
    time: int
    is_granted: bool
    comment: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `state`: waiting, granted, refused, withdrawn; `file` is where its result lies."""

    owner: int
    id: int
    form: str
    state: str
    step: int
    waits_for: int  # a principal of the route, 0 for nobody
    created: int
    changed: int
    values: Mapping[str, str]
    route: Sequence[int]
    decisions: Sequence[Decision] = ()
    file: str = ""


async def put(tx: Tx, request: Request) -> None:
    """A new one, or what has become of it."""
    data = {
        "values": dict(request.values),
        "route": list(request.route),
        "decisions": [[each.person, each.time, each.is_granted, each.comment] for each in request.decisions],
        "file": request.file,
    }
    await tx.execute(
        f"INSERT INTO request ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, id) DO UPDATE SET state = excluded.state, step = excluded.step,"
        " waits_for = excluded.waits_for, changed = excluded.changed, data = excluded.data",
        request.owner,
        request.id,
        request.form,
        request.state,
        request.step,
        request.waits_for,
        request.created,
        request.changed,
        json.dumps(data, ensure_ascii=False),
    )


async def get(tx: Tx, owner: int, id_: int) -> Request | None:
    """One request of an owner."""
    row = await tx.row(f"SELECT {_COLUMNS} FROM request WHERE owner = ? AND id = ?", owner, id_)
    return None if row is None else _of_row(row)


async def of(tx: Tx, owner: int, limit: int) -> list[Request]:
    """An owner's, the newest first."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM request WHERE owner = ? ORDER BY id DESC LIMIT ?", owner, limit
    )
    return [_of_row(row) for row in rows]


async def count_waiting(tx: Tx, owner: int) -> int:
    """How many of an owner's are not decided."""
    return int(await tx.value("SELECT COUNT(*) FROM request WHERE owner = ? AND state = 'waiting'", owner))


async def waiting_for(tx: Tx, principals: Sequence[int], limit: int) -> list[Request]:
    """Those whose decision is with one of these, the oldest first."""
    marks = ", ".join("?" * len(principals))
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM request WHERE waits_for > 0 AND waits_for IN ({marks}) ORDER BY id LIMIT ?",
        *principals,
        limit,
    )
    return [_of_row(row) for row in rows]


def _of_row(row: Row) -> Request:
    owner, id_, form, state, step, waits_for, created, changed, text = row
    data = json.loads(text)
    return Request(
        owner,
        id_,
        form,
        state,
        step,
        waits_for,
        created,
        changed,
        data["values"],
        tuple(data["route"]),
        tuple(Decision(*each) for each in data["decisions"]),
        data["file"],
    )
