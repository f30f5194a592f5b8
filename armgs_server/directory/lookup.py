# SPDX-License-Identifier: Apache-2.0
"""What the directory asks of its tables. Each function runs inside somebody's transaction.

Groups may hold groups, in any tangle: the recursive queries use UNION, which drops what was seen, so a
cycle ends. Disabled people stay in every list; who delivers or rings decides by `Principal.disabled`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from armgs_server.directory.model import COLUMNS, Kind, Principal, from_row
from armgs_server.errors import NotFound
from armgs_server.storage.items import IN_LIMIT
from armgs_server.storage.tx import Tx

_P: Final = ", ".join(f"p.{column}" for column in COLUMNS.split(", "))

NO_LIMIT: Final = 1 << 31

# The units below a department's unit, itself included.
_UNITS_BELOW: Final = """
WITH RECURSIVE below(id, department) AS (
  SELECT id, department FROM principal WHERE id = ?
  UNION SELECT p.id, p.department FROM principal p
    JOIN below ON p.department = below.department AND p.unit = below.id AND p.kind = 'unit'
)"""
_MEMBERS: Final = f"""
WITH RECURSIVE opened(id) AS (
  SELECT member FROM member WHERE principal = ?
  UNION SELECT m.member FROM member m JOIN opened ON m.principal = opened.id
)
SELECT {_P} FROM opened JOIN principal p ON p.id = opened.id WHERE p.kind = 'person' ORDER BY p.id"""
_GROUPS_OF: Final = """
WITH RECURSIVE holding(id) AS (
  SELECT principal FROM member WHERE member = ?
  UNION SELECT m.principal FROM member m JOIN holding ON m.member = holding.id
)
SELECT id FROM holding"""
_UNITS_ABOVE: Final = """
WITH RECURSIVE above(id, unit) AS (
  SELECT id, unit FROM principal WHERE id = ?
  UNION SELECT p.id, p.unit FROM principal p JOIN above ON p.id = above.unit
)
SELECT id FROM above"""


async def by_id(tx: Tx, principal_id: int) -> Principal | None:
    """One principal."""
    row = await tx.row(f"SELECT {COLUMNS} FROM principal WHERE id = ?", principal_id)
    return from_row(row) if row else None


async def existing(tx: Tx, principal_id: int, *kinds: Kind) -> Principal:
    """One principal of one of the kinds (any where none is named), or NotFound."""
    found = await by_id(tx, principal_id)
    if found is None or (kinds and found.kind not in kinds):
        raise NotFound(f"no {' or '.join(kinds) or 'principal'} with the number {principal_id}")
    return found


async def by_address(tx: Tx, address: str) -> Principal | None:
    """The principal with exactly this address or alias, in its normal spelling."""
    row = await tx.row(f"SELECT {COLUMNS} FROM principal WHERE address = ?", address)
    if row is None:
        row = await tx.row(
            f"SELECT {_P} FROM alias a JOIN principal p ON p.id = a.principal WHERE a.address = ?", address
        )
    return from_row(row) if row else None


async def by_addresses(tx: Tx, addresses: Sequence[str]) -> dict[str, Principal]:
    """Those with one of the addresses, by that address, each in its normal spelling."""
    found: dict[str, Principal] = {}
    for start in range(0, len(addresses), IN_LIMIT):
        part = addresses[start : start + IN_LIMIT]
        places = ", ".join("?" * len(part))
        for row in await tx.rows(f"SELECT {COLUMNS} FROM principal WHERE address IN ({places})", *part):
            principal = from_row(row)
            found[principal.address] = principal
        for row in await tx.rows(
            f"SELECT {_P}, a.address FROM alias a JOIN principal p ON p.id = a.principal"
            f" WHERE a.address IN ({places})",
            *part,
        ):
            found.setdefault(row[-1], from_row(row[:-1]))
    return found


async def domains(tx: Tx) -> dict[str, int]:
    """Every domain served here, with its department."""
    return {name: department for name, department in await tx.rows("SELECT name, department FROM domain")}


async def of_kind(tx: Tx, department: int, kind: Kind) -> list[Principal]:
    """All of a kind in one department."""
    rows = await tx.rows(
        f"SELECT {COLUMNS} FROM principal WHERE department = ? AND kind = ? ORDER BY id", department, kind
    )
    return [from_row(row) for row in rows]


async def all_of_kind(tx: Tx, kind: Kind, after: int, limit: int) -> list[Principal]:
    """A page of all of a kind, in the order of their numbers."""
    rows = await tx.rows(
        f"SELECT {COLUMNS} FROM principal WHERE kind = ? AND id > ? ORDER BY id LIMIT ?", kind, after, limit
    )
    return [from_row(row) for row in rows]


async def members(tx: Tx, principal: Principal) -> list[Principal]:
    """The people of a group, its groups opened, of a unit and those below it, or of a department."""
    if principal.kind == "group":
        return [from_row(row) for row in await tx.rows(_MEMBERS, principal.id)]
    if principal.kind == "unit":
        rows = await tx.rows(
            f"{_UNITS_BELOW} SELECT {_P} FROM below"
            " JOIN principal p ON p.department = below.department AND p.unit = below.id AND p.kind = 'person'"
            f" UNION SELECT {_P} FROM below JOIN also_in a ON a.unit = below.id"
            " JOIN principal p ON p.id = a.person ORDER BY 1",
            principal.id,
        )
        return [from_row(row) for row in rows]
    if principal.kind == "department":
        return await of_kind(tx, principal.id, "person")
    return [principal] if principal.kind == "person" else []


async def direct_members(tx: Tx, group: int) -> list[Principal]:
    """The people and groups that were put into a group, nothing opened; contacts: directory.contacts."""
    rows = await tx.rows(
        f"SELECT {_P} FROM member m JOIN principal p ON p.id = m.member"
        " WHERE m.principal = ? AND p.kind <> 'contact' ORDER BY p.id",
        group,
    )
    return [from_row(row) for row in rows]


async def groups_of(tx: Tx, principal: Principal) -> frozenset[int]:
    """Itself, every group that holds it or that it stands in for, its chain of units, its department."""
    groups = {row[0] for row in await tx.rows(_GROUPS_OF, principal.id)}
    for (post,) in await tx.rows("SELECT principal FROM deputy WHERE deputy = ?", principal.id):
        found = await existing(tx, post)
        if await is_vacant(tx, found):
            groups |= {post, *(row[0] for row in await tx.rows(_GROUPS_OF, post))}
    units = await units_above(tx, principal)
    return frozenset(groups | units | {principal.id, principal.department})


async def units_above(tx: Tx, principal: Principal) -> frozenset[int]:
    """Its units and all above them."""
    above: set[int] = set()
    for unit in principal.units:
        if unit and unit not in above:
            above |= {row[0] for row in await tx.rows(_UNITS_ABOVE, unit)}
    return frozenset(above)


async def is_vacant(tx: Tx, group: Principal) -> bool:
    """Whether a group has nobody who can log in."""
    return all(member.disabled for member in await members(tx, group))


async def deputies(tx: Tx, group: int) -> list[Principal]:
    """Who stands in for a group that is vacant."""
    rows = await tx.rows(
        f"SELECT {_P} FROM deputy d JOIN principal p ON p.id = d.deputy WHERE d.principal = ? ORDER BY p.id",
        group,
    )
    return [from_row(row) for row in rows]


async def unit_people(tx: Tx, department: int, unit: int, limit: int) -> list[Principal]:
    """People directly in a unit (0: directly under the department), heads first."""
    rows = await tx.rows(
        f"SELECT {COLUMNS} FROM principal WHERE department = ? AND unit = ? AND kind = 'person'"
        f" UNION SELECT {_P} FROM also_in a JOIN principal p ON p.id = a.person WHERE a.unit = ?"
        " ORDER BY head DESC, id LIMIT ?",
        department,
        unit,
        unit,
        limit,
    )
    return [from_row(row) for row in rows]


async def unit_parents(tx: Tx, department: int) -> dict[int, int]:
    """The units of a department, each with the one it lies in (0: none)."""
    rows = await tx.rows("SELECT id, unit FROM principal WHERE department = ? AND kind = 'unit'", department)
    return {unit: parent for unit, parent in rows}


async def led_units(tx: Tx, person: Principal) -> set[int]:
    """The units that a head leads, with those below them."""
    if 0 in person.led:
        return set(await unit_parents(tx, person.department))
    return {
        row[0] for unit in person.led for row in await tx.rows(f"{_UNITS_BELOW} SELECT id FROM below", unit)
    }


async def heads(tx: Tx, department: int, limit: int) -> list[Principal]:
    """Who leads the department and its units."""
    rows = await tx.rows(
        f"SELECT {COLUMNS} FROM principal WHERE department = ? AND head = 1 ORDER BY unit, id LIMIT ?",
        department,
        limit,
    )
    return [from_row(row) for row in rows]


async def aliases(tx: Tx, principal_id: int) -> list[str]:
    """The other addresses of a principal."""
    return [
        row[0]
        for row in await tx.rows("SELECT address FROM alias WHERE principal = ? ORDER BY 1", principal_id)
    ]
