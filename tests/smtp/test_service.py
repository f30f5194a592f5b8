# SPDX-License-Identifier: Apache-2.0
"""smtp/service.py: ports, goodbyes, and sessions that end when a person may not log in any more."""

from __future__ import annotations

import asyncio

import pytest

from armgs_server.smtp import service
from tests.smtp.client import Client, inbox
from tests.smtp.conftest import MakeCore
from tests.world import IVANOV, PETROVA, World


async def test_without_a_certificate_there_is_no_port_465(make_core: MakeCore, world: World) -> None:
    listeners = service(world.daemon.core).listeners
    assert [(each.name, each.port, each.tls) for each in listeners] == [
        ("smtp", 25, "starttls"),
        ("submission", 587, "starttls"),
        ("submissions", 465, "direct"),
    ]
    assert all(each.refusal == b"421 4.3.2 Too many connections; try again shortly\r\n" for each in listeners)
    assert [each.port for each in service(await make_core()).listeners] == [25, 587]
    assert [path for path, _ in service(world.daemon.core).routes] == ["/.well-known/mta-sts.txt"]


async def test_the_server_says_goodbye(world: World) -> None:
    async with Client(world) as idle:
        await idle.ehlo()
        await world.stop()
        assert (await idle.reply()).startswith("421 4.3.2 ")
        assert await idle.reply() == ""


async def test_a_message_on_its_way_is_finished_first(world: World) -> None:
    async with Client(world) as busy:
        await busy.ehlo()
        await busy.expect("MAIL FROM:<a@b.example>", "250 ")
        await busy.expect(f"RCPT TO:<{PETROVA}>", "250 ")
        await busy.expect("DATA", "354 ")
        stopping = asyncio.ensure_future(world.stop())
        await asyncio.sleep(0)
        busy.write(b"Subject: x\r\n\r\nlast words\r\n.\r\n")
        assert (await busy.reply()).startswith("250 2.0.0 Message taken")
        await stopping
        assert (await busy.reply()).startswith("421 4.3.2 ")
        assert await busy.reply() == ""
    await world.start()
    assert len(await inbox(world, PETROVA)) == 1


@pytest.mark.parametrize("change", ["disable", "password"])
async def test_who_is_disabled_is_cut_off(world: World, change: str) -> None:
    ivanov = await world.directory.by_address(IVANOV)
    assert ivanov is not None
    async with Client(world, "submission") as client:
        await client.ehlo()
        assert (await client.login(IVANOV)).startswith("235 ")
        if change == "disable":
            await world.directory.disable(ivanov.id)
        else:
            await world.directory.set_password(ivanov.id, "another-password")
        async with asyncio.timeout(10):
            assert await client.reply() == ""
