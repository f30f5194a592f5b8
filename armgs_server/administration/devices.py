# SPDX-License-Identifier: Apache-2.0
"""Verbs about devices, app passwords and invitations."""

from __future__ import annotations

from typing import Any, Final

from armgs_server.administration.fields import Field
from armgs_server.administration.people import ADDRESS
from armgs_server.administration.posts import shown_time
from armgs_server.administration.verb import Desk, Given, Verb
from armgs_server.directory import devices, people
from armgs_server.directory.invitations import KEY as POLICY
from armgs_server.directory.invitations import POLICIES
from armgs_server.directory.people import Change
from armgs_server.errors import NotFound
from armgs_server.storage.tx import Tx

_DEVICE: Final = Field("string", "The device's id.", required=True)
_NAME: Final = Field("string", "The device's name.", required=True, length=200)
_DOMAIN: Final = Field("string", "A domain of the department.", required=True)
_WHO: Final = (*POLICIES, "nobody")


async def list_(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.find(tx, given["address"], "person")
    return {
        "devices": [
            {
                "id": each.id,
                "software": each.software,
                "name": each.name,
                "created": shown_time(each.created),
                "last_seen": shown_time(each.last_seen),
            }
            for each in await devices.known(tx, person.id, 0)
        ],
        "app_passwords": [
            {"name": name, "created": shown_time(created), "last_used": shown_time(used)}
            for name, created, used in await people.app_passwords(tx, person.id)
        ],
    }


async def remove(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.below(tx, await desk.find(tx, given["address"], "person"))
    if not await devices.remove(tx, person.id, given["device"]):
        raise NotFound(f"{person.address} has no such device")
    return {"address": person.address, "device": given["device"]}


async def add_app_password(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.below(tx, await desk.find(tx, given["address"], "person"))
    text, credential = desk.directory.auth.passwords.new_app_password(person.id, given["name"])
    if any(name == given["name"] for name, _, _ in await people.app_passwords(tx, person.id)):
        await people.remove_app_password(tx, person.id, given["name"])
    await people.put_credentials(tx, person.id, [credential])
    return {"address": person.address, "name": given["name"], "password": text}


async def remove_app_password(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.below(tx, await desk.find(tx, given["address"], "person"))
    await people.remove_app_password(tx, person.id, given["name"])
    return {"address": person.address, "name": given["name"]}


async def list_invitations(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    department = await desk.department(tx, given["domain"])
    rows = await tx.rows(
        "SELECT i.local, i.domain, i.expires, p.address FROM invite i JOIN principal p ON p.id = i.inviter"
        " WHERE p.department = ? AND i.expires > ? ORDER BY i.expires",
        department.id,
        desk.now,
    )
    return {
        "allowed": department.data.get(POLICY) or "nobody",
        "invitations": [
            {
                "account": f"{local or '*'}@{domain}" if domain else "",
                "expires": shown_time(expires),
                "inviter": inviter,
            }
            for local, domain, expires, inviter in rows
        ],
    }


async def allow_invitations(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    department = await desk.department(tx, given["domain"])
    who = given["who"]
    await people.update(tx, department.id, Change(data={POLICY: None if who == "nobody" else who}))
    return {"domain": given["domain"], "allowed": who}


async def invite(desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.directory.store.read(lambda tx: desk.find(tx, given["inviter"], "person"))
    token, expires = await desk.directory.invitations.invite(
        person, account=given.get("account", True), local=given.get("name", "")
    )
    return {
        "inviter": person.address,
        "token": token,
        "path": f"/invite/{token}",
        "expires": shown_time(expires),
    }


VERBS: Final = (
    Verb(
        "devices.list",
        "GET",
        "/people/{address}/devices",
        "Programs a person chats with, and the app passwords",
        {"address": ADDRESS},
        list_,
    ),
    Verb(
        "devices.remove",
        "DELETE",
        "/people/{address}/devices/{device}",
        "Ends a device's sessions and tokens",
        {"address": ADDRESS, "device": _DEVICE},
        remove,
    ),
    Verb(
        "app-passwords.add",
        "POST",
        "/people/{address}/app-passwords",
        "A password for one device, shown this once",
        {"address": ADDRESS, "name": _NAME},
        add_app_password,
    ),
    Verb(
        "app-passwords.remove",
        "DELETE",
        "/people/{address}/app-passwords/{name}",
        "Shuts one device out",
        {"address": ADDRESS, "name": _NAME},
        remove_app_password,
    ),
    Verb(
        "invitations.list",
        "GET",
        "/departments/{domain}/invitations",
        "Open invitations, and who may invite",
        {"domain": _DOMAIN},
        list_invitations,
    ),
    Verb(
        "invitations.allow",
        "PUT",
        "/departments/{domain}/invitations",
        "Says who may invite to accounts",
        {"domain": _DOMAIN, "who": Field("string", "Who.", required=True, choices=_WHO)},
        allow_invitations,
    ),
    Verb(
        "invitations.create",
        "POST",
        "/invitations",
        "Makes an invitation on behalf of a person",
        {
            "inviter": Field("string", "The address of who invites.", required=True),
            "name": Field(
                "string", "The name of the account; chosen by who is invited where it is not given."
            ),
            "account": Field("boolean", "With an account; a contact alone where it is false."),
        },
        outside=invite,
    ),
)
