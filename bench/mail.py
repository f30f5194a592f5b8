# SPDX-License-Identifier: Apache-2.0
"""Mail of ours beside Dovecot (maildir and mdbox), Cyrus, and Postfix in front of Dovecot, in the same run.

Delivery is SMTP to us and to Postfix, LMTP to the others, each durable when it says 250. A command is cold
the first time it is asked of a mailbox that has just been filled: whatever the server remembers for the
second time it has not made yet.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import cycle

from bench import imap, mail_peers
from bench.common import PASSWORD, Row, address, main, percentile, server, share
from bench.imap import FIRST_SYNC, MESSAGES, THUNDERBIRD, Client
from bench.mail_peers import MailTarget
from bench.peers import Missing
from bench.smtp import Sender

PEOPLE = 50
CONNECTIONS = 20
DELIVERIES = int(os.environ.get("BENCH_DELIVERIES", "2000"))
LOGINS = 300
AT_ONCE = 8
BODIES = 1000
IDLE = 200
_BATCH = 100  # messages of one APPEND
_COMMANDS = (
    ("first sync, cold", FIRST_SYNC),
    ("first sync, warm", FIRST_SYNC),
    ("Thunderbird's headers, cold", THUNDERBIRD),
    ("Thunderbird's headers, warm", THUNDERBIRD),
    ("FLAGS", "UID FETCH 1:* (FLAGS)"),
    ("SEARCH SUBJECT", "UID SEARCH SUBJECT 77"),
    ("bodies of 2,000", "UID FETCH 1:2000 (BODY.PEEK[])"),
    ("STORE of all", "STORE 1:* +FLAGS.SILENT (\\Flagged)"),
    ("COPY of 1,000", "COPY 1:1000 Other"),
)
# Last: with us the first of them begins an index, whose making would count in whatever came next.
_SEARCHES = (
    ("SEARCH BODY", "UID SEARCH BODY consectetur"),
    ("SEARCH BODY, a word that is nowhere", "UID SEARCH BODY perpendiculaire"),
)


@asynccontextmanager
async def ours() -> AsyncIterator[MailTarget]:
    """Our daemon with one worker."""
    async with server(PEOPLE) as bench:
        yield MailTarget(
            "armgs", bench.port(143), bench.port(25), b"EHLO", lambda: [bench.pid], address, address
        )


async def measure() -> list[Row]:
    """All servers' rows, an operation's beside each other."""
    found: dict[str, list[Row]] = {}
    kinds: tuple[Callable[[], AbstractAsyncContextManager[MailTarget]], ...] = (
        ours,
        partial(mail_peers.dovecot, PEOPLE, "maildir"),
        partial(mail_peers.dovecot, PEOPLE, "mdbox"),
        partial(mail_peers.cyrus, PEOPLE),
    )
    for kind in kinds:
        try:
            async with kind() as target:
                rows = [await deliver(target), *await read(target)]
            async with kind() as target:  # anew: what others have freed would be the memory of those who wait
                rows.append(await idle(target))
            for row in rows:
                found.setdefault(row.name, []).append(replace(row, name=f"{row.name}: {target.name}"))
        except Missing as reason:
            print(f"left out: {reason}", file=sys.stderr)
    await _postfix(found)
    return [row for rows in found.values() for row in rows]


async def _postfix(found: dict[str, list[Row]]) -> None:
    try:
        async with AsyncExitStack() as stack:
            behind = await stack.enter_async_context(mail_peers.dovecot(PEOPLE, "maildir"))
            target = await stack.enter_async_context(mail_peers.postfix(behind))
            row = await deliver(target)
            found[row.name].append(replace(row, name=f"{row.name}: {target.name}"))
    except Missing as reason:
        print(f"left out: {reason}", file=sys.stderr)


async def timed(
    target: MailTarget, name: str, unit: str, count: int, operations: list[Callable[[], Awaitable[object]]]
) -> Row:
    """`count` operations shared by the connections, to their very end."""
    cpu, started = target.cpu(), time.perf_counter()
    times = await share(count, operations)
    await mail_peers.settle(target)
    elapsed, used = time.perf_counter() - started, target.cpu() - cpu
    return Row(
        name,
        unit,
        used * 1000 / count,
        count / elapsed,
        percentile(times, 50),
        percentile(times, 99),
        target.memory(),
    )


async def deliver(target: MailTarget) -> Row:
    """5 KB each, to all people in turns."""
    senders = [
        (await Sender.connect_to(target.delivery, number, target.hello)).to(
            lambda number: target.recipient(number % PEOPLE)
        )
        for number in range(CONNECTIONS)
    ]
    operations: list[Callable[[], Awaitable[object]]] = [sender.pipelined for sender in senders]
    for _ in range(PEOPLE):  # the first message makes the mailbox
        await senders[0].pipelined()
    await timed(target, "", "message", 2 * PEOPLE, operations)
    row = await timed(target, "delivery of 5 KB", "message", DELIVERIES, operations)
    for sender in senders:
        sender.close()
    return row


async def read(target: MailTarget) -> list[Row]:
    """One mailbox of MESSAGES, by one client and by many."""
    client = await log_in(target)
    await client.command("CREATE Other")
    await client.command("CREATE Full")
    for first in range(0, MESSAGES, _BATCH):
        await client.append("Full", [imap.message(first + number) for number in range(_BATCH)])
    await client.close()
    rows = [await timed(target, "log-in", "session", LOGINS, [partial(come_and_go, target)] * AT_ONCE)]
    client = await log_in(target)
    rows.append(await timed(target, "SELECT", "command", 1, [lambda: client.command("SELECT Full")]))
    for name, command in _COMMANDS:
        rows.append(await timed(target, name, "command", 1, [partial(client.command, command)]))
    uids = cycle(range(1, MESSAGES, 7))
    rows.append(
        await timed(
            target, "one body", "command", BODIES,
            [lambda: client.command(f"UID FETCH {next(uids)} (BODY.PEEK[])")],
        )
    )  # fmt: skip
    for name, command in _SEARCHES:
        rows.append(await timed(target, name, "command", 1, [partial(client.command, command)]))
    await client.close()
    return rows


async def log_in(target: MailTarget) -> Client:
    """Somebody's connection, logged in."""
    client = await Client.connect_to(target.imap)
    await client.command(f"LOGIN {target.user(0)} {PASSWORD}")
    return client


async def come_and_go(target: MailTarget) -> None:
    """Connect, LOGIN, LOGOUT."""
    client = await log_in(target)
    client.writer.write(b"z LOGOUT\r\n")
    await client.reader.read()
    await client.close()


async def idle(target: MailTarget) -> Row:
    """Memory of each connection that waits, as the kernel shares it out among processes."""

    async def one() -> Client:
        client = await log_in(target)
        await client.command("SELECT INBOX")
        client.writer.write(b"i IDLE\r\n")
        await client.reader.readline()
        return client

    sender = await Sender.connect_to(target.delivery, 0, target.hello)
    await sender.to(lambda _: target.recipient(0)).pipelined()  # who has mail has a mailbox
    kept = [await one() for _ in range(AT_ONCE)]
    before = target.memory()
    for _ in range(IDLE):
        kept.append(await one())
    row = Row("IDLE", "connection", memory=(target.memory() - before) / IDLE)
    for client in kept:
        await client.close()
    sender.close()
    return row


if __name__ == "__main__":
    main(measure)
