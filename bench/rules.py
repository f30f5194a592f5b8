# SPDX-License-Identifier: Apache-2.0
"""Mail rules: what a delivery of 5 KB costs with none, one, thirty rules, a reading of the body, an
answer that was already given; and ManageSieve's PUTSCRIPT."""

import asyncio
import base64
import os

from armgs_server.directory import Directory
from armgs_server.rules.sieve.checking import check
from armgs_server.rules.sieve.program import serialise
from armgs_server.storage import Store, clock, sieve
from bench.common import HOST, PASSWORD, BenchServer, Row, address, main, server, timed
from bench.smtp import Sender

MESSAGES = int(os.environ.get("BENCH_RULES", "2000"))
CONNECTIONS = 20
GROUP = 20  # people with the same rules
ONE = 'require "fileinto"; if header :contains "subject" "report" { fileinto "Archive"; }'
RULES = 'require ["fileinto", "variables"];' + "".join(
    f'if anyof (address :is "from" "person{number}@other.example", header :matches "subject" "*[{number}]*")'
    f' {{ fileinto "List {number}"; stop; }}'
    for number in range(30)
)
BODY = 'require ["fileinto", "body"]; if body :contains "no such words" { fileinto "Archive"; }'
VACATION = 'require "vacation"; vacation :addresses "user0@digital.example" "I am away";'
SCRIPTS = ("", ONE, RULES, BODY, VACATION)
NAMES = ("no script", "one rule", "thirty rules", "a word in the body", "vacation, answered before")


async def keep_scripts(store: Store, directory: Directory) -> None:
    """The first group has none, each other group one of them."""
    for number in range(GROUP, GROUP * len(SCRIPTS)):
        person = await directory.by_address(address(number))
        assert person is not None
        owner, text = person.id, SCRIPTS[number // GROUP].encode()
        program = serialise(check(text, 30).program)
        await store.write(lambda tx: sieve.put(tx, owner, "bench", text, program, clock.now()))  # noqa: B023
        await store.write(lambda tx: sieve.activate(tx, owner, "bench"))  # noqa: B023


async def measure() -> list[Row]:
    """All figures of rules, from one server."""
    rows: list[Row] = []
    async with server(GROUP * len(SCRIPTS), prepare=keep_scripts) as bench:
        senders = [await Sender.connect(bench, worker) for worker in range(CONNECTIONS)]
        for group, name in enumerate(NAMES):
            for sender in senders:
                sender.to(lambda number, group=group: address(group * GROUP + number % GROUP))  # type: ignore[misc]
            for _ in range(3):  # caches are warm, everybody has had an answer
                await asyncio.gather(*(sender.pipelined() for sender in senders))
            operations = [sender.pipelined for sender in senders]
            rows.append(await timed(bench, f"rules: {name}", "message", MESSAGES, operations))
        rows.append(await put_scripts(bench))
    return rows


async def put_scripts(bench: BenchServer) -> Row:
    """Thirty rules put again and again over one connection."""
    reader, writer = await asyncio.open_connection(HOST, bench.port(4190))

    async def respond() -> None:
        while not (line := await reader.readline()).startswith(b"OK"):
            assert line and not line.startswith(b"NO"), line

    await respond()
    token = base64.b64encode(f"\0{address(0)}\0{PASSWORD}".encode()).decode()
    writer.write(f'AUTHENTICATE "PLAIN" "{token}"\r\n'.encode())
    await respond()
    command = f'PUTSCRIPT "bench" {{{len(RULES)}+}}\r\n{RULES}\r\n'.encode()

    async def put() -> None:
        writer.write(command)
        await respond()

    row = await timed(bench, "managesieve: PUTSCRIPT, thirty rules", "script", MESSAGES // 10, [put])
    writer.close()
    return row


if __name__ == "__main__":
    main(measure)
