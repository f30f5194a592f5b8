# SPDX-License-Identifier: Apache-2.0
"""Namespaces (RFC 2342): a name says whose mailbox it means.

`NAME` is the person's own; `Other Users/ADDRESS/NAME` another person's; `Shared/ADDRESS/NAME` a group's, a
room's or, with the domain for an address, a department's. Both prefixes mean nothing else here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server.directory import Directory, Principal
from armgs_server.imap.mailbox_names import DELIMITER, INBOX

OTHER_USERS = "Other Users"
SHARED = "Shared"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name leads: the owner's tree, and the way down in it."""

    owner: Principal
    path: Sequence[str]
    prefix: str  # what stands before the path in the person's names; "" for the person's own


def prefix_of(owner: Principal) -> str:
    """What a name of this owner's mailboxes begins with, for everybody else."""
    root = OTHER_USERS if owner.kind == "person" else SHARED
    return f"{root}{DELIMITER}{owner.address}{DELIMITER}"


async def locate(directory: Directory, person: Principal, name: str) -> Place | None:
    """The place that a person means by a name; None where a namespace has nobody of that address."""
    first, *rest = name.split(DELIMITER)
    if first not in (OTHER_USERS, SHARED):
        return Place(person, (first, *rest), "")
    if len(rest) < 2:
        return None
    owner = await directory.by_address(rest[0])
    if owner is None or (owner.kind == "person") is not (first == OTHER_USERS):
        return None
    top = INBOX if rest[1].upper() == INBOX else rest[1]
    return Place(owner, (top, *rest[2:]), f"{first}{DELIMITER}{rest[0]}{DELIMITER}")
