# SPDX-License-Identifier: Apache-2.0
"""Commands (XEP-0050) as a client runs them."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from armgs_server.directory.administrators import set_administrators
from tests.world import World
from tests.xmpp.client import Client, find

COMMANDS = "http://jabber.org/protocol/commands"
ADMIN = "http://jabber.org/protocol/admin"
C = f"{{{COMMANDS}}}"
X = "{jabber:x:data}"


async def appoint(world: World, address: str) -> None:
    """Makes a person the only administrator of its department."""
    person = await world.directory.by_address(address)
    assert person is not None
    department = await world.directory.by_id(person.department)
    assert department is not None
    await set_administrators(world.directory, department, [person.id])


def command(node: str, *, session: str = "", action: str = "", inner: str = "") -> str:
    session_part = f" sessionid='{session}'" if session else ""
    action_part = f" action='{action}'" if action else ""
    return f"<command xmlns='{COMMANDS}' node='{node}'{session_part}{action_part}>{inner}</command>"


def submit(**fields: str | Sequence[str]) -> str:
    """A form filled in; `_` in a name stands for itself, `__` for a hyphen."""
    inner = ""
    for name, given in fields.items():
        values = [given] if isinstance(given, str) else given
        inner += f"<field var='{name.replace('__', '-')}'>"
        inner += "".join(f"<value>{value}</value>" for value in values) + "</field>"
    return f"<x xmlns='jabber:x:data' type='submit'>{inner}</x>"


async def run(client: Client, node: str, to: str, **fields: str | Sequence[str]) -> Element:
    """The answer to the last stage of a command of XEP-0133 that has one form, or none."""
    asked = await client.iq(command(f"{ADMIN}#{node}"), "set", to)
    if asked.get("type") == "error" or asked[0].get("status") == "completed":
        return asked
    session = asked[0].get("sessionid", "")
    return await client.iq(command(f"{ADMIN}#{node}", session=session, inner=submit(**fields)), "set", to)


def told(answer: Element) -> dict[str, list[str]]:
    """The fields of the form in the answer to a command that is done."""
    assert answer.get("type") == "result" and answer[0].get("status") == "completed"
    return {
        field.get("var", ""): [value.text or "" for value in field.iterfind(f"{X}value")]
        for field in answer[0].iterfind(f"{X}x/{X}field")
    }


def is_done(answer: Element) -> bool:
    return answer.get("type") == "result" and answer[0].get("status") == "completed"


def conditions(answer: Element) -> set[str]:
    assert answer.get("type") == "error"
    return {each.tag.partition("}")[2] for each in find(answer, "c:error")}
