# SPDX-License-Identifier: Apache-2.0
"""Requests that are refused, ended, pipelined or no requests at all; one server for all of them."""

from __future__ import annotations

import pytest

from tests.ldap.client import Client, control, number, octets, search, tlv
from tests.world import IVANOV, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

IVANOV_DN = f"uid={IVANOV},ou=people,dc=digital,dc=example"
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
NOTICE = b"1.3.6.1.4.1.1466.20036"


async def who(client: Client) -> str:
    answer = await client.extended(WHO_AM_I)
    assert answer.code == 0
    return answer.rest[0][1].decode()


@pytest.mark.parametrize(("request_", "response"), [(0x66, 0x67), (0x68, 0x69), (0x6C, 0x6D), (0x4A, 0x6B)])
async def test_nothing_can_be_changed(ministry: World, request_: int, response: int) -> None:
    async with Client(ministry) as client:
        await client.bind()
        client.send(tlv(request_, IVANOV_DN.encode() if request_ == 0x4A else octets(IVANOV_DN)))
        found = await client.message()
        assert found is not None
        assert found[1] == response
        assert found[2].startswith(b"\x0a\x01\x35")  # unwillingToPerform
        assert (await client.search("(uid=ivanov)")).names == [IVANOV]


async def test_what_cannot_be_read_is_answered_where_that_is_possible(ministry: World) -> None:
    async with Client(ministry) as client:
        answer = await client.ask(tlv(0x63, b"nonsense"))
        assert answer.code == 2
        assert (await client.extended("1.2.3")).code == 2
        assert await who(client) == ""
        client.writer.write(tlv(0x30, number(0) + tlv(0x60, b"")))  # §4.1.1: number zero is the server's
        notice = await client.notice()
        assert (notice.code, notice.rest) == (2, [(0x8A, NOTICE)])


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x30\x80",  # the indefinite length
        b"\x30\x85\x00\x00\x00\x00\x01",  # a length of five octets
        b"\x30\x84\x7f\xff\xff\xff",  # two gigabytes are announced
        b"\x30\x03\x02\x01\x01",
        b"\x30\x05\x02\x01\x01\x41\x00",  # no such operation
        b"\x3f\x81\x01\x00",
    ],
)
async def test_what_is_not_ldap_ends_the_connection(ministry: World, data: bytes) -> None:
    async with Client(ministry) as client:
        client.writer.write(data)
        assert (await client.notice()).code == 2


async def test_a_filter_may_not_nest_too_deep(ministry: World) -> None:
    async with Client(ministry) as client:
        await client.bind()
        for depth, code in ((19, 0), (20, 11)):  # adminLimitExceeded
            nested = "(&" * depth + "(uid=ivanov)" + ")" * depth
            assert (await client.search(nested)).code == code
        assert (await client.search("(|" + "(uid=ivanov)" * 199 + ")")).names == [IVANOV]
        assert (await client.search("(|" + "(uid=ivanov)" * 200 + ")")).code == 11
        bomb = tlv(0xA0, b"")
        for _ in range(5000):
            bomb = tlv(0xA2, bomb)
        broken = tlv(
            0x63, octets("") + number(2, 10) + number(0, 10) + number(0) * 2 + b"\x01\x01\x00" + bomb
        )
        assert (await client.ask(broken)).code == 11


async def test_pipelined_requests_are_answered_in_order(ministry: World) -> None:
    async with Client(ministry) as client:
        await client.bind()
        wanted = [
            client.send(search("dc=digital,dc=example", 2, f"(uid={name})"))
            for name in ("ivanov", "petrova", "ivanov")
        ]
        answered: list[int] = []
        while len(answered) < 3:
            found = await client.message()
            assert found is not None
            if found[1] == 0x65:
                answered.append(found[0])
        assert answered == wanted


async def test_abandon_and_unbind(ministry: World) -> None:
    """RFC 4511 §4.11, §4.3: neither has an answer."""
    async with Client(ministry) as client:
        await client.bind()
        client.send(octets(b"\x63", 0x50))
        assert await who(client) == f"dn:{IVANOV_DN}"
        client.send(tlv(0x42, b""))
        assert await client.message() is None


async def test_an_abandoned_search_ends(ministry: World) -> None:
    """While it runs; whether it was done before, nobody can know, but what follows is answered."""
    async with Client(ministry) as client:
        await client.bind()
        first = client.send(search("dc=digital,dc=example", 2, "(cn=*)"))
        client.send(octets(number(first)[2:], 0x50))
        client.send(tlv(0x77, octets(WHO_AM_I, 0x80)))
        while (found := await client.message()) is not None and found[1] != 0x78:
            assert found[0] == first
        assert found is not None


async def test_critical_controls_belong_to_searches_only(ministry: World) -> None:
    async with Client(ministry) as client:
        manage = control("2.16.840.1.113730.3.4.2", critical=True)
        assert (await client.ask(tlv(0x77, octets(WHO_AM_I, 0x80)), manage)).code == 12
