# SPDX-License-Identifier: Apache-2.0
"""Who may administer what: a department by what its row says, all of them by the configuration.

`Principal.data["administrators"]` of a department lists people and groups by number; `[security]
administrators` lists addresses of people and groups who administer every department. A right that is held
through a group ends with the membership.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server.directory.model import Principal
from armgs_server.directory.people import Change
from armgs_server.errors import Invalid

if TYPE_CHECKING:
    from armgs_server.directory.directory import Directory

KEY = "administrators"


async def administered(directory: Directory, person: Principal) -> list[Principal]:
    """The departments that a person administers."""
    if person.disabled:
        return []
    held = await directory.groups_of(person)
    departments = await directory.departments()
    for address in directory.config.security.administrators:
        found = await directory.by_address(address)
        if found is not None and found.id in held:
            return departments
    return [department for department in departments if held.intersection(department.data.get(KEY, ()))]


async def is_administrator(directory: Directory, person: Principal, department: int) -> bool:
    """Whether a person administers that department."""
    return any(each.id == department for each in await administered(directory, person))


async def set_administrators(directory: Directory, department: Principal, ids: Sequence[int]) -> Principal:
    """Makes people and groups, by number, the administrators of a department; nobody else is any more."""
    for each in ids:
        found = await directory.by_id(each)
        if found is None or found.kind not in ("person", "group", "unit"):
            raise Invalid(f"{each} is no person, group or unit")
    return await directory.update(department.id, Change(data={KEY: sorted(set(ids))}))
