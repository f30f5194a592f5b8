# SPDX-License-Identifier: Apache-2.0
"""Somebody leaves: shut out everywhere at once, and what was the person's goes to a successor.

Nothing is copied. Who is suspended keeps the account, and the successor may do everything in it; who is
removed leaves an estate: the account becomes a mailbox of its own under the same address, and the successor
is its member, so that mail, tasks, calendars, contacts, files are there at once and new mail still arrives.
Nobody writes under the address of an estate, and nobody gets the address before the estate is deleted. Chat
rooms get the successor as an owner. One transaction does all of it; the topic `kick` ends streams and
sessions within a second, in whichever process they are.
"""

from __future__ import annotations

from typing import Final

from armgs_server.directory import addressbook, control_lists, lookup, posts, terms
from armgs_server.directory.access import EVERYTHING, NOTHING, Rights, put_account_grant
from armgs_server.directory.model import TOPIC_KICK, Principal
from armgs_server.directory.people import Change, delete, set_disabled, update
from armgs_server.directory.structure import announce
from armgs_server.errors import Conflict, Invalid
from armgs_server.storage import clock, pubsub_members, room_seen, rooms
from armgs_server.storage.rooms import AffiliationRecord
from armgs_server.storage.tx import Tx

SUCCESSOR: Final = "successor"  # of a suspended person's data: the number of who looks after things
ESTATE: Final = "estate"  # of a group's data: true where it was a person
SUCCESSOR_RIGHTS: Final = EVERYTHING & ~Rights.ADMIN
# What proves a log-in, and what was given out by somebody who is shut out.
_CREDENTIALS: Final = (
    ("credential", "principal"),
    ("token", "principal"),
    ("device", "principal"),
    ("oauth_grant", "principal"),
    ("oauth_token", "principal"),
    ("second_factor", "principal"),
    ("webauthn_credential", "principal"),
    ("webauthn_spent", "principal"),
    ("web_session", "principal"),
    ("invite", "inviter"),
    ("link", "owner"),
    ("push", "owner"),
)


async def suspend(tx: Tx, person: Principal, successor: Principal | None) -> Principal:
    """Shut out, to come back perhaps: no session, token, link goes on; the successor looks after things."""
    after = await set_disabled(tx, person.id, True)
    await _take_away(tx, person.id, ("token", "oauth_token", "web_session", "invite", "push"))
    await _release(tx, after)
    if successor is not None:
        _check(person, successor)
        await put_account_grant(tx, person.id, successor.id, SUCCESSOR_RIGHTS)
        await _hand_over_rooms(tx, person, successor, keeps=True)
        after = await update(tx, person.id, Change(data={SUCCESSOR: successor.id}))
    return after


async def restore(tx: Tx, person: Principal) -> Principal:
    """Back again; nobody else looks after things any more."""
    before = await lookup.existing(tx, person.id, "person")
    await _release(tx, before)
    await update(tx, person.id, Change(data={SUCCESSOR: None}))
    return await set_disabled(tx, person.id, False)


async def remove(tx: Tx, person: Principal, successor: Principal | None) -> Principal | None:
    """Gone for good: with a successor the estate is returned, without one nothing is left."""
    now = clock.now()
    if successor is None:
        await terms.relieve_of_all(tx, person, now)
        await delete(tx, person.id)
        return None
    _check(person, successor)
    await terms.relieve_of_all(tx, person, now)
    person = await lookup.existing(tx, person.id, "person")
    await addressbook.remove(tx, person)
    await control_lists.forget(tx, person)
    await _hand_over_rooms(tx, person, successor, keeps=False)
    await pubsub_members.forget_person(tx, person.address)
    await room_seen.forget(tx, person.id)
    await _take_away(tx, person.id, [table for table, _ in _CREDENTIALS])
    await _release(tx, person)
    for table, column in _BELONGING:
        await tx.execute(f"DELETE FROM {table} WHERE {column} = ?", person.id)
    await tx.execute("UPDATE absence SET deputy = 0 WHERE deputy = ?", person.id)
    await tx.execute(
        "UPDATE principal SET kind = 'group', unit = 0, post = '', head = 0, disabled = 0, data = ?"
        " WHERE id = ?",
        '{"mailbox": true, "estate": true}',
        person.id,
    )
    await put_account_grant(tx, person.id, person.id, posts.MEMBER_RIGHTS)
    await tx.execute("INSERT INTO member (principal, member) VALUES (?, ?)", person.id, successor.id)
    announce(tx, person.id)
    tx.publish(TOPIC_KICK, b"%d" % person.id)
    return await lookup.existing(tx, person.id, "group")


async def estates(tx: Tx, department: int) -> list[Principal]:
    """What people of a department have left."""
    return [each for each in await lookup.of_kind(tx, department, "group") if each.data.get(ESTATE)]


def _check(person: Principal, successor: Principal) -> None:
    if successor.id == person.id or successor.kind not in ("person", "group"):
        raise Invalid(f"{successor.address} cannot be the successor of {person.address}")
    if successor.department != person.department or successor.disabled:
        raise Conflict(f"{successor.address} is shut out, or of another department")


async def _take_away(tx: Tx, person: int, tables: list[str] | tuple[str, ...]) -> None:
    for table, column in _CREDENTIALS:
        if table in tables:
            await tx.execute(f"DELETE FROM {table} WHERE {column} = ?", person)


async def _release(tx: Tx, person: Principal) -> None:
    """An earlier successor has nothing to do with it any more."""
    before = person.data.get(SUCCESSOR)
    if before:
        await put_account_grant(tx, person.id, int(before), NOTHING)


async def _hand_over_rooms(tx: Tx, person: Principal, successor: Principal, *, keeps: bool) -> None:
    """Chat rooms that the person owns; a room that is open hears of it by its own number."""
    rows = await tx.rows(
        "SELECT owner FROM affiliation WHERE jid = ? AND affiliation = 'owner'", person.address
    )
    for (room,) in rows:
        if successor.kind == "person":
            await rooms.set_affiliation(tx, room, AffiliationRecord(successor.address, "owner", "", ""))
            announce(tx, room)
    if not keeps:
        await rooms.forget_person(tx, person.address)


# What is the person's own and ends with it.
_BELONGING: Final = (
    ("alias", "principal"),
    ("member", "member"),
    ("also_in", "person"),
    ("deputy", "deputy"),
    ("grant_", "grantee"),
    ("roster", "owner"),
    ("offline", "owner"),
    ("absence", "owner"),
    ("sieve_script", "owner"),
    ("last_activity", "owner"),
)
