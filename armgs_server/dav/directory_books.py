# SPDX-License-Identifier: Apache-2.0
"""The directory's address books in the home of each of its people: which of them a phone is to keep; and the
control lists of who leads."""

import re
from collections.abc import Sequence

from armgs_server.directory import addressbook, control_lists
from armgs_server.directory.model import Principal
from armgs_server.storage.collections import Collection

# By role, which is their name in the home too.
DEPARTMENT_BOOK = addressbook.NAME
UNIT_BOOK = "unit"
WITH_CARD = addressbook.KINDS  # kinds of principals that have a card
CONTROL_LIST = control_lists.ROLE  # whoever leads several units has as many, each with the unit's number
_CONTROL = re.compile(rf"{CONTROL_LIST}-([0-9]{{1,18}})")


def synced(person: Principal, shared: Sequence[Collection], limit: int) -> list[Collection]:
    """Of what others share: no book of a department above the limit, but then the unit's instead."""
    large = {each.owner for each in shared if each.role == DEPARTMENT_BOOK and each.items > limit}
    unit = person.unit if person.department in large else 0
    return [
        each
        for each in shared
        if (each.role != DEPARTMENT_BOOK or each.owner not in large)
        and (each.role != UNIT_BOOK or each.owner == unit)
    ]


def name_of(person: Principal, collection: Collection) -> str:
    """The name of a book in the person's home; '' for what is none of these."""
    own = {DEPARTMENT_BOOK: person.department, UNIT_BOOK: person.unit}
    if collection.role == CONTROL_LIST:
        return f"{CONTROL_LIST}-{collection.owner}"
    return collection.role if own.get(collection.role) == collection.owner else ""


def holder(owner: Principal, area: str, name: str) -> tuple[int, str]:
    """Whose book or list a name in somebody's home means, and its role; 0: it is no such name."""
    if area == "calendars":
        found = _CONTROL.fullmatch(name)
        return (int(found[1]), CONTROL_LIST) if found is not None else (0, "")
    if area != "addressbooks":
        return 0, ""
    return {DEPARTMENT_BOOK: owner.department, UNIT_BOOK: owner.unit}.get(name, 0), name
