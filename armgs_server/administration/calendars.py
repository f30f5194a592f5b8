# SPDX-License-Identifier: Apache-2.0
"""Verbs about the calendars of a department: holidays and what else everybody in it is to see."""

from __future__ import annotations

from typing import Any, Final

from armgs_server.administration.fields import Field
from armgs_server.administration.verb import Desk, Given, Verb
from armgs_server.directory import department_calendars
from armgs_server.storage.tx import Tx

_DOMAIN: Final = Field("string", "A domain of the department.", required=True)
_NAME: Final = Field("string", "What it is called.", required=True, length=department_calendars.NAME_LIMIT)


async def list_(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = []
    for department in await desk.chosen(tx, given.get("domain", "")):
        for each in await department_calendars.of(tx, department):
            found.append(
                {
                    "domain": department.address,
                    "calendar": each.name,
                    "items": each.items,
                    "source": each.source,
                    "error": each.error,
                }
            )
    return {"calendars": found}


async def create(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    department = await desk.department(tx, given["domain"])
    made = await department_calendars.create(tx, department, given["calendar"], given.get("source", ""))
    return {"domain": department.address, "calendar": made.name}


async def remove(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    department = await desk.department(tx, given["domain"])
    await department_calendars.remove(tx, department, given["calendar"])
    return {"domain": department.address, "calendar": given["calendar"]}


VERBS: Final = (
    Verb(
        "calendars.list",
        "GET",
        "/calendars",
        "Calendars of departments, and why one could not be fetched",
        {"domain": Field("string", "Only those of the department of this domain.")},
        list_,
    ),
    Verb(
        "calendars.create",
        "POST",
        "/departments/{domain}/calendars",
        "Adds a calendar that everybody in the department sees; from a source it is copied again and again",
        {
            "domain": _DOMAIN,
            "calendar": _NAME,
            "source": Field(
                "string", "An address on the web; without it the calendar is filled by `armgs import`."
            ),
        },
        create,
    ),
    Verb(
        "calendars.remove",
        "DELETE",
        "/departments/{domain}/calendars/{calendar}",
        "Takes a calendar away from everybody",
        {"domain": _DOMAIN, "calendar": _NAME},
        remove,
    ),
)
