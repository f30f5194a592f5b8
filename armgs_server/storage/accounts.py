# SPDX-License-Identifier: Apache-2.0
"""Accounts: what every owner of collections has, and the standard collections of each kind of owner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from armgs_server.errors import Conflict, NotFound, OverQuota
from armgs_server.storage import (
    attachments,
    collections,
    derived,
    invitations,
    keeping,
    partial_uploads,
    pubsub,
    queue,
    training,
    trees,
)
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

# Role and name of a person's mailboxes (RFC 6154 names the roles).
MAILBOXES = (
    ("inbox", "INBOX"),
    ("sent", "Sent"),
    ("drafts", "Drafts"),
    ("trash", "Trash"),
    ("junk", "Junk"),
    ("archive", "Archive"),
)
# Kind, name, role and subscription of what a person begins with.
_PERSONAL = (
    *(("mail", name, role, 1) for role, name in MAILBOXES),
    ("calendar", "default", "default", 0),
    ("tasks", "tasks", "default", 0),
    ("addressbook", "contacts", "default", 0),
    ("files", "", "root", 0),
    ("roster", "", "", 0),
    ("chat", "", "", 0),
    ("schedule-inbox", "inbox", "default", 0),
    ("schedule-outbox", "outbox", "default", 0),
    ("notifications", "notification", "default", 0),
)
# What an account has beside its collections and its queue.
_TABLES = (
    "document",
    "annotation",
    "archive",
    "archive_end",
    "fulltext",
    "fulltext_end",
    "push",
    "web_push",
    "last_activity",
    "offline",
    "roster",
    "told",
    "upload",
    "url_key",
    "link",
    "sieve_script",
    "sieve_trace",
    "notice",
    "letter",
    "assignment",
    "absence",
    "news",
    "news_reader",
    "request",
)


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over all collections of an owner; `quota` 0 means no limit. Bytes; `versions` are those of
    earlier states of files (storage.versions)."""

    items: int
    bytes: int
    quota: int
    versions: int = 0


async def create(tx: Tx, owner: int, quota: int = 0, next_collection: int = 1) -> None:
    """An account without collections. AlreadyExists."""
    await tx.execute(
        "INSERT INTO account (owner, next_collection, items, bytes, quota) VALUES (?, ?, 0, 0, ?)",
        owner,
        next_collection,
        quota,
    )


async def provide(tx: Tx, owner: int) -> None:
    """An account without collections, where the owner has none yet."""
    await tx.execute(
        "INSERT INTO account (owner, next_collection, items, bytes, quota) VALUES (?, 1, 0, 0, 0)"
        " ON CONFLICT (owner) DO NOTHING",
        owner,
    )


async def provision(tx: Tx, owner: int, quota: int = 0) -> None:
    """The account of a person: mailboxes, calendar, tasks, contacts, files, roster, chat."""
    await create(tx, owner, quota, len(_PERSONAL) + 1)
    await collections.create_first(tx, owner, _PERSONAL)


async def provision_calendar(tx: Tx, owner: int) -> None:
    """The default calendar and where scheduling messages come in and go out; rooms have no more."""
    await collections.create(tx, owner, "calendar", "default", role="default")
    await _provision_scheduling(tx, owner)


async def _provision_scheduling(tx: Tx, owner: int) -> None:
    await collections.create(tx, owner, "schedule-inbox", "inbox", role="default")
    await collections.create(tx, owner, "schedule-outbox", "outbox", role="default")


async def usage(tx: Tx, owner: int) -> Usage:
    """NotFound where the owner has no account."""
    row = await tx.row("SELECT items, bytes, quota, versions FROM account WHERE owner = ?", owner)
    if row is None:
        raise NotFound()
    return Usage(*row)


async def set_quota(tx: Tx, owner: int, quota: int) -> None:
    """Bytes; 0 = no limit. What is there already stays, even above the limit."""
    if not await tx.execute("UPDATE account SET quota = ? WHERE owner = ?", quota, owner):
        raise NotFound()


async def follow_quota(tx: Tx, department: int, before: int, after: int) -> int:
    """Gives the people of a department who have the one quota the other; how many. Who was given one of the
    own keeps it."""
    return await tx.execute(
        "UPDATE account SET quota = ? WHERE quota = ? AND owner IN"
        " (SELECT id FROM principal WHERE department = ? AND kind = 'person')",
        after,
        before,
        department,
    )


async def charge(tx: Tx, owner: int, items: int, size: int) -> None:
    """Adds to the sums (negative: gives back). OverQuota when growing beyond the limit."""
    touched = await tx.execute(
        "UPDATE account SET items = items + ?, bytes = bytes + ? WHERE owner = ?"
        " AND (CAST(? AS BIGINT) <= 0 OR quota = 0 OR bytes + ? <= quota)",
        items,
        size,
        owner,
        size,
        size,
    )
    if not touched:
        if await tx.row("SELECT 1 FROM account WHERE owner = ?", owner) is None:
            raise NotFound()
        raise OverQuota()


async def charge_in(tx: Tx, collection: Collection, items: int, size: int) -> None:
    """The same for what comes into a collection or leaves it, unless no quota counts that one."""
    if collection.is_charged:
        await charge(tx, collection.owner, items, size)


async def hold(tx: Tx, owners: Iterable[int]) -> None:
    """Makes other writers of these owners wait for the commit: what is read from here on stays true.

    On SQLite writers take turns anyway; on PostgreSQL this locks the rows, in one order for all.
    """
    rows = [(owner,) for owner in sorted(set(owners))]
    await tx.executemany("UPDATE account SET items = items WHERE owner = ?", rows)


async def delete(tx: Tx, owner: int) -> None:
    """The account with everything in it. Conflict under a legal hold."""
    if await keeping.is_held(tx, owner):
        raise Conflict("what belongs to it is under a legal hold")
    await pubsub.delete_all(tx, owner)
    await queue.remove_of(tx, owner)
    await invitations.remove_of(tx, owner)
    await training.remove_of(tx, owner)
    await partial_uploads.remove_of(tx, owner)
    await attachments.remove_of(tx, owner)
    for collection in await collections.roots(tx, owner):
        await trees.delete(tx, collection)
    await derived.let_all_go(tx, owner)  # of what others have copied; before the archive goes
    for table in _TABLES:
        await tx.execute(f"DELETE FROM {table} WHERE owner = ?", owner)
    await tx.execute("DELETE FROM tombstone WHERE owner = ?", owner)
    await tx.execute("DELETE FROM account WHERE owner = ?", owner)
