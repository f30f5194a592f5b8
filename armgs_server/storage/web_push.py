# SPDX-License-Identifier: Apache-2.0
"""Registrations of WebDAV-Push: who is told of changes of which collection, where, and of what they know.

`told` and `digest` say what a registration was told last: the modseq of the collection and a digest of its
properties. What differs is owed, so a message that a killed process did not send is sent by the next one,
and whoever claims a debt first sends it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection as Container
from collections.abc import Iterable
from typing import NamedTuple

from armgs_server.errors import NotFound
from armgs_server.storage import accounts, collections, properties
from armgs_server.storage.changes import changes
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

# Published on the bus with owner and collection of each registration.
TOPIC = "web-push"
BATCH = 500
NONE, SELF, MEMBERS = -1, 0, 1  # Registration.content: the depth of content updates
_COLUMNS = (
    "owner, id, collection, person, endpoint, public_key, auth_secret, content, properties, expires, told,"
    " digest, failures, failing_since, due"
)


class Registration(NamedTuple):
    """One row of `web_push`."""

    owner: int  # of the collection
    id: str
    collection: int
    person: int  # who registered
    endpoint: str  # where the push service takes messages
    public_key: bytes
    auth_secret: bytes
    content: int
    properties: int  # whether property updates are wanted
    expires: int
    told: int = 0
    digest: bytes = b""
    failures: int = 0  # one after the other
    failing_since: int = 0
    due: int = 0  # not tried before


class Debt(NamedTuple):
    """What a registration has not been told."""

    registration: Registration  # as it was
    content: bool
    properties: bool


async def register(tx: Tx, wanted: Registration, most: int) -> Registration:
    """Adds one, or renews that of the same person, collection and endpoint; the one that is there now.

    Beyond `most` of one person for one collection those go that would expire first.
    """
    await accounts.hold(tx, (wanted.owner,))
    collection = await collections.get(tx, wanted.owner, wanted.collection)
    wanted = wanted._replace(told=collection.modseq, digest=await _digest(tx, collection))
    places = ", ".join("?" * len(wanted))
    row = await tx.row(
        f"INSERT INTO web_push ({_COLUMNS}) VALUES ({places})"
        " ON CONFLICT (owner, collection, person, endpoint) DO UPDATE SET"
        " public_key = excluded.public_key, auth_secret = excluded.auth_secret,"
        " content = excluded.content, properties = excluded.properties, expires = excluded.expires,"
        f" failures = 0, failing_since = 0, due = 0 RETURNING {_COLUMNS}",
        *wanted,
    )
    assert row is not None
    present = Registration._make(row)
    surplus = await tx.rows(
        "SELECT id FROM web_push WHERE owner = ? AND collection = ? AND person = ? AND id <> ?"
        " ORDER BY expires DESC LIMIT ? OFFSET ?",
        *(wanted.owner, wanted.collection, wanted.person, present.id, BATCH, most - 1),
    )
    await forget(tx, wanted.owner, [id_ for (id_,) in surplus])
    tx.publish(TOPIC, b"%d %d" % (wanted.owner, wanted.collection))
    return present


async def remove(tx: Tx, owner: int, id_: str, person: int, now: int) -> bool:
    """Takes somebody's own registration away; whether there was one."""
    return bool(
        await tx.execute(
            "DELETE FROM web_push WHERE owner = ? AND id = ? AND person = ? AND expires > ?",
            *(owner, id_, person, now),
        )
    )


async def forget(tx: Tx, owner: int, ids: Iterable[str]) -> None:
    """Takes registrations away."""
    await tx.executemany("DELETE FROM web_push WHERE owner = ? AND id = ?", [(owner, each) for each in ids])


