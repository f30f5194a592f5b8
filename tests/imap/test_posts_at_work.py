# SPDX-License-Identifier: Apache-2.0
"""The holder of a post changes beside a daemon with two workers, as by a command: every connection hears."""

from __future__ import annotations

import asyncio
from pathlib import Path

from armgs_server.cli.workplace import opened
from tests.imap.client import Client
from tests.world import IVANOV, PASSWORD, PETROVA, World

POST = "minister@digital.example"
INBOX = f"Shared/{POST}/INBOX"
CONNECTIONS = 4  # so that both workers have some
TIMEOUT = 60.0


async def login(world: World, address: str) -> Client:
    client = Client(*await world.connect("imap"))
    assert (await client.line()).startswith(b"* OK ")
    await client.ok(f"LOGIN {address} {PASSWORD}")
    return client


async def until_selected(client: Client) -> None:
    """Every worker hears of a change within a second or so."""
    async with asyncio.timeout(TIMEOUT):
        while not (await client.command(f"SELECT {INBOX}"))[-1].startswith(b"OK"):
            await asyncio.sleep(0.1)


async def until_shown_out(client: Client) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not (await client.line()).startswith(b"* BYE "):
            continue


async def test_the_holder_changes(tmp_path: Path) -> None:
    async with World(tmp_path, process=True, settings={"server": {"workers": 2}}) as world:
        async with opened(world.config) as beside:
            ivanov = await beside.principal(IVANOV)
            post = await beside.directory.create_group(POST, "Minister", [ivanov.id])
            await beside.directory.open_mailbox(post)
        before = [await login(world, IVANOV) for _ in range(CONNECTIONS)]
        after = [await login(world, PETROVA) for _ in range(CONNECTIONS)]
        for client in before:
            await until_selected(client)
            await client.idle()
        async with opened(world.config) as beside:
            petrova = await beside.principal(PETROVA)
            await beside.directory.add_members(post, [petrova.id])
            await beside.directory.remove_members(post, [ivanov.id])
        for client in before:
            await until_shown_out(client)
        for client in after:
            await until_selected(client)
        for client in (*before, *after):
            await client.close()
