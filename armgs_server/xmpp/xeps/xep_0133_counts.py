# SPDX-License-Identifier: Apache-2.0
"""XEP-0133 §4.13-§4.22: how many people of the department are registered, disabled, online, active and idle,
and who they are. Idle is who is available on devices that all say so: away, xa, or XEP-0319.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from armgs_server.directory.model import Principal
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import head
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0050_commands import Ask, Call, Command, Done, Stage, bad_payload
from armgs_server.xmpp.xeps.xep_0122_validation import Between
from armgs_server.xmpp.xeps.xep_0133_admin import ADMIN, Texts, answer, command, department_of

IDLE = "urn:xmpp:idle:1"  # XEP-0319
_AT_ONCE = 500  # people whose sessions are asked for together
_MOST = Between(1, 100_000)
_OFFERED = ("25", "50", "100", "200", "500")

Group = Callable[[Call], Awaitable[list[str]]]


async def _people(call: Call) -> list[Principal]:
    return await call.query.server.directory.people((await department_of(call)).id)


async def _registered(call: Call) -> list[str]:
    return [person.address for person in await _people(call)]


async def _disabled(call: Call) -> list[str]:
    return [person.address for person in await _people(call) if person.disabled]


async def _online(call: Call) -> list[str]:
    return list(await _presences(call))


async def _active(call: Call) -> list[str]:
    found = await _presences(call)
    return [address for address, presences in found.items() if not all(map(_is_idle, presences))]


async def _idle(call: Call) -> list[str]:
    found = await _presences(call)
    return [address for address, presences in found.items() if all(map(_is_idle, presences))]


async def _presences(call: Call) -> dict[str, list[bytes]]:
    """What the available sessions of each person say, in whichever process they are."""
    server = call.query.server
    addresses = [person.address for person in await _people(call) if not person.disabled]
    found: dict[str, list[bytes]] = {}
    for address in addresses:
        account = server.accounts.get(address)
        here = [] if account is None else [each.presence for each in account.available() if each.presence]
        if here:
            found[address] = here
    if server.processes is not None:
        for start in range(0, len(addresses), _AT_ONCE):
            for row in await server.processes.available(addresses[start : start + _AT_ONCE]):
                if row.presence is not None:
                    found.setdefault(row.address, []).append(row.presence)
    return found


def _is_idle(presence: bytes) -> bool:
    stanza = parse_stanza(head("presence", "") + presence)
    return stanza.text("show").strip() in ("away", "xa") or stanza.has("idle", IDLE)


def _number(field: str, label: Texts, group: Group) -> Stage:
    async def first(call: Call) -> Done:
        count = str(len(await group(call)))
        return answer(Field(field, "text-single", call.say(*label), (count,)))

    return first


def _list(field: str, label: Texts, group: Group) -> Stage:
    async def first(call: Call) -> Ask:
        options = tuple((number, number) for number in _OFFERED)
        most = Field("max_items", "list-single", call.say("Не больше", "Maximum number"), ("100",), options)
        return Ask(forms.form(ADMIN, [most], title=call.say(*label)), then)

    async def then(call: Call) -> Done:
        text = call.value("max_items").strip()
        if text not in ("", "none") and not _MOST.is_met(text):  # §4.18: none is any number
            raise bad_payload("max_items is a number")
        found = sorted(await group(call))[: int(text) if text not in ("", "none") else _MOST.most]
        return answer(Field(field, "jid-multi", call.say(*label), tuple(found)))

    return first


# What there is of each group: its name in the standard, Russian, English, the node of its list.
_GROUPS: tuple[tuple[str, str, str, str, Group], ...] = (
    ("registered", "Зарегистрированные", "Registered Users", "get-registered-users-list", _registered),
    ("disabled", "Отключённые", "Disabled Users", "get-disabled-users-list", _disabled),
    ("online", "Пользователи в сети", "Online Users", "get-online-users-list", _online),
    ("active", "Активные", "Active Users", "get-active-users", _active),
    ("idle", "Неактивные", "Idle Users", "get-idle-users", _idle),
)


def _commands() -> Iterable[Command]:
    for name, russian, english, list_node, group in _GROUPS:
        label = (f"{russian}: сколько", f"Number of {english}")
        yield command(f"get-{name}-users-num", label, _number(f"{name}usersnum", label, group))
        label = (f"{russian}: список", f"List of {english}")
        # §4.22: what the standard's list of idle people is called.
        field = "activeuserjids" if name == "idle" else f"{name}userjids"
        yield command(list_node, label, _list(field, label, group))


COMMANDS = tuple(_commands())
