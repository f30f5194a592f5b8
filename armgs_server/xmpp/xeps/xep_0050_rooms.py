# SPDX-License-Identifier: Apache-2.0
"""XEP-0050: what a person, or an administrator for the department, wants of chat rooms: mails about what was
missed in them (xmpp.missed), bookmarks of the rooms of the unit (xep_0402_unit_rooms).
"""

from __future__ import annotations

from typing import Final

from armgs_server.directory.model import Principal
from armgs_server.directory.people import Change
from armgs_server.xmpp import room_wishes
from armgs_server.xmpp.iq import Query
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0050_commands import Ask, Call, Command, Done, bad_payload
from armgs_server.xmpp.xeps.xep_0133_admin import asker, department_of, is_administrator, journal

NODE: Final = "armgs#rooms"
FORM_TYPE: Final = "armgs#rooms"
_NAME: Final = ("Комнаты чата", "Chat rooms")
_FIELDS: Final = (
    (room_wishes.DIGEST, ("Письма о непрочитанном в комнатах", "Mails about what was missed in rooms")),
    (room_wishes.BOOKMARKS, ("Комнаты подразделения в закладках", "Bookmarks of the rooms of the unit")),
)


async def _is_person(query: Query) -> bool:
    """Everybody decides for himself."""
    return not query.session.is_outside


def _ask(call: Call, of: Principal) -> bytes:
    fields = [
        Field(key, "boolean", call.say(*label), forms.boolean(of.data.get(key) is not False))
        for key, label in _FIELDS
    ]
    return forms.form(FORM_TYPE, fields, title=call.say(*_NAME))


async def _keep(call: Call, of: Principal) -> Done:
    """What the form leaves out stays; yes is the default, and not kept."""
    data: dict[str, bool | None] = {}
    for key, _ in _FIELDS:
        value = call.value(key)
        if value not in ("", "0", "1", "true", "false"):
            raise bad_payload(f"{key} is 0 or 1")
        if value:
            data[key] = None if value in ("1", "true") else False
    await call.query.server.directory.update(of.id, Change(data=data))
    return Done()


async def _own(call: Call) -> Ask:
    return Ask(_ask(call, await _self(call)), _keep_own)


async def _keep_own(call: Call) -> Done:
    return await _keep(call, await _self(call))


async def _self(call: Call) -> Principal:
    """The asker as the directory has it now; the session may not have heard of the last change yet."""
    known = asker(call.query)
    return await call.query.server.directory.by_id(known.id) or known


async def _departments(call: Call) -> Ask:
    return Ask(_ask(call, await department_of(call)), _keep_departments)


async def _keep_departments(call: Call) -> Done:
    department = await department_of(call)
    done = await _keep(call, department)
    await journal(call, "rooms", department.address)
    return done


COMMANDS: Final = (
    Command(NODE, _NAME, "account", _own, _is_person),
    Command(NODE, _NAME, "server", _departments, is_administrator),
)
