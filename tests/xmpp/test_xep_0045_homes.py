# SPDX-License-Identifier: Apache-2.0
"""Rooms where several processes serve: whoever connects to whichever of them is in the same room."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, Client, error_of, find
from tests.xmpp.rooms import ROOM, administer, codes, configure, create, enter, item, say

SETTINGS = {"server": {"workers": 2}}
CLIENTS = 6  # that the kernel gives all of them to one worker happens once in 32 runs, and harms nothing


async def clients(stack: AsyncExitStack, world: World, jid: str, number: int) -> list[Client]:
    """Sessions of one person, spread over the workers by the kernel."""
    found = []
    for place in range(number):
        client = await stack.enter_async_context(Client(world, jid, f"d{place}"))
        found.append(await (await client.log_in()).go_online())
    return found


async def test_a_room_is_one_whatever_the_number_of_workers(tmp_path: Path) -> None:
    async with World(tmp_path, process=True, settings=SETTINGS) as world, AsyncExitStack() as stack:
        owner, *others = await clients(stack, world, IVANOV, CLIENTS // 2)
        others += await clients(stack, world, PETROVA, CLIENTS // 2)
        await create(owner, "n0", roomname="Tea")
        for place, client in enumerate(others, start=1):
            own = await enter(client, f"n{place}")
            assert 110 in codes(own) and 201 not in codes(own)
        everybody = [owner, *others]
        for place, client in enumerate(everybody):
            client.send(say(f"1 of {place}") + say(f"2 of {place}"))
            for other in everybody:
                await other.message(f"1 of {place}")
                seen = await other.message(f"2 of {place}")
                assert seen.get("from") == f"{ROOM}/n{place}"
        orders = []
        for client in everybody:
            answer = await client.iq("<query xmlns='urn:xmpp:mam:2'/>", "set", ROOM)
            assert find(answer, "mam:fin").get("complete") == "true"
            orders.append(
                len(
                    [
                        each
                        for each in await client.settle()
                        if each.find("mam:result", NAMESPACES) is not None
                    ]
                )
            )
        assert orders == [2 * CLIENTS] * CLIENTS
        # refusals find their way back too
        assert error_of(await configure(others[-1], roomname="mine")) == "forbidden"
        others[-1].send(f"<message type='groupchat' to='{ROOM}'><subject>Mine</subject></message>")
        refusal = await others[-1].receive("c:message", lambda stanza: stanza.get("type") == "error")
        assert error_of(refusal) == "forbidden"
        await administer(owner, f"<item nick='n{CLIENTS - 1}' role='none'/>")
        for client in everybody:
            gone = await client.presence_of(f"{ROOM}/n{CLIENTS - 1}", "unavailable")
            assert 307 in codes(gone) and item(gone)["role"] == "none"
