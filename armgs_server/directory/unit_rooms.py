# SPDX-License-Identifier: Apache-2.0
"""Addresses of the chat rooms that follow from the structure (XEP-0045): each unit has a room and one for
announcements, each department one for announcements."""

from __future__ import annotations

from armgs_server.directory.model import Principal


def rooms_of(person: Principal) -> list[str]:
    """The rooms that somebody of a unit belongs to."""
    service = f"conference.{person.address.partition('@')[2]}"
    units = [f"unit-{unit}" for unit in person.units if unit] or ["unit-0"]
    rooms = [room for unit in units for room in (f"{unit}@{service}", f"{unit}-news@{service}")]
    return [*rooms, f"department-news@{service}"]
