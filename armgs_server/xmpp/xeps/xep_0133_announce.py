# SPDX-License-Identifier: Apache-2.0
"""XEP-0133 §4.23-§4.28: announcements to who is online, a message of the day, a welcome to newcomers.

The two that wait for people to come are kept with the department; each person gets the message of the day
once, and the welcome at the very first log-in.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from armgs_server.directory.people import Change
from armgs_server.storage import clock, documents, last_activity
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import element, text_element
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0050_commands import Ask, Call, Done, bad_payload
from armgs_server.xmpp.xeps.xep_0133_admin import ADMIN, Texts, command, department_of, journal

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

MOTD, WELCOME = "motd", "welcome"
_KINDS = frozenset({MOTD, WELCOME})
_SEEN = "greeted "  # a document of who has seen it, and of which kind
_LONGEST = 10_000  # characters
_AT_ONCE = 200  # people written to before others have their turn

_ANNOUNCE: Texts = ("Объявление", "Send Announcement to Online Users")
_SET_MOTD: Texts = ("Сообщение дня", "Set Message of the Day")
_EDIT_MOTD: Texts = ("Изменить сообщение дня", "Edit Message of the Day")
_DELETE_MOTD: Texts = ("Удалить сообщение дня", "Delete Message of the Day")
_SET_WELCOME: Texts = ("Приветствие новичкам", "Set Welcome Message")
_DELETE_WELCOME: Texts = ("Удалить приветствие", "Delete Welcome Message")


async def greet(server: Server, session: Session) -> None:
    """The session has become available: shows it what its person has not seen yet."""
    account = session.account
    department = await server.directory.by_id(account.principal.department)
    if department is None or _KINDS.isdisjoint(department.data) or not session.takes_messages:
        return
    owner, told = account.owner, department.data
    was_here = server.departures.get(owner) is not None
    wanted = {kind: str(told[kind]["id"]).encode() for kind in (WELCOME, MOTD) if kind in told}

    async def unseen(tx: Tx) -> list[str]:
        seen = {kind: await documents.get(tx, owner, _SEEN + kind) for kind in wanted}
        new = [kind for kind, id_ in wanted.items() if seen[kind] != id_]
        # Who has been here before the welcome was written is no newcomer.
        is_known = was_here or bool(seen.get(WELCOME))
        if WELCOME in new and (is_known or await last_activity.get(tx, owner) is not None):
            new.remove(WELCOME)
        return new

    async def mark(tx: Tx) -> list[str]:
        new = await unseen(tx)
        for kind in new:
            await documents.put(tx, owner, _SEEN + kind, wanted[kind])
        return new

    if await server.store.read(unseen):
        for kind in await server.store.write(mark):
            session.send(_message(session.jid.domain, session.jid.full, told[kind]["text"]))


def _message(from_: str, to: str, text: str) -> bytes:
    return element("message", {"from": from_, "to": to}, text_element("body", text))


# Commands


async def _ask_announcement(call: Call) -> Ask:
    field = Field("announcement", "text-multi", call.say(*_ANNOUNCE), required=True)
    return Ask(forms.form(ADMIN, [field], title=call.say(*_ANNOUNCE)), _announce)


async def _announce(call: Call) -> Done:
    """§4.23: to everybody of the department who takes messages just now, in whichever process."""
    server, domain = call.query.server, call.query.to.domain
    text = _text(call, "announcement")
    people = await server.directory.people((await department_of(call)).id)
    for number, person in enumerate(people):
        server.send(parse(person.address), _message(domain, person.address, text))
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    await journal(call, "announce", domain)
    return Done()


async def _ask_motd(call: Call) -> Ask:
    return _ask(call, MOTD, _SET_MOTD, "")


async def _ask_edited_motd(call: Call) -> Ask:
    told = (await department_of(call)).data.get(MOTD)
    return _ask(call, MOTD, _EDIT_MOTD, told["text"] if told else "", is_edited=True)


async def _ask_welcome(call: Call) -> Ask:
    told = (await department_of(call)).data.get(WELCOME)
    return _ask(call, WELCOME, _SET_WELCOME, told["text"] if told else "")


def _ask(call: Call, kind: str, title: Texts, text: str, *, is_edited: bool = False) -> Ask:
    """§4.24, §4.25, §4.27: an edited message of the day is not shown anew to who has seen it."""

    async def then(call: Call) -> Done:
        department, new = await department_of(call), _text(call, kind)
        before = department.data.get(kind)
        id_ = before["id"] if before and is_edited else clock.unique_id()
        change = Change(data={kind: {"id": id_, "text": new}})
        await call.query.server.directory.update(department.id, change)
        await journal(call, f"set {kind}", department.address)
        if kind == MOTD and not is_edited:
            await _announce_motd(call, new, str(id_).encode())
        return Done()

    field = Field(kind, "text-multi", call.say(*title), tuple(text.splitlines()), required=True)
    return Ask(forms.form(ADMIN, [field], title=call.say(*title)), then)


async def _announce_motd(call: Call, text: str, id_: bytes) -> None:
    """§4.24: who is online gets it at once, and not once more at the next log-in."""
    server, domain = call.query.server, call.query.to.domain
    people = await server.directory.people((await department_of(call)).id)
    for start in range(0, len(people), _AT_ONCE):
        shown = []
        for person in people[start : start + _AT_ONCE]:
            if await server.presences(person.address):
                server.send(parse(person.address), _message(domain, person.address, text))
                shown.append(person.id)

        async def mark(tx: Tx, owners: list[int] = shown) -> None:
            for owner in owners:
                await documents.put(tx, owner, _SEEN + MOTD, id_)

        if shown:
            await server.store.write(mark)
        await asyncio.sleep(0)


async def _delete_motd(call: Call) -> Done:
    return await _delete(call, MOTD)


async def _delete_welcome(call: Call) -> Done:
    return await _delete(call, WELCOME)


async def _delete(call: Call, kind: str) -> Done:
    """§4.26, §4.28"""
    department = await department_of(call)
    await call.query.server.directory.update(department.id, Change(data={kind: None}))
    await journal(call, f"delete {kind}", department.address)
    return Done()


def _text(call: Call, field: str) -> str:
    text = "\n".join(call.values.get(field, ())).strip()
    if not text:
        raise bad_payload(f"{field} is missing")
    if len(text) > _LONGEST:
        raise bad_payload(f"at most {_LONGEST} characters")
    return text


COMMANDS = (
    command("announce", _ANNOUNCE, _ask_announcement),
    command("set-motd", _SET_MOTD, _ask_motd),
    command("edit-motd", _EDIT_MOTD, _ask_edited_motd),
    command("delete-motd", _DELETE_MOTD, _delete_motd),
    command("set-welcome", _SET_WELCOME, _ask_welcome),
    command("delete-welcome", _DELETE_WELCOME, _delete_welcome),
)
