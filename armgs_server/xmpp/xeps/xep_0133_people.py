# SPDX-License-Identifier: Apache-2.0
"""XEP-0133 §4.8-§4.10: what an administrator may know of one person: roster, last log-in, sessions."""

from __future__ import annotations

from datetime import UTC, datetime

from armgs_server.directory.model import Principal
from armgs_server.storage import clock, last_activity
from armgs_server.xmpp import roster
from armgs_server.xmpp.stanza import element
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0050_commands import Call, Done
from armgs_server.xmpp.xeps.xep_0133_admin import (
    Texts,
    answer,
    ask_people,
    ask_person,
    command,
    journal,
    people_named,
    person_named,
)

_ROSTER: Texts = ("Список контактов", "Get User Roster")
_LAST: Texts = ("Последний вход", "Get User Last Login Time")
_STATISTICS: Texts = ("Сведения о пользователе", "Get User Statistics")


async def _rosters(call: Call) -> Done:
    """§4.8: each in a query of its own, for whom it is of in the order of `accountjids`."""
    people = await people_named(call)
    queries = b""
    for person in people:
        found = await roster.load(call.query.server, person)
        others = {**found.colleagues.items, **found.stored}
        items = b"".join(
            roster.serialise(item)
            for jid, item in sorted(others.items())
            if item.is_listed and jid != person.address
        )
        queries += element("query", {"xmlns": roster.NAMESPACE}, items)
        await journal(call, "roster", person.address)
    return answer(_jids(people), inner=queries)


async def _last_logins(call: Call) -> Done:
    """§4.9: a time for each of `accountjids`, in their order; empty for who was never here."""
    people = await people_named(call)
    times = []
    for person in people:
        began = [came for came, _ in await _sessions(call, person)]
        if not began:
            last = await call.query.server.store.read(
                lambda tx, owner=person.id: last_activity.get(tx, owner)  # type: ignore[misc]
            )
            began = [last.came] if last is not None else []
        times.append(_date_time(max(began)) if began else "")
        await journal(call, "last log-in", person.address)
    label = call.say("Последний вход", "Last login")
    return answer(_jids(people), Field("lastlogin", "text-multi", label, tuple(times)))


async def _statistics(call: Call) -> Done:
    """§4.10: rates are not measured for each person, so they are not told."""
    person = await person_named(call)
    found = await roster.load(call.query.server, person)
    contacts = {jid for jid, item in {**found.colleagues.items, **found.stored}.items() if item.is_listed} - {
        person.address
    }
    resources = tuple(sorted(resource for _, resource in await _sessions(call, person)))
    await journal(call, "statistics", person.address)
    size, online = call.say("Контактов", "Roster size"), call.say("Сеансы", "Online Resources")
    return answer(
        Field("rostersize", "text-single", size, (str(len(contacts)),)),
        Field("onlineresources", "text-multi", online, resources),
    )


async def _sessions(call: Call, person: Principal) -> list[tuple[int, str]]:
    """When each session began, and its resource, in whichever process it is."""
    server = call.query.server
    account = server.accounts.get(person.address)
    here = list(account.sessions.values()) if account is not None else []
    found = [(session.number >> clock.ID_BITS, session.jid.resource) for session in here]
    if server.processes is not None:
        rows = await server.processes.sessions_of([person.address])
        found += [(row.number >> clock.ID_BITS, row.resource) for row in rows]
    return found


def _jids(people: list[Principal]) -> Field:
    return Field("accountjids", "jid-multi", values=tuple(person.address for person in people))


def _date_time(time: int) -> str:
    """XEP-0082 §3.2"""
    return datetime.fromtimestamp(time // clock.SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


COMMANDS = (
    command("get-user-roster", _ROSTER, ask_people(_ROSTER, _rosters)),
    command("get-user-lastlogin", _LAST, ask_people(_LAST, _last_logins)),
    command("user-stats", _STATISTICS, ask_person(_STATISTICS, _statistics)),
)
