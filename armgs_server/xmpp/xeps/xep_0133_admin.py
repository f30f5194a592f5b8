# SPDX-License-Identifier: Apache-2.0
"""XEP-0133: Service Administration: what all its commands share.

A command is asked of a domain, and is about the department of that domain: who administers it runs the
command, nobody else is told that there is one. People are named by their JIDs, in any department the asker
administers. Whatever is done to somebody is an act in the department's journal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from armgs_server import log
from armgs_server.directory.administrators import administered
from armgs_server.directory.model import Principal
from armgs_server.storage import acts
from armgs_server.xmpp.iq import Query
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0050_commands import Ask, Call, Command, Done, Stage, bad_payload

ADMIN = "http://jabber.org/protocol/admin"
LOG = log.get("xmpp")

Texts = tuple[str, str]  # Russian, English
JIDS: Texts = ("Адреса", "The Jabber ID(s)")
JID: Texts = ("Адрес", "The Jabber ID")


def command(node: str, name: Texts, first: Stage) -> Command:
    """A command of the standard's name, for administrators."""
    return Command(f"{ADMIN}#{node}", name, "server", first, is_administrator)


async def is_administrator(query: Query) -> bool:
    """Whether the asker administers the department of the domain that is asked."""
    number = query.server.directory.domains.get(query.to.domain)
    return any(each.id == number for each in await administered(query.server.directory, asker(query)))


def asker(query: Query) -> Principal:
    return query.session.account.principal


async def department_of(call: Call) -> Principal:
    """The department that the command is about."""
    directory = call.query.server.directory
    found = await directory.by_id(directory.domains[call.query.to.domain])
    assert found is not None, "a domain belongs to a department"
    return found


async def people_named(call: Call, field: str = "accountjids") -> list[Principal]:
    """The people whose JIDs were filled in, if the asker administers all of them, and all that they do."""
    directory = call.query.server.directory
    departments = {each.id for each in await administered(directory, asker(call.query))}
    found: dict[int, Principal] = {}
    for text in filter(str.strip, call.values.get(field, ())):
        person = await directory.by_address(parse(text.strip()).bare)
        if person is None or person.kind != "person" or person.department not in departments:
            raise bad_payload(f"{text} is no person whom you administer")
        if not {each.id for each in await administered(directory, person)} <= departments:
            raise bad_payload(f"{text} administers more than you do")
        found[person.id] = person
    if not found:
        raise bad_payload(f"{field} is missing")
    return list(found.values())


async def person_named(call: Call) -> Principal:
    """The one person that `accountjid` names."""
    return (await people_named(call, "accountjid"))[0]


async def journal(call: Call, did: str, to: str) -> None:
    """A line in the log and an act in the department's chain for what an administrator did to somebody."""
    actor = call.query.session.account.bare
    LOG.info("administration", did=did, by=actor, to=to)
    owner = (await department_of(call)).id
    told = {"did": did, "to": to}
    await call.query.server.store.write(lambda tx: acts.append(tx, owner, actor, "chat command", told))


def ask_people(title: Texts, then: Stage) -> Stage:
    """The first stage of a command about several people."""

    async def ask(call: Call) -> Ask:
        field = Field("accountjids", "jid-multi", call.say(*JIDS), required=True)
        return Ask(forms.form(ADMIN, [field], title=call.say(*title)), then)

    return ask


def ask_person(title: Texts, then: Stage) -> Stage:
    """The first stage of a command about one person."""

    async def ask(call: Call) -> Ask:
        field = Field("accountjid", "jid-single", call.say(*JID), required=True)
        return Ask(forms.form(ADMIN, [field], title=call.say(*title)), then)

    return ask


def for_each(title: Texts, did: str, act: Callable[[Call, Principal], Awaitable[object]]) -> Stage:
    """A command of two stages: JIDs are asked for, then something is done to each."""

    async def then(call: Call) -> Done:
        for person in await people_named(call):
            await act(call, person)
            await journal(call, did, person.address)
        return Done()

    return ask_people(title, then)


def answer(*fields: Field, inner: bytes = b"") -> Done:
    """The end of a command that has something to tell; `inner` is what is no field."""
    form = forms.form(ADMIN, fields, type="result")
    return Done(form.removesuffix(b"</x>") + inner + b"</x>" if inner else form)
