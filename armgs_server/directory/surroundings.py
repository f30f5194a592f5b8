# SPDX-License-Identifier: Apache-2.0
"""What the changes of many people in one transaction look up again and again, read once.

Only for a transaction that changes none of it: no department, domain, unit or address book comes, goes or
gets another name in it. Whoever changes one person makes a new one, which reads what it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

from armgs_server.directory import lookup
from armgs_server.directory.model import Principal, check_address
from armgs_server.errors import Conflict, Invalid
from armgs_server.storage import collections
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx


class Surroundings:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.free: set[str] = set()  # addresses that nobody had at the beginning, each to be given once
        self._domains: dict[str, int] = {}
        self._principals: dict[int, Principal | None] = {}
        self._books: dict[tuple[int, str], Collection] = {}

    async def note_addresses(self, tx: Tx, texts: Iterable[str]) -> dict[str, Principal]:
        """Who has some of the addresses, by its normal spelling; the others are free or no addresses."""
        addresses: dict[str, None] = {}
        for text in texts:
            try:
                addresses[check_address(text)] = None
            except Invalid:
                continue  # refused when its turn comes
        found = await lookup.by_addresses(tx, [*addresses])
        self.free |= addresses.keys() - found.keys()
        return found

    async def department_of(self, tx: Tx, address: str) -> int:
        """The department that serves an address's domain, or Invalid."""
        domain = address.rpartition("@")[2]
        department = self._domains.get(domain)
        if department is None:
            department = await tx.value("SELECT department FROM domain WHERE name = ?", domain)
            if department is None:
                raise Invalid(f"{domain} is not a domain of this server")
            self._domains[domain] = int(department)
        return int(department)

    async def find(self, tx: Tx, principal_id: int) -> Principal | None:
        """A department or unit."""
        if principal_id not in self._principals:
            self._principals[principal_id] = await lookup.by_id(tx, principal_id)
        return self._principals[principal_id]

    async def check_unit(self, tx: Tx, department: int, unit: int) -> None:
        """Raises NotFound or Conflict unless the unit is one of the department's."""
        found = await self.find(tx, unit)
        if found is None or found.kind != "unit":
            await lookup.existing(tx, unit, "unit")  # says what is wrong
        elif found.department != department:
            raise Conflict(f"{found.name} belongs to another department")

    async def book(self, tx: Tx, owner: int, role: str) -> Collection:
        """The address book of a department or unit, as it was when it was read: its counts grow old."""
        found = self._books.get((owner, role))
        if found is None:
            found = await collections.by_role(tx, owner, "addressbook", role)
            assert found is not None, "made with its owner, and nobody may delete it"
            self._books[owner, role] = found
        return found
