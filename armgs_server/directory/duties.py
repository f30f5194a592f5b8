# SPDX-License-Identifier: Apache-2.0
"""What the policy of the department asks of a person now, before anything else is shown or done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server import log
from armgs_server.directory import people, policy
from armgs_server.directory.administrators import administered
from armgs_server.directory.model import Expired, Principal
from armgs_server.storage import clock

if TYPE_CHECKING:
    from armgs_server.directory.directory import Directory
    from armgs_server.directory.finder import Finder

_log = log.get("login")


async def refuses_password(directory: Finder, person: Principal | None) -> bool:
    """Whether the person's password is none for programs: they have app passwords and tokens."""
    return person is not None and (await policy.of_person(directory, person)).app_passwords


async def is_expired(directory: Finder, person: Principal) -> bool:
    """Whether the person's password is older than it may be."""
    days = (await policy.of_person(directory, person)).password_days
    if not days:
        return False
    changed = await directory.store.read(lambda tx: people.password_changed(tx, person.id))
    return 0 < changed < clock.now() - days * clock.DAY


async def check_age(directory: Finder, person: Principal) -> None:
    """Expired for a program that has shown too old a password, and shown it rightly."""
    if await is_expired(directory, person):
        _log.warning("the password is too old", account=person.address)
        raise Expired()


async def needs_second_factor(directory: Directory, person: Principal) -> bool:
    """Whether the person must have one for the pages."""
    wanted = (await policy.of_person(directory, person)).second_factor
    if wanted == policy.EVERYBODY:
        return True
    return wanted == policy.ADMINISTRATORS and bool(await administered(directory, person))
