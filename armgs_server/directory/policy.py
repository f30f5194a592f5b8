# SPDX-License-Identifier: Apache-2.0
"""What holds for the people of a department: passwords, second factor, quota. Pure, but for reading the rows.

A department's row has what it says otherwise (`Principal.data["policy"]`); whatever it does not say is as the
installation's settings have it, and follows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from armgs_server.config import Config
from armgs_server.directory import lookup
from armgs_server.directory.model import POLICY, Principal
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.directory.finder import Finder

NOBODY: Final = "nobody"
ADMINISTRATORS: Final = "administrators"
EVERYBODY: Final = "everybody"
SECOND_FACTOR: Final = (NOBODY, ADMINISTRATORS, EVERYBODY)  # each asks for more than the one before it


@dataclass(frozen=True, slots=True)
class Policy:
    """What is in force. Quota in bytes, 0 no limit; days 0: a password does not grow old; `history`: of how
    many former passwords none may be taken again."""

    person_quota: int
    password_length: int
    password_days: int
    password_history: int
    second_factor: str
    app_passwords: bool


def inherited(config: Config) -> Policy:
    """Where a department says nothing."""
    security = config.security
    return Policy(
        config.limits.quota,
        security.password_length,
        security.password_days,
        security.password_history,
        security.second_factor,
        security.app_passwords,
    )


def own(department: Principal) -> Mapping[str, Any]:
    """What the department says for itself."""
    said = department.data.get(POLICY, {})
    return {name: said[name] for name in FIELDS if name in said}


def of(config: Config, department: Principal | None) -> Policy:
    """What is in force in a department; None: in the installation."""
    return inherited(config) if department is None else replace(inherited(config), **own(department))


async def of_person(directory: Finder, person: Principal) -> Policy:
    """From memory, as a rule."""
    return of(directory.config, await directory.by_id(person.department))


async def in_(tx: Tx, config: Config, department: int) -> Policy:
    """The same within a transaction."""
    return of(config, await lookup.by_id(tx, department))


def quota_of(department: Principal | None, otherwise: int) -> int:
    """What somebody new in a department may store: what it says, or the other."""
    return otherwise if department is None else int(own(department).get("person_quota", otherwise))


def is_laxer(policy: Policy, than: Policy) -> str:
    """What of it asks for less than another: the name of the field, or ""."""
    if policy.password_length < than.password_length:
        return "password_length"
    if policy.password_history < than.password_history:
        return "password_history"
    if than.password_days and not 0 < policy.password_days <= than.password_days:
        return "password_days"
    if SECOND_FACTOR.index(policy.second_factor) < SECOND_FACTOR.index(than.second_factor):
        return "second_factor"
    return "app_passwords" if than.app_passwords and not policy.app_passwords else ""


FIELDS: Final = tuple(Policy.__dataclass_fields__)
