# SPDX-License-Identifier: Apache-2.0
"""Verbs about outside contacts: people elsewhere whom a department's address book shows."""

from __future__ import annotations

from typing import Any, Final

from armgs_server.administration.fields import Field
from armgs_server.administration.verb import DEFAULT_PAGE, PAGE, Desk, Given, Verb
from armgs_server.directory import contacts, people
from armgs_server.directory.model import COLUMNS, ORGANISATION, Principal, from_row
from armgs_server.directory.people import Change
from armgs_server.storage.tx import Tx

_KEYS: Final = ("telephone", "mobile", "family", "given", "additional", ORGANISATION)
_CONTACT: Final = Field("integer", "The contact's number.", required=True)
_WRITTEN: Final = {
    "name": Field("string", "The full name.", length=500),
    "unit": Field("integer", "The number of the unit in whose address book it stands, too; 0 is none."),
    "post": Field("string", "The title.", length=500),
    ORGANISATION: Field("string", "Where the contact works.", length=500),
    "telephone": Field("string", "The telephone at work.", length=100),
    "mobile": Field("string", "The mobile telephone.", length=100),
    "family": Field("string", "The family name.", length=200),
    "given": Field("string", "The given name.", length=200),
    "additional": Field("string", "The patronymic, or other names.", length=200),
}
_MAILS: Final = "Addresses elsewhere, the one that is written to first."


async def list_(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    limit = given.get("limit", DEFAULT_PAGE)
    found: list[Principal] = []
    for department in await desk.chosen(tx, given.get("domain", "")):
        rows = await tx.rows(
            f"SELECT {COLUMNS} FROM principal WHERE department = ? AND kind = 'contact' AND id > ?"
            " ORDER BY id LIMIT ?",
            department.id,
            given.get("after", 0),
            limit,
        )
        found += map(from_row, rows)
    found.sort(key=lambda each: each.id)
    return {"contacts": [_record(each) for each in found[:limit]]}


async def show(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    return _record(await desk.number(tx, given["contact"], "contact"))


async def create(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    department = await desk.department(tx, given["domain"])
    if given.get("unit"):
        await desk.number(tx, given["unit"], "unit")
    made = await contacts.create(
        tx,
        department.id,
        given.get("name", ""),
        given["mails"],
        unit=given.get("unit", 0),
        post=given.get("post", ""),
        data={key: given[key] for key in _KEYS if given.get(key)},
    )
    return _record(made)


async def change(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await desk.number(tx, given["contact"], "contact")
    if given.get("unit"):
        await desk.number(tx, given["unit"], "unit")
    data = {key: given[key] or None for key in _KEYS if key in given}
    wanted = Change(name=given.get("name"), unit=given.get("unit"), post=given.get("post"), data=data)
    return _record(await contacts.change(tx, found, wanted, mails=given.get("mails")))


async def remove(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await desk.number(tx, given["contact"], "contact")
    await people.delete(tx, found.id)
    return _record(found)


async def named(tx: Tx, desk: Desk, group: Principal, mail: str) -> Principal | None:
    """The contact of a group's department that has an address."""
    found = await contacts.by_mail(tx, group.department, mail)
    return found if found is not None and desk.admits(found.department) else None


async def mails_in(tx: Tx, group: Principal) -> list[str]:
    """The first address of each contact that was put into a group."""
    return [each.mails[0] for each in await contacts.of_group(tx, group.id)]


async def number_of(tx: Tx, department: int, mail: str) -> int:
    """The contact's number; 0 where the department has none with that address."""
    found = await contacts.by_mail(tx, department, mail)
    return found.id if found is not None else 0


def _record(found: Principal) -> dict[str, Any]:
    return {
        "number": found.id,
        "name": found.name,
        "mails": list(found.mails),
        "unit": found.unit,
        "post": found.post,
        **{key: str(found.data.get(key, "")) for key in (ORGANISATION, "telephone", "mobile")},
    }


VERBS: Final = (
    Verb(
        "contacts.list",
        "GET",
        "/contacts",
        "Outside contacts in the order of their numbers, a page at a time",
        {"domain": Field("string", "Only those of the department of this domain."), **PAGE},
        list_,
    ),
    Verb("contacts.show", "GET", "/contacts/{contact}", "One contact", {"contact": _CONTACT}, show),
    Verb(
        "contacts.create",
        "POST",
        "/contacts",
        "Adds an outside contact, which address books show and groups may hold; it cannot log in",
        {
            "domain": Field("string", "A domain of the department.", required=True),
            "mails": Field("addresses", _MAILS, required=True),
            **_WRITTEN,
        },
        create,
    ),
    Verb(
        "contacts.change",
        "PATCH",
        "/contacts/{contact}",
        "Changes a contact",
        {"contact": _CONTACT, "mails": Field("addresses", _MAILS), **_WRITTEN},
        change,
    ),
    Verb(
        "contacts.remove",
        "DELETE",
        "/contacts/{contact}",
        "Removes a contact",
        {"contact": _CONTACT},
        remove,
    ),
)
