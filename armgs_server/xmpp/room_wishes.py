# SPDX-License-Identifier: Apache-2.0
"""What people, and departments for their people, do not want of chat rooms: kept in the directory's data."""

from __future__ import annotations

from typing import Final

from armgs_server.directory import Directory, Principal

DIGEST: Final = "chat_digest"  # mails about what was missed
BOOKMARKS: Final = "unit_rooms"  # of the rooms of the unit


async def is_wanted(directory: Directory, person: Principal, key: str) -> bool:
    """Neither the person nor the department has said no."""
    department = await directory.by_id(person.department)
    policies = (person.data, department.data if department is not None else {})
    return all(each.get(key) is not False for each in policies)
