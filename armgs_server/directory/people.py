# SPDX-License-Identifier: Apache-2.0
"""People, and the life of every principal after its creation: change, disable, delete.

Each function is part of one transaction, which also keeps the department's address book. Whoever loses
the right to be logged in (disabled, deleted, password changed) is named on the topic `kick`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from armgs_server.directory import (
    addressbook,
    control_lists,
    devices,
    former_passwords,
    group_rules,
    lookup,
    unit_books,
)
from armgs_server.directory.model import (
    COLUMNS,
    TOPIC_DOMAINS,
    TOPIC_KICK,
    Principal,
    check_address,
    check_name,
    from_row,
    to_json,
)
from armgs_server.directory.policy import quota_of
from armgs_server.directory.structure import announce, insert
from armgs_server.directory.surroundings import Surroundings
from armgs_server.errors import Conflict, NotFound
from armgs_server.storage import accounts, clock, pubsub_members, room_seen, rooms, web_sessions
from armgs_server.storage.tx import Tx


@dataclass(frozen=True, slots=True)
class Credential:
    """One row of the table: what proves a log-in. `name` is the device's name of an app password."""

    kind: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Change:
    """What to change of a principal; None leaves it. A value None within `data` removes that key."""

    name: str | None = None
    unit: int | None = None
    post: str | None = None
    head: bool | None = None
    data: Mapping[str, Any] | None = None


async def create(
    tx: Tx,
    address: str,
    name: str,
    *,
    unit: int,
    post: str,
    head: bool,
    data: Mapping[str, Any],
    credentials: Sequence[Credential],
    quota: int,
    around: Surroundings | None = None,
) -> Principal:
    """A person with an account, its standard collections and a card in the department's address book."""
    address = check_address(address)
    around = around or Surroundings()
    department = await around.department_of(tx, address)
    person = await insert(
        tx,
        "person",
        address,
        name or address.partition("@")[0],
        department=department,
        unit=unit,
        post=post,
        head=head,
        data=data,
        around=around,
    )
    await accounts.provision(tx, person.id, quota_of(await around.find(tx, department), quota))
    await put_credentials(tx, person.id, credentials)
    await addressbook.put(tx, person, around, is_new=True)
    await group_rules.follow_person(tx, person)
    if head:
        await control_lists.grant_to_head(tx, person)
    return person


async def set_password(
    tx: Tx, principal_id: int, credentials: Sequence[Credential], *, history: int = 0
) -> None:
    """New credentials instead of the old password's; app passwords stay, sessions end. Of so many passwords
    (`history`) the hashes are kept, with that of the new one, so that none is taken again."""
    await lookup.existing(tx, principal_id, "person")
    await former_passwords.remember(tx, principal_id, history - 1)
    await tx.execute(
        "DELETE FROM credential WHERE principal = ? AND kind NOT IN ('app', 'former')", principal_id
    )
    await tx.execute("DELETE FROM token WHERE principal = ?", principal_id)
    await web_sessions.remove_all(tx, principal_id)
    await put_credentials(tx, principal_id, credentials)
    tx.publish(TOPIC_KICK, b"%d" % principal_id)


async def remove_app_password(tx: Tx, principal_id: int, name: str) -> None:
    """Shuts one device out. NotFound."""
    if not await tx.execute(
        "DELETE FROM credential WHERE principal = ? AND kind = 'app' AND name = ?", principal_id, name
    ):
        raise NotFound(f"no app password called {name}")
    await devices.revoke_of(tx, principal_id, name)
    tx.publish(TOPIC_KICK, b"%d" % principal_id)


async def app_passwords(tx: Tx, principal_id: int) -> list[tuple[str, int, int]]:
    """Name, when made, when last used (0 = never) of each app password."""
    rows = await tx.rows(
        "SELECT name, created, last_used FROM credential WHERE principal = ? AND kind = 'app' ORDER BY name",
        principal_id,
    )
    return [(name, created, last_used) for name, created, last_used in rows]


async def password_changed(tx: Tx, principal_id: int) -> int:
    """When the password was set; 0 where there is none."""
    created = await tx.value(
        "SELECT MAX(created) FROM credential WHERE principal = ? AND kind NOT IN ('app', 'former')",
        principal_id,
    )
    return int(created or 0)


async def put_credentials(
    tx: Tx, principal_id: int, credentials: Sequence[Credential], *, created: int = 0
) -> None:
    """Adds credentials; one of the same kind and name is replaced. `created` is now unless it is given."""
    for credential in credentials:
        await tx.execute(
            "INSERT INTO credential (principal, kind, name, value, created, last_used)"
            " VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (principal, kind, name)"
            " DO UPDATE SET value = excluded.value, created = excluded.created",
            principal_id,
            credential.kind,
            credential.name,
            credential.value,
            created or clock.now(),
        )


async def use_app_password(tx: Tx, person: int, name: str) -> None:
    """Notes that an app password has been used now."""
    await tx.execute(
        "UPDATE credential SET last_used = ? WHERE principal = ? AND kind = 'app' AND name = ?",
        clock.now(),
        person,
        name,
    )


