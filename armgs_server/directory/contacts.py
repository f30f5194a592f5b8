# SPDX-License-Identifier: Apache-2.0
"""Outside contacts: people elsewhere whom a department writes to, as principals of its directory.

A contact has no address here, only those under which mail reaches it elsewhere (`Principal.mails`): so nobody
can log in as it, nothing can be shared with it, and it is no JID. Address books and LDAP show it like people;
groups may hold it, which makes it a recipient of their mail and of nothing else. Each function is part of one
transaction. Within a department an address belongs to one contact; other departments may have their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from armgs_server.directory import lookup, people, structure
from armgs_server.directory.model import COLUMNS, MAILS, ORGANISATION, Principal, from_row
from armgs_server.directory.people import Change
from armgs_server.errors import AlreadyExists, Conflict, Invalid
from armgs_server.formats.addresses import normalise
from armgs_server.storage.tx import Tx

MAILS_LIMIT: Final = 10  # of one contact: what a person has, not a mail list in disguise

_P: Final = ", ".join(f"p.{column}" for column in COLUMNS.split(", "))
_DIRECT: Final = (
    f"SELECT {_P} FROM member m JOIN principal p ON p.id = m.member"
    " WHERE m.principal = ? AND p.kind = 'contact' ORDER BY p.id"
)
_BEHIND: Final = f"""
WITH RECURSIVE opened(id) AS (
  SELECT member FROM member WHERE principal = ?
  UNION SELECT m.member FROM member m JOIN opened ON m.principal = opened.id
)
SELECT {_P} FROM opened JOIN principal p ON p.id = opened.id WHERE p.kind = 'contact' ORDER BY p.id"""


async def create(
    tx: Tx,
    department: int,
    name: str,
    mails: Sequence[str],
    *,
    unit: int = 0,
    post: str = "",
    data: Mapping[str, Any] | None = None,
) -> Principal:
    """A new contact of a department. Invalid, AlreadyExists."""
    await lookup.existing(tx, department, "department")
    checked = await _checked(tx, department, mails, 0)
    made = await structure.insert(
        tx,
        "contact",
        "",
        name or checked[0],
        department=department,
        unit=unit,
        post=post,
        data={**(data or {}), MAILS: checked},
    )
    await structure.show(tx, made)
    return made


async def change(
    tx: Tx, contact: Principal, change: Change, *, mails: Sequence[str] | None = None
) -> Principal:
    """What it is called and where it is reached. Invalid, AlreadyExists."""
    data = dict(change.data or {})
    if mails is not None:
        data[MAILS] = await _checked(tx, contact.department, mails, contact.id)
    wanted = Change(change.name, change.unit, change.post, None, data)
    return await people.update(tx, contact.id, wanted)


async def by_mail(tx: Tx, department: int, mail: str) -> Principal | None:
    """The department's contact with that address, however it is spelled."""
    try:
        spelled = normalise(mail)
    except Invalid:
        return None
    text = json.dumps(spelled, ensure_ascii=False)
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    rows = await tx.rows(
        f"SELECT {COLUMNS} FROM principal WHERE department = ? AND kind = 'contact'"
        " AND data LIKE ? ESCAPE '\\' ORDER BY id",
        department,
        f"%{text}%",
    )
    return next((each for each in map(from_row, rows) if spelled in each.mails), None)


async def of_group(tx: Tx, group: int) -> list[Principal]:
    """Those that were put into a group."""
    return [from_row(row) for row in await tx.rows(_DIRECT, group)]


async def behind(tx: Tx, group: Principal) -> list[Principal]:
    """Those of a group and of the groups in it; other lists have none."""
    return [from_row(row) for row in await tx.rows(_BEHIND, group.id)] if group.kind == "group" else []


async def add_to(tx: Tx, group: Principal, contact: Principal) -> None:
    """Makes a contact a recipient of a group's mail. Conflict for another department's."""
    if contact.department != group.department:
        raise Conflict(f"{contact.name} belongs to another department")
    await structure.add_members(tx, group, [contact.id])


def organisation(contact: Principal) -> str:
    """Where it works."""
    return str(contact.data.get(ORGANISATION, ""))


async def _checked(tx: Tx, department: int, mails: Sequence[str], own: int) -> list[str]:
    """In their normal spelling, each once."""
    found: list[str] = []
    for mail in mails:
        spelled = normalise(mail)
        _, at, domain = spelled.rpartition("@")
        if not at:
            raise Invalid(f"{mail[:200]} is no address")
        if await tx.value("SELECT department FROM domain WHERE name = ?", domain) is not None:
            raise Invalid(f"{domain} is served here: who is there is a person, not a contact")
        holder = await by_mail(tx, department, spelled)
        if holder is not None and holder.id != own:
            raise AlreadyExists(f"{spelled} is the address of {holder.name}")
        found.append(spelled)
    found = list(dict.fromkeys(found))
    if not 0 < len(found) <= MAILS_LIMIT:
        raise Invalid(f"a contact has 1 to {MAILS_LIMIT} addresses")
    return found
