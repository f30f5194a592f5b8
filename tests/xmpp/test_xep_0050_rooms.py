# SPDX-License-Identifier: Apache-2.0
"""What somebody wants of chat rooms, by a command: each for himself, administrators for a department."""

from __future__ import annotations

import pytest

from armgs_server.xmpp import room_wishes
from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import Client
from tests.xmpp.commands import C, X, appoint, command, conditions, submit
from tests.xmpp.conftest import LogIn

NODE = "armgs#rooms"
DOMAIN = "digital.example"


async def wanted(world: World, address: str) -> list[bool]:
    person = await world.directory.by_address(address)
    assert person is not None
    keys = (room_wishes.DIGEST, room_wishes.BOOKMARKS)
    return [await room_wishes.is_wanted(world.directory, person, key) for key in keys]


async def run(client: Client, to: str, **fields: str) -> list[str]:
    """What the form shows before it is filled in."""
    step = (await client.iq(command(NODE), "set", to))[0]
    assert step.get("status") == "executing"
    shown = [value.text or "" for value in step.iterfind(f"{X}x/{X}field[@type='boolean']/{X}value")]
    answer = command(NODE, session=step.get("sessionid", ""), inner=submit(**fields))
    assert (await client.iq(answer, "set", to))[0].get("status") == "completed"
    return shown


async def test_each_for_himself(log_in: LogIn, world: World) -> None:
    petrova = await log_in(PETROVA)
    assert await run(petrova, PETROVA, chat_digest="0") == ["1", "1"]
    assert (await wanted(world, PETROVA), await wanted(world, IVANOV)) == ([False, True], [True, True])
    assert await run(petrova, PETROVA, chat_digest="true", unit_rooms="0") == ["0", "1"]
    assert await wanted(world, PETROVA) == [True, False]


async def test_for_a_department(log_in: LogIn, world: World) -> None:
    await appoint(world, IVANOV)
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await run(ivanov, DOMAIN, unit_rooms="false")
    assert await wanted(world, PETROVA) == [True, False]
    refusal = await petrova.iq(command(NODE), "set", DOMAIN)
    assert refusal.get("type") == "error"


@pytest.mark.parametrize("value", ["yes", "2"])
async def test_what_is_no_answer(log_in: LogIn, value: str) -> None:
    petrova = await log_in(PETROVA)
    step = (await petrova.iq(command(NODE), "set", PETROVA))[0]
    assert step.find(f"{C}actions") is not None
    answer = command(NODE, session=step.get("sessionid", ""), inner=submit(chat_digest=value))
    assert "bad-payload" in conditions(await petrova.iq(answer, "set", PETROVA))
