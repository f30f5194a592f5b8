# SPDX-License-Identifier: Apache-2.0
"""What is removed and kept nevertheless: the one place that every removal passes, whatever the kind.

`items.remove`, `items.replace`, `transfer.move` to another owner, `trees.delete` and the chat archive ask
`keep` before they let go. It writes down what a hold, a retention rule or the caller (for so many days to
come) wants kept, with a reference to the bytes of its own; the removal itself goes on as if nothing had
happened, so nobody sees a difference. `expire` lets go for good.

A rule counts from when a thing was last changed; of mail from when it came to the mailbox. INTERNALDATE is
the client's to choose and counts for nothing here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from armgs_server.storage import blobs, clock
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection, ancestors, get
from armgs_server.storage.tx import Tx, Value

if TYPE_CHECKING:
    from armgs_server.storage.versions import State

# What people have; rosters, scheduling messages and the like are the server's own business.
KINDS = ("mail", "calendar", "tasks", "addressbook", "files")
CHAT = "chat"
BATCH = 500
FOREVER = (1 << 63) - 1  # the last moment that the store can name
_COLUMNS = (
    "owner, collection, uid, modseq, kind, path, name, blob, size, content_type, created, modified, flags,"
    " keywords, removed, until"
)
_POLICY = """
SELECT (SELECT COUNT(*) FROM hold WHERE owner = ?),
       (SELECT COALESCE(MAX(keep), 0) FROM retention WHERE kind = ? AND principal IN
         (CAST(? AS BIGINT), (SELECT department FROM principal WHERE id = ?)))"""

# Whether there is anything to be asked about an owner: mostly there is not.
_ANYTHING = """
SELECT 1 FROM hold WHERE owner = ?
UNION ALL SELECT 1 FROM retention WHERE keep > 0 AND principal IN
  (CAST(? AS BIGINT), (SELECT department FROM principal WHERE id = ?))
LIMIT 1"""


class Kept(NamedTuple):
    """One row of `kept`."""

    owner: int
    collection: int
    uid: int
    modseq: int
    kind: str
    path: str
    name: str
    blob: bytes
    size: int
    content_type: str
    created: int
    modified: int
    flags: int
    keywords: str
    removed: int
    until: int


class Policy(NamedTuple):
    """What applies to one owner's things of a kind; `days` after their last change."""

    is_held: bool
    days: int


async def policy(tx: Tx, owner: int, kind: str) -> Policy:
    """The owner's hold, and the longest time of the owner's and the department's rules."""
    row = await tx.row(_POLICY, owner, kind, owner, owner)
    assert row is not None
    return Policy(row[0] > 0, int(row[1]))


async def is_held(tx: Tx, owner: int) -> bool:
    """Whether nothing of the owner's may be gone."""
    return await tx.row("SELECT 1 FROM hold WHERE owner = ?", owner) is not None


async def keep_version(tx: Tx, owner: int, collection: int, uid: int) -> None:
    """Before an item gets other bytes."""
    if await tx.row(_ANYTHING, owner, owner, owner) is not None:
        await keep(tx, await get(tx, owner, collection), [uid])


async def keep(tx: Tx, collection: Collection, uids: Sequence[int] | None = None, days: int = 0) -> None:
    """Before items are removed (all of the collection where no uids are given). `days`: from today on."""
    if collection.kind not in KINDS:
        return
    applies = await policy(tx, collection.owner, collection.kind)
    if not (applies.is_held or applies.days or days):
        return
    path = "/".join(above.name for above in reversed(await ancestors(tx, collection)))
    for at in range(0, 1 if uids is None else len(uids), BATCH):
        part = () if uids is None else uids[at : at + BATCH]
        await _keep(tx, collection, path, part, applies, days)


async def _keep(
    tx: Tx, collection: Collection, path: str, uids: Sequence[int], applies: Policy, days: int
) -> None:
    now = clock.now()
    least, age = now + days * clock.DAY, applies.days * clock.DAY
    where = "owner = ? AND collection = ?"
    values: list[Value] = [collection.owner, collection.id]
    if uids:
        where += f" AND uid IN ({', '.join('?' * len(uids))})"
        values += uids
    if not applies.is_held and not days:  # the rule alone: what is older than it says may go
        where += " AND modified > ?"
        values.append(now - age)
    await tx.execute(
        f"INSERT INTO kept ({_COLUMNS})"
        " SELECT owner, collection, uid, modseq, CAST(? AS TEXT), CAST(? AS TEXT), COALESCE(name, ''), blob,"
        " size, content_type, created, modified, flags, keywords, CAST(? AS BIGINT),"
        " CASE WHEN modified + CAST(? AS BIGINT) > CAST(? AS BIGINT) THEN modified + CAST(? AS BIGINT)"
        f" ELSE CAST(? AS BIGINT) END FROM item WHERE {where}",
        *(collection.kind, path, now, age, least, age, least),
        *values,
    )
    await tx.execute(
        "UPDATE blob SET refs = refs + more.number, touched = ? FROM"
        f" (SELECT blob AS hash, COUNT(*) AS number FROM item WHERE {where} GROUP BY blob) AS more"
        " WHERE blob.hash = more.hash",
        now,
        *values,
    )


