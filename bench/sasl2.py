# SPDX-License-Identifier: Apache-2.0
"""Log-in to chat in one round trip (XEP-0388 with Bind 2), by password and by token, beside the old way.

Each operation is a new connection: header, log-in, stream management, carbons, roster, presence, goodbye.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import itertools
import re
import ssl
import uuid

from bench.common import HOST, PASSWORD, BenchServer, Row, address, main, server, timed
from bench.xmpp import Client, in_units, log_in

PEOPLE = 200
LOGINS = 600
_BIND = (
    "<bind xmlns='urn:xmpp:bind:0'><tag>bench</tag><enable xmlns='urn:xmpp:carbons:2'/>"
    "<enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
)
_WANT = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
_TOKEN = re.compile(rb" token='([^']+)'")
_AFTER = "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq><presence/>"
_NAMESPACE = uuid.UUID("d4565fa7-4d72-4749-b3d3-740edbf87770")


def header(number: int) -> str:
    return (
        f"<?xml version='1.0'?><stream:stream from='{address(number)}' to='digital.example' version='1.0'"
        " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
    )


def agent(number: int) -> str:
    """A program's own id: a UUID of version 4 that is the same each time."""
    made = uuid.UUID(bytes=uuid.uuid5(_NAMESPACE, str(number)).bytes, version=4)
    return f"<user-agent id='{made}'><software>bench</software></user-agent>"


async def one_round_trip(
    bench: BenchServer, number: int, token: str = "", *, want: str = "", tls: ssl.SSLContext | None = None
) -> bytes:
    """Everything is sent at once; what the server has answered by the time the roster has come."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: Client({}),
        HOST,
        bench.port(5223 if tls is not None else 5222),
        ssl=tls,
        server_hostname="localhost" if tls is not None else None,
    )
    if token:
        proof = hmac.digest(token.encode(), b"Initiator", "sha256")
        initial = address(number).encode() + b"\0" + proof
        mechanism, use = "HT-SHA-256-NONE", "<fast xmlns='urn:xmpp:fast:0'/>"
    else:
        initial = f"\0{address(number)}\0{PASSWORD}".encode()
        mechanism, use = "PLAIN", want
    client.send(
        f"{header(number)}<authenticate xmlns='urn:xmpp:sasl:2' mechanism='{mechanism}'>"
        f"<initial-response>{base64.b64encode(initial).decode()}</initial-response>"
        f"{agent(number)}{use}{_BIND}</authenticate>{_AFTER}"
    )
    await client.until(b"<success ")
    answer = client.buffer
    await client.until(b"id='roster'")
    client.send("</stream:stream>")
    client.transport.close()
    return answer


async def tokens_of_all(bench: BenchServer) -> list[str]:
    """A token for everybody's program, used once so that it is the current one."""
    found = []
    for number in range(PEOPLE):
        match = _TOKEN.search(await one_round_trip(bench, number, want=_WANT))
        assert match is not None
        found.append(match[1].decode())
        await one_round_trip(bench, number, found[-1])
    return found


async def measure() -> list[Row]:
    """All figures."""
    rows = []
    async with server(PEOPLE, prepare=in_units) as bench:
        tokens = await tokens_of_all(bench)
        tls = bench.client_context()
        numbers = itertools.cycle(range(PEOPLE))

        async def old() -> None:
            client = await log_in(bench, next(numbers))
            client.send("</stream:stream>")
            client.transport.close()

        async def password() -> None:
            await one_round_trip(bench, next(numbers))

        async def token() -> None:
            number = next(numbers)
            await one_round_trip(bench, number, tokens[number])

        async def token_over_tls() -> None:
            number = next(numbers)
            await one_round_trip(bench, number, tokens[number], tls=tls)

        for name, operation in (
            ("log-in, RFC 6120, full profile", old),
            ("log-in, SASL2 and Bind 2, full profile", password),
            ("log-in, FAST, full profile", token),
            ("log-in, FAST, full profile, TLS", token_over_tls),
        ):
            rows.append(await timed(bench, name, "log-in", LOGINS, [operation] * 10))
    return rows


if __name__ == "__main__":
    main(measure)