async def update(tx: Tx, principal_id: int, change: Change) -> Principal:
    """Changes a principal. A unit's `unit` is its parent, and may not lie below it."""
    before = await lookup.existing(tx, principal_id)
    data = {**before.data, **(change.data or {})}
    after = replace(
        before,
        name=before.name if change.name is None else check_name(change.name),
        unit=before.unit if change.unit is None else change.unit,
        post=before.post if change.post is None else check_name(change.post),
        head=before.head if change.head is None else change.head,
        data={key: value for key, value in data.items() if value is not None},
    )
    if after.unit and after.unit != before.unit:
        await Surroundings().check_unit(tx, before.department, after.unit)
        parent = await lookup.existing(tx, after.unit)
        if before.kind == "unit" and before.id in await lookup.groups_of(tx, parent):
            raise Conflict(f"{parent.name} lies below {before.name}")
    await tx.execute(
        "UPDATE principal SET name = ?, unit = ?, post = ?, head = ?, data = ? WHERE id = ?",
        after.name,
        after.unit,
        after.post,
        int(after.head),
        to_json(after.data),
        after.id,
    )
    await addressbook.put(tx, after)
    announce(tx, after.id)
    if after.kind == "person":
        await control_lists.follow(tx, before, after)
        await group_rules.follow_person(tx, after)
    elif after.kind == "unit":
        await unit_books.rename(tx, after)
        await control_lists.rename(tx, after)
        if after.unit != before.unit:
            above = await lookup.units_above(tx, before) ^ await lookup.units_above(tx, after)
            await addressbook.put_heads(tx, after.department, above)
            await control_lists.grant_to_heads(tx, after.department)
            await group_rules.follow_tree(tx, after.department, above)
    elif after.kind == "department":
        await control_lists.rename(tx, after)
    return after


async def set_disabled(tx: Tx, principal_id: int, disabled: bool) -> Principal:
    """Shuts somebody out, or lets in again; everything owned stays as it is."""
    before = await lookup.existing(tx, principal_id, "person", "group", "room", "equipment")
    after = replace(before, disabled=disabled)
    await tx.execute("UPDATE principal SET disabled = ? WHERE id = ?", int(disabled), after.id)
    await addressbook.put(tx, after)
    announce(tx, after.id)
    if disabled:
        for table in ("token", "oauth_grant", "oauth_token"):
            await tx.execute(f"DELETE FROM {table} WHERE principal = ?", principal_id)
        await web_sessions.remove_all(tx, principal_id)
        tx.publish(TOPIC_KICK, b"%d" % after.id)
    return after


async def delete(tx: Tx, principal_id: int) -> None:
    """Removes a principal with everything it owns. A unit or department must be empty."""
    principal = await lookup.existing(tx, principal_id)
    inside = "department" if principal.kind == "department" else "unit"
    if principal.kind in ("department", "unit") and await tx.value(
        f"SELECT 1 FROM principal WHERE {inside} = ? AND id <> ? LIMIT 1", principal.id, principal.id
    ):
        raise Conflict(f"{principal.name} is not empty")
    await addressbook.remove(tx, principal)
    await control_lists.forget(tx, principal)
    await rooms.forget_person(tx, principal.address)
    await pubsub_members.forget_person(tx, principal.address)
    await room_seen.forget(tx, principal.id)
    await accounts.delete(tx, principal.id)
    for table, column in _REFERENCES:
        await tx.execute(f"DELETE FROM {table} WHERE {column} = ?", principal.id)
    announce(tx, principal.id)
    tx.publish(TOPIC_KICK, b"%d" % principal.id)
    if principal.kind == "department":
        tx.publish(TOPIC_DOMAINS, b"%d" % principal.id)


async def refresh_cards(tx: Tx, inside: Principal, after: int, limit: int) -> int | None:
    """Rewrites some of the cards that show the unit's or department's name; where to go on, or None."""
    column = "department" if inside.kind == "department" else "unit"
    rows = await tx.rows(
        f"SELECT {COLUMNS} FROM principal WHERE {column} = ? AND id > ? ORDER BY id LIMIT ?",
        inside.id,
        after,
        limit,
    )
    for row in rows:
        await addressbook.put(tx, from_row(row))
    return int(rows[-1][0]) if len(rows) == limit else None


_REFERENCES = (
    ("credential", "principal"),
    ("api_token", "maker"),
    ("device", "principal"),
    ("invite", "inviter"),
    ("oauth_grant", "principal"),
    ("oauth_token", "principal"),
    ("second_factor", "principal"),
    ("token", "principal"),
    ("webauthn_credential", "principal"),
    ("webauthn_spent", "principal"),
    ("web_session", "principal"),
    ("login", "principal"),
    ("connected", "principal"),
    ("news_reader", "person"),
    ("web_push", "person"),
    ("own_view", "person"),
    ("lock_wait", "person"),
    ("alias", "principal"),
    ("member", "principal"),
    ("member", "member"),
    ("group_rule", "principal"),
    ("unit_card", "principal"),
    ("unit_card", "unit"),
    ("also_in", "person"),
    ("also_in", "unit"),
    ("term", "post"),
    ("term", "person"),
    ("deputy", "principal"),
    ("deputy", "deputy"),
    ("retention", "principal"),
    ("grant_", "grantee"),
    ("grant_", "owner"),
    ("domain", "department"),
    ("principal", "id"),
)
