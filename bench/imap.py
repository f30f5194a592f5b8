# SPDX-License-Identifier: Apache-2.0
"""IMAP: log-in, first sync of a mailbox of 20,000, whole-folder fetches, searches, STORE, bodies, IDLE."""

import asyncio
import base64
import itertools
import os
import re
import ssl
import time
from collections.abc import Awaitable, Callable

from armgs_server.directory import Directory
from armgs_server.formats import mime
from armgs_server.storage import Store, collections, mail
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx
from bench.common import HOST, PASSWORD, BenchServer, Row, address, idle_memory, main, server, timed

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "20000"))
IDLE_CONNECTIONS = 500
_BATCH = 500
_LINE = b"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod.\r\n"
FIRST_SYNC = "UID FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)"
THUNDERBIRD = (
    "UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID"
    " Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To Received)])"
)


def message(number: int) -> bytes:
    """About 5 KB: three of five plain text, one alternative, one with an attachment."""
    head = (
        b"Return-Path: <user1@digital.example>\r\n"
        b"Received: from mail.digital.example (mail.digital.example [192.0.2.1])\r\n"
        b"\tby mx.digital.example with ESMTPS id %08x; Mon, 5 Oct 2026 10:11:12 +0300\r\n"
        b"Date: Mon, 5 Oct 2026 10:11:%02d +0300\r\n"
        b"From: =?utf-8?B?0J/QtdGC0YDQvtCy0LA=?= <user1@digital.example>\r\n"
        b"To: User 0 <user0@digital.example>\r\nSubject: Report %d of the quarter\r\n"
        b"Message-ID: <%d.bench@digital.example>\r\nReferences: <%d.bench@digital.example>\r\n"
        b"MIME-Version: 1.0\r\n"
    ) % (number, number % 60, number, number, number // 2)
    kind = number % 5
    if kind < 3:
        return head + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + _LINE * 58
    if kind == 3:
        body = _LINE * 28
        return b"%bContent-Type: multipart/alternative; boundary=b\r\n\r\n%b%b--b--\r\n" % (
            head,
            b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%b\r\n" % body,
            b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n%b\r\n" % body,
        )
    attachment = base64.encodebytes(bytes(range(256)) * 10).replace(b"\n", b"\r\n")
    return b"%bContent-Type: multipart/mixed; boundary=b\r\n\r\n%b%b--b--\r\n" % (
        head,
        b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%b\r\n" % (_LINE * 10),
        b"--b\r\nContent-Type: application/pdf; name=report.pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename=report.pdf\r\n\r\n%b\r\n" % attachment,
    )


async def fill(store: Store, directory: Directory) -> None:
    """MESSAGES into the INBOX of user 0."""
    person = await directory.by_address(address(0))
    assert person is not None
    owner = person.id

    async def inbox(tx: Tx) -> Collection:
        found = await collections.by_role(tx, owner, "mail", "inbox")
        assert found is not None
        return found

    collection = await store.read(inbox)
    for first in range(0, MESSAGES, _BATCH):
        made = [message(number) for number in range(first, min(first + _BATCH, MESSAGES))]
        ready = [(store.blobs.small(data), mime.index(data)) for data in made]

        async def work(tx: Tx, ready: list[tuple[BlobRef, mime.MessageIndex]] = ready) -> None:
            for ref, index in ready:
                await mail.append(tx, collection, ref, index)

        await store.write(work)


class Client:
    """One connection that counts what it gets and looks for tagged lines only."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._tags = itertools.count(1)

    @classmethod
    async def connect(cls, bench: BenchServer, *, secure: bool = False) -> "Client":
        return await cls.connect_to(
            bench.port(993 if secure else 143), bench.client_context() if secure else None
        )

    @classmethod
    async def connect_to(cls, port: int, context: ssl.SSLContext | None = None) -> "Client":
        client = cls(
            *await asyncio.open_connection(
                HOST, port, ssl=context, server_hostname="localhost" if context else None, limit=1 << 20
            )
        )
        await client.reader.readline()
        return client

    async def command(self, text: str) -> int:
        """Octets of the answer."""
        tag = b"t%d" % next(self._tags)
        self.writer.write(b"%b %b\r\n" % (tag, text.encode()))
        ending = re.compile(rb"(?:^|\r\n)%b ([A-Z]+) [^\r\n]*\r\n\Z" % tag)
        size, tail = 0, b""
        while True:
            data = await self.reader.read(1 << 20)
            if not data:
                raise EOFError
            size += len(data)
            tail = (tail + data)[-2000:]
            if found := ending.search(tail):
                assert found[1] == b"OK", tail
                return size

    async def answer(self, text: str) -> bytes:
        """The one untagged line that answers it."""
        tag = b"t%d" % next(self._tags)
        self.writer.write(b"%b %b\r\n" % (tag, text.encode()))
        line = await self.reader.readline()
        assert (await self.reader.readline()).startswith(tag + b" OK"), line
        return line

    async def append(self, mailbox: str, messages: "list[bytes]") -> None:
        """All in one command (RFC 3502), without waiting for leave (RFC 7888)."""
        literals = b" ".join(b"{%d+}\r\n%b" % (len(each), each) for each in messages)
        tag = b"t%d" % next(self._tags)
        self.writer.write(b"%b APPEND %b %b\r\n" % (tag, mailbox.encode(), literals))
        while not (line := await self.reader.readline()).startswith(tag):
            assert line, "the connection ended"
        assert line.startswith(tag + b" OK"), line

    async def login(self, number: int = 0) -> None:
        await self.command(f"LOGIN {address(number)} {PASSWORD}")

    async def close(self) -> None:
        self.writer.close()


async def _whole(bench: BenchServer, client: Client, name: str, command: str) -> Row:
    """One command over the whole mailbox."""
    cpu, started = bench.cpu(), time.perf_counter()
    await client.command(command)
    elapsed, used = time.perf_counter() - started, bench.cpu() - cpu
    title = f"IMAP, {MESSAGES} messages: {name}"
    return Row(title, "command", used * 1000, 1 / elapsed, elapsed * 1000, elapsed * 1000, bench.memory())


async def _logins(bench: BenchServer, *, secure: bool, connections: int) -> Row:
    async def operation() -> None:
        client = await Client.connect(bench, secure=secure)
        await client.login()
        client.writer.write(b"z LOGOUT\r\n")
        await client.reader.read()
        await client.close()

    await operation()
    kind = "TLS " if secure else ""
    name = f"IMAP {kind}connect, LOGIN, LOGOUT, {connections} at once"
    return await timed(bench, name, "session", 400 if secure else 1000, [operation] * connections)


async def _short_sessions(bench: BenchServer) -> Row:
    async def operation() -> None:
        client = await Client.connect(bench)
        await client.login(1)
        await client.command('LIST "" *')
        await client.command("SELECT INBOX")
        await client.command("SEARCH UNSEEN")
        client.writer.write(b"z LOGOUT\r\n")
        await client.reader.read()
        await client.close()

    return await timed(bench, "IMAP short session (LIST, SELECT, SEARCH)", "session", 400, [operation] * 8)


async def _idle(bench: BenchServer, *, secure: bool) -> Row:
    async def connect(_: int) -> Client:
        client = await Client.connect(bench, secure=secure)
        await client.login(1)
        await client.command("SELECT INBOX")
        client.writer.write(b"i IDLE\r\n")
        await client.reader.readline()
        return client

    return await idle_memory(bench, f"IMAP IDLE{' over TLS' if secure else ''}", IDLE_CONNECTIONS, connect)


async def _changes(bench: BenchServer, client: Client) -> Row:
    """What another session did to 100 of all, asked for by who was away meanwhile (RFC 7162 §3.1.4.1)."""
    other = await Client.connect(bench)
    await other.login()
    await other.command("SELECT INBOX (CONDSTORE)")
    [modseq] = re.findall(rb"HIGHESTMODSEQ (\d+)", await other.answer("STATUS INBOX (HIGHESTMODSEQ)"))
    await other.command("STORE 1000:1099 +FLAGS.SILENT (\\Answered)")
    await other.close()
    return await _whole(
        bench, client, "changes of 100", f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq.decode()})"
    )


def _each(client: Client, commands: "itertools.cycle[str]") -> Callable[[], Awaitable[None]]:
    async def operation() -> None:
        await client.command(next(commands))

    return operation


async def _searches(bench: BenchServer, client: Client) -> list[Row]:
    """Of texts, once the words are indexed: until then a search reads what is not."""
    quiet = 0
    while quiet < 3:  # the index is made by the server, whose CPU says when it is done
        before = bench.cpu()
        await asyncio.sleep(1.0)
        quiet = quiet + 1 if bench.cpu() - before < 0.02 else 0
    return [
        await timed(bench, f"IMAP, {MESSAGES} messages: {name}", "command", 20, [_each(client, command)])
        for name, command in (
            ("SEARCH BODY, all", itertools.cycle(["UID SEARCH BODY consectetur"])),
            ("SEARCH BODY, none", itertools.cycle(["UID SEARCH BODY nowhere"])),
            ("SEARCH TEXT, one", itertools.cycle(["UID SEARCH TEXT 7777.bench"])),
            ("SEARCH FUZZY, all", itertools.cycle(["UID SEARCH FUZZY TEXT reports"])),
        )
    ]


async def measure() -> list[Row]:
    async with server(prepare=fill) as bench:
        rows = [
            await _logins(bench, secure=False, connections=8),
            await _logins(bench, secure=True, connections=8),
            await _short_sessions(bench),
        ]
        client = await Client.connect(bench)
        await client.login()
        rows.append(await _whole(bench, client, "SELECT", "SELECT INBOX"))
        for name, command in (
            ("first sync", FIRST_SYNC),
            ("first sync again", FIRST_SYNC),
            ("UID FETCH 1:* (FLAGS)", "UID FETCH 1:* (FLAGS)"),
            ("Thunderbird's header fields", THUNDERBIRD),
            ("UID SEARCH SUBJECT", "UID SEARCH SUBJECT 77"),
            ("UID SEARCH UNSEEN", "UID SEARCH UNSEEN"),
            ("bodies of 2,000", "UID FETCH 1:2000 (BODY.PEEK[])"),
            ("STORE 1:* +FLAGS.SILENT", "STORE 1:* +FLAGS.SILENT (\\Flagged)"),
            ("FETCH CHANGEDSINCE, nothing", "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 9999999)"),
            ("COPY of 1,000", "COPY 1:1000 Archive"),
            ("MOVE of 1,000", "MOVE 1:1000 Archive"),
        ):
            rows.append(await _whole(bench, client, name, command))
        rows.append(await _changes(bench, client))
        bodies = itertools.cycle(f"UID FETCH {uid} (BODY.PEEK[])" for uid in range(1, MESSAGES, 7))
        rows.append(await timed(bench, "IMAP one BODY.PEEK[]", "command", 2000, [_each(client, bodies)]))
        stores = itertools.cycle(f"UID STORE {uid} +FLAGS (\\Seen)" for uid in range(1, MESSAGES, 7))
        rows.append(await timed(bench, "IMAP STORE of one message", "command", 500, [_each(client, stores)]))
        # The first search for text begins an index, whose making would count in whatever came next.
        rows.append(
            await _whole(bench, client, "UID SEARCH BODY, not indexed", "UID SEARCH BODY consectetur")
        )
        rows += await _searches(bench, client)
        await client.command("STORE 1:1000 +FLAGS.SILENT (\\Deleted)")
        rows.append(await _whole(bench, client, "EXPUNGE of 1,000, into Restored", "EXPUNGE"))
    for secure in (False, True):  # a server that has done nothing: what others freed would be theirs
        async with server() as bench:
            rows.append(await _idle(bench, secure=secure))
    return rows


if __name__ == "__main__":
    main(measure)
