# SPDX-License-Identifier: Apache-2.0
"""smtp/xclient.py: a trusted proxy speaks for others, nobody else does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.smtp import xclient
from tests.smtp.client import Client, inbox
from tests.world import IVANOV, PETROVA, World

OFFER = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"smtp": {"xclient_hosts": ["127.0.0.0/8"]}}) as world:
        yield world


async def test_nobody_else_is_offered_it(world: World) -> None:
    async with Client(world) as client:
        assert OFFER not in await client.ehlo()
        await client.expect("XCLIENT ADDR=192.0.2.7", "550 5.7.0 ")


async def test_the_client_behind_the_proxy_counts(proxied: World) -> None:
    async with Client(proxied) as client:
        assert OFFER in await client.ehlo()
        await client.expect(
            "XCLIENT ADDR=IPV6:2001:db8::7 NAME=[UNAVAILABLE] HELO=pc+2Dx.example PROTO=ESMTP", "220 "
        )
        assert (await client.mail("a@b.example", PETROVA)).startswith("250 ")
    [message] = await inbox(proxied, PETROVA)
    assert b"Received: from pc-x.example ([IPv6:2001:db8::7])\r\n\tby localhost with ESMTP id " in message


async def test_who_has_logged_in_at_the_proxy(proxied: World) -> None:
    async with Client(proxied, "submission") as client:
        await client.ehlo()
        await client.expect(f"XCLIENT LOGIN={IVANOV} ADDR=192.0.2.7", "220 ")
        await client.ehlo()
        await client.expect(f"MAIL FROM:<{PETROVA}>", "550 5.7.1 ")
        await client.expect(f"MAIL FROM:<{IVANOV}>", "250 2.1.0 ")
        await client.expect("XCLIENT ADDR=192.0.2.8", "503 5.5.1 ")  # not within a transaction
    async with Client(proxied) as client:  # on port 25 nobody is logged in
        await client.ehlo()
        await client.expect(f"XCLIENT LOGIN={IVANOV}", "220 ")
        await client.ehlo()
        await client.expect(f"MAIL FROM:<{IVANOV}>", "250 ")
        await client.expect("RCPT TO:<x@other.example>", "550 5.7.1 ")


async def test_what_is_not_understood(proxied: World) -> None:
    async with Client(proxied) as client:
        await client.ehlo()
        for argument in ["", "ADDR", "ADDR=x", "COLOUR=red", "ADDR=+ZZ", "ADDR=192.0.2.300"]:
            await client.expect(f"XCLIENT {argument}", "501 5.5.4 ")


@given(st.text(max_size=100))
def test_any_argument_is_read_or_refused(argument: str) -> None:
    try:
        assert xclient.parse(argument).keys() <= set(xclient.NAMES)
    except Invalid:
        return