async def of_collection(tx: Tx, owner: int, collection: int) -> list[Registration]:
    """All that are there, the expired as well."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM web_push WHERE owner = ? AND collection = ? ORDER BY id", owner, collection
    )
    return list(map(Registration._make, rows))


async def collection_of(tx: Tx, owner: int, number: int) -> Collection | None:
    """The collection as it is now; None where it is gone."""
    try:
        return await collections.get(tx, owner, number)
    except NotFound:
        return None


async def owed(tx: Tx, owner: int, number: int, now: int) -> tuple[Collection | None, list[Registration]]:
    """The collection, None where it is gone, and who is to be told, or taken away as it has expired."""
    present = await of_collection(tx, owner, number)
    collection = await collection_of(tx, owner, number) if present else None
    if collection is None:
        return None, present
    digest = await _digest(tx, collection)
    return collection, [each for each in present if _is_owed(each, collection, digest, now)]


async def claim(
    tx: Tx, owner: int, number: int, ids: Container[str], now: int
) -> tuple[Collection, list[Debt]]:
    """The collection as it is now and what is owed to these registrations; they count as told so far."""
    await accounts.hold(tx, (owner,))
    collection = await collections.get(tx, owner, number)
    digest = await _digest(tx, collection)
    debts: list[Debt] = []
    for each in await of_collection(tx, collection.owner, collection.id):
        if each.id not in ids or not _is_owed(each, collection, digest, now):
            continue
        is_content = each.content == MEMBERS and await _has_changed(tx, collection, each.told)
        debts.append(Debt(each, is_content, bool(each.properties) and each.digest != digest))
    await _told(tx, [debt.registration for debt in debts], collection.modseq, digest)
    return collection, [debt for debt in debts if debt.content or debt.properties]


async def claim_gone(tx: Tx, owner: int, number: int, now: int) -> list[Registration]:
    """The registrations of a collection that is no more; they go as well."""
    await accounts.hold(tx, (owner,))
    present = await of_collection(tx, owner, number)
    await forget(tx, owner, [each.id for each in present])
    return [each for each in present if each.expires > now and each.content != NONE]


async def delivered(tx: Tx, registration: Registration) -> None:
    """It works again."""
    await tx.execute(
        "UPDATE web_push SET failures = 0, failing_since = 0, due = 0 WHERE owner = ? AND id = ?",
        registration.owner,
        registration.id,
    )


async def failed(tx: Tx, registration: Registration, now: int, due: int) -> None:
    """What it was not told is owed again from `due` on."""
    await tx.execute(
        "UPDATE web_push SET told = ?, digest = ?, failures = failures + 1, failing_since ="
        " CASE WHEN failing_since = 0 THEN CAST(? AS BIGINT) ELSE failing_since END, due = ?"
        " WHERE owner = ? AND id = ?",
        *(registration.told, registration.digest, now, due, registration.owner, registration.id),
    )


async def watched(tx: Tx, after: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Collections that have registrations, a page behind `after`: owner, number, whether one is behind."""
    rows = await tx.rows(
        "SELECT web_push.owner, web_push.collection,"
        " MAX(CASE WHEN collection.modseq = web_push.told THEN 0 ELSE 1 END) FROM web_push"
        " LEFT JOIN collection ON collection.owner = web_push.owner AND collection.id = web_push.collection"
        " WHERE web_push.owner > ? OR (web_push.owner = ? AND web_push.collection > ?)"
        " GROUP BY web_push.owner, web_push.collection ORDER BY web_push.owner, web_push.collection LIMIT ?",
        *(after[0], *after, BATCH),
    )
    return [(owner, collection, is_behind) for owner, collection, is_behind in rows]


async def expire(tx: Tx, now: int) -> int:
    """Takes away what is over by its time; how many."""
    return await tx.execute("DELETE FROM web_push WHERE expires <= ?", now)


async def up_to_date(
    tx: Tx, owners: Iterable[int], person: int, ids: Container[str] | None
) -> list[Registration]:
    """Registrations of these owners' collections to which nothing is owed.

    With `ids` those of them that are this person's own.
    """
    found: list[Registration] = []
    for owner in owners:
        rows = await tx.rows(
            f"SELECT {_COLUMNS} FROM web_push WHERE owner = ? ORDER BY collection LIMIT ?", owner, BATCH
        )
        standing: dict[int, tuple[int, bytes]] = {}
        for each in map(Registration._make, rows):
            if ids is not None and (each.id not in ids or each.person != person):
                continue
            if each.collection not in standing:
                collection = await collection_of(tx, owner, each.collection)
                if collection is None:
                    continue
                standing[each.collection] = collection.modseq, await _digest(tx, collection)
            if (each.told, each.digest) == standing[each.collection]:
                found.append(each)
    return found


async def keep_silent(tx: Tx, registrations: Iterable[Registration]) -> None:
    """What has changed in this transaction counts as told; of a collection that is gone, nothing is told."""
    for each in registrations:
        collection = await collection_of(tx, each.owner, each.collection)
        if collection is None:
            await forget(tx, each.owner, [each.id])
        else:
            await _told(tx, [each], collection.modseq, await _digest(tx, collection))


def _is_owed(each: Registration, collection: Collection, digest: bytes, now: int) -> bool:
    is_behind = each.told < collection.modseq or each.digest != digest
    return each.expires <= now or (is_behind and each.due <= now)


async def _told(tx: Tx, registrations: Iterable[Registration], modseq: int, digest: bytes) -> None:
    await tx.executemany(
        "UPDATE web_push SET told = ?, digest = ? WHERE owner = ? AND id = ?",
        [(modseq, digest, each.owner, each.id) for each in registrations],
    )


async def _has_changed(tx: Tx, collection: Collection, since: int) -> bool:
    """Whether any member was made, changed or removed."""
    found = await changes(tx, collection.owner, collection.id, since, 1)
    return bool(found.items or found.removed or found.collections or found.truncated)


async def _digest(tx: Tx, collection: Collection) -> bytes:
    """Of what PROPPATCH, MOVE and others change of the collection itself."""
    dead = await properties.of(tx, collection.owner, collection.id)
    state = json.dumps([collection.name, dict(collection.data), dead], sort_keys=True)
    return hashlib.sha256(state.encode()).digest()
