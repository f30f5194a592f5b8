# SPDX-License-Identifier: Apache-2.0
"""Verbs about what holds for the people of a department (directory.policy).

Who administers one department may ask for more than the installation does, never for less; what people may
store there is for administrators of all departments to say.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from armgs_server.administration.fields import Field
from armgs_server.administration.verb import Desk, Given, Verb
from armgs_server.directory import people, policy
from armgs_server.directory.model import POLICY, Principal
from armgs_server.directory.people import Change
from armgs_server.errors import Denied, Invalid
from armgs_server.storage import accounts
from armgs_server.storage.tx import Tx

_DOMAIN: Final = Field("string", "A domain of the department.", required=True)
_FIELDS: Final = {
    "person_quota": Field("integer", "Bytes that each person may store, over all kinds; 0 is no limit."),
    "password_length": Field("integer", "Shortest password.", minimum=1, maximum=128),
    "password_days": Field(
        "integer", "Days after which a password is to be changed; 0 is never.", maximum=3650
    ),
    "password_history": Field("integer", "Former passwords of which none may be taken again.", maximum=24),
    "second_factor": Field(
        "string", "Who must have a second factor for the pages.", choices=policy.SECOND_FACTOR
    ),
    "app_passwords": Field("boolean", "Programs log in by app passwords and tokens alone."),
}


async def show(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    return _shown(desk, await desk.department(tx, given["domain"]))


async def change(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    department = await desk.department(tx, given["domain"])
    config = desk.directory.config
    dropped = given.get("inherit", [])
    if unknown := [name for name in dropped if name not in _FIELDS or name in given]:
        raise Invalid(f"{unknown[0][:80]} cannot be inherited here")
    said = {name: value for name, value in policy.own(department).items() if name not in dropped}
    said |= {name: given[name] for name in _FIELDS if name in given}
    before = policy.of(config, department)
    after = await people.update(tx, department.id, Change(data={POLICY: said or None}))
    wanted = policy.of(config, after)
    if desk.departments is not None:
        if wanted.person_quota != before.person_quota or "person_quota" in given:
            raise Denied("how much people may store is for administrators of all departments to say")
        if laxer := policy.is_laxer(wanted, policy.inherited(config)):
            raise Denied(f"{laxer} cannot ask for less than the installation does")
    moved = 0
    if wanted.person_quota != before.person_quota:
        moved = await accounts.follow_quota(tx, department.id, before.person_quota, wanted.person_quota)
    return {**_shown(desk, after), "people": moved}


def _shown(desk: Desk, department: Principal) -> dict[str, Any]:
    """What is in force, and what of it the department has said itself."""
    config = desk.directory.config
    return {
        "domain": department.address,
        **asdict(policy.of(config, department)),
        "own": sorted(policy.own(department)),
    }


VERBS: Final = (
    Verb(
        "policies.show",
        "GET",
        "/departments/{domain}/policy",
        "What holds for the people of a department; `own` is what it says otherwise than the installation",
        {"domain": _DOMAIN},
        show,
    ),
    Verb(
        "policies.change",
        "PATCH",
        "/departments/{domain}/policy",
        "Changes it; a new quota is that of everybody who had the former one",
        {
            "domain": _DOMAIN,
            **_FIELDS,
            "inherit": Field("texts", "What is to be as in the installation again, by name."),
        },
        change,
    ),
)
