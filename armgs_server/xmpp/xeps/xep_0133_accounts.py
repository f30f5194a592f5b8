# SPDX-License-Identifier: Apache-2.0
"""XEP-0133: Service Administration: accounts shut out and let in again, and how many there are.

An administrator of a department sees and changes the people of that department, no others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from armgs_server import log
from armgs_server.directory.administrators import administered
from armgs_server.directory.model import Principal
from armgs_server.xmpp.iq import Query
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0050_commands import Ask, Call, Command, Done, bad_payload

ADMIN = "http://jabber.org/protocol/admin"
LOG = log.get("xmpp")


async def is_administrator(query: Query) -> bool:
    """Whether the asker administers any department."""
    return bool(await administered(query.server.directory, query.session.account.principal))


async def people_named(call: Call, field: str = "accountjids") -> list[Principal]:
    """The people whose JIDs were filled in, if the asker administers all of them."""
    directory = call.query.server.directory
    departments = {each.id for each in await administered(directory, call.query.session.account.principal)}
    found = []
    for text in call.values.get(field, ()):
        person = await directory.by_address(parse(text).bare)
        if person is None or person.kind != "person" or person.department not in departments:
            raise bad_payload(f"{text} is no person whom you administer")
        found.append(person)
    if not found:
        raise bad_payload(f"{field} is missing")
    return found


def accounts_form(call: Call, title: str, label: str) -> bytes:
    """A form that asks for JIDs."""
    fields = [Field("accountjids", "jid-multi", label, required=True)]
    return forms.form(ADMIN, fields, title=title)


def journal(call: Call, did: str, person: Principal) -> None:
    """One line for what an administrator did to somebody."""
    LOG.info("administration", did=did, by=call.query.session.account.bare, to=person.address)


def _for_each(
    title: tuple[str, str],
    label: tuple[str, str],
    did: str,
    act: Callable[[Call, Principal], Awaitable[object]],
) -> Callable[[Call], Awaitable[Ask | Done]]:
    """A command of two stages: JIDs are asked for, then something is done to each."""

    async def ask(call: Call) -> Ask:
        return Ask(accounts_form(call, call.say(*title), call.say(*label)), then)

    async def then(call: Call) -> Done:
        for person in await people_named(call):
            await act(call, person)
            journal(call, did, person)
        return Done()

    return ask


async def _disable(call: Call, person: Principal) -> None:
    if person.id == call.query.owner:
        raise bad_payload("nobody can disable oneself")
    await call.query.server.directory.disable(person.id)


async def _enable(call: Call, person: Principal) -> None:
    await call.query.server.directory.enable(person.id)


def _command(node: str, name: tuple[str, str], first: Callable[[Call], Awaitable[Ask | Done]]) -> Command:
    return Command(f"{ADMIN}#{node}", name, "server", first, is_administrator)


_DISABLE = ("Отключить пользователей", "Disable Users")
_ENABLE = ("Включить пользователей", "Re-Enable Users")
_JIDS = ("Адреса", "The Jabber ID(s)")

COMMANDS = (
    _command("disable-user", _DISABLE, _for_each(_DISABLE, _JIDS, "disable", _disable)),
    _command("reenable-user", _ENABLE, _for_each(_ENABLE, _JIDS, "enable", _enable)),
)