async def keep_states(tx: Tx, states: Sequence[State]) -> set[State]:
    """Before earlier states of one owner's files go: those whose reference to the bytes is kept from here."""
    owner = states[0].owner
    applies = await policy(tx, owner, "files")
    taken: set[State] = set()
    if not (applies.is_held or applies.days):
        return taken
    now, age = clock.now(), applies.days * clock.DAY
    for state in states:
        if not applies.is_held and state.modified + age <= now:
            continue
        above = await ancestors(tx, await get(tx, owner, state.collection))
        path = "/".join(each.name for each in reversed(above))
        name = await tx.value(
            "SELECT name FROM item WHERE owner = ? AND collection = ? AND uid = ?",
            *(owner, state.collection, state.uid),
        )
        added = await tx.execute(
            f"INSERT INTO kept ({_COLUMNS}) VALUES (?, ?, ?, ?, 'files', ?, ?, ?, ?, ?, ?, ?, 0, '', ?, ?)"
            " ON CONFLICT (owner, collection, uid, modseq) DO NOTHING",
            *(owner, state.was_in, state.was_uid, state.modseq, path, name or "", state.blob, state.size),
            *(state.content_type, state.created, state.modified, now, max(state.modified + age, now)),
        )
        if added:
            taken.add(state)
    return taken


async def keep_messages(tx: Tx, owner: int, messages: Iterable[tuple[int, str, str, bytes]]) -> None:
    """Before chat leaves the archive: (archive id, peer, the sender's id, stanza)."""
    applies = await policy(tx, owner, CHAT)
    if not (applies.is_held or applies.days):
        return
    now, age = clock.now(), applies.days * clock.DAY
    for id_, peer, stanza_id, stanza in messages:
        sent = id_ >> clock.ID_BITS
        if not applies.is_held and sent + age <= now:
            continue
        ref = BlobRef(hashlib.sha256(stanza).digest(), len(stanza), stanza)
        await blobs.retain(tx, ref)
        await tx.execute(
            f"INSERT INTO kept ({_COLUMNS}) VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', ?, ?)",
            *(owner, id_, now, CHAT, peer, stanza_id, ref.hash, ref.size, "application/xmpp+xml"),
            *(sent, sent, now, max(sent + age, now)),
        )


async def expire(tx: Tx, limit: int = BATCH) -> int:
    """Lets go of what nobody wants kept any more; how many, at most `limit`."""
    rows = await tx.rows(
        "DELETE FROM kept WHERE (owner, collection, uid, modseq) IN"
        " (SELECT owner, collection, uid, modseq FROM kept WHERE until <= ? AND NOT EXISTS"
        " (SELECT 1 FROM hold WHERE hold.owner = kept.owner) ORDER BY until LIMIT ?) RETURNING blob",
        clock.now(),
        limit,
    )
    await blobs.release(tx, [row[0] for row in rows])
    return len(rows)


async def removed(
    tx: Tx,
    owner: int,
    *,
    since: int = 0,
    to: int = FOREVER,
    kind: str = "",
    after: tuple[int, int, int] = (0, 0, 0),
    limit: int = BATCH,
) -> list[Kept]:
    """A page of what was removed in a time and is there, in the order of (collection, uid, modseq)."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM kept WHERE owner = ? AND removed >= ? AND removed < ?"
        " AND (CAST(? AS TEXT) = '' OR kind = ?) AND (collection, uid, modseq) > (?, ?, ?)"
        " ORDER BY collection, uid, modseq LIMIT ?",
        *(owner, since, to, kind, kind, *after, limit),
    )
    return list(map(Kept._make, rows))


async def forget(tx: Tx, kept: Kept) -> None:
    """One that was brought back; under a hold it stays, too."""
    if (await policy(tx, kept.owner, kept.kind)).is_held:
        return
    gone = await tx.execute(
        "DELETE FROM kept WHERE owner = ? AND collection = ? AND uid = ? AND modseq = ?",
        *(kept.owner, kept.collection, kept.uid, kept.modseq),
    )
    if gone:
        await blobs.release(tx, [kept.blob])
