# SPDX-License-Identifier: Apache-2.0
"""POP3 over a socket: the states, the lock, what a message looks like, what is gone after QUIT."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from armgs_server.pop3.session import EVENTS_IN_A_ROW
from armgs_server.storage import items, restored
from tests.pop3.client import Client, contents, deliver, inbox_of
from tests.world import IVANOV, PASSWORD, PETROVA, World

FIRST = b"Subject: one\r\n\r\n.hidden\r\n..twice\r\nend without a line end"
SECOND = b"From: a@b.example\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 5000 + b".\r\nlast\r\n"
PLAIN = base64.b64encode(f"\0{IVANOV}\0{PASSWORD}".encode()).decode()


async def test_a_message_comes_byte_for_byte(world: World) -> None:
    await deliver(world, FIRST, SECOND)
    async with Client(world) as client:
        assert await client.login() == "+OK maildrop has 2 messages"
        assert await client.command("STAT") == f"+OK 2 {len(FIRST) + len(SECOND)}"
        assert await client.command("RETR 1") == f"+OK {len(FIRST)} octets"
        text = await client.body()
        assert text == b"Subject: one\r\n\r\n..hidden\r\n...twice\r\nend without a line end\r\n.\r\n"
        assert await client.command("RETR 2") == f"+OK {len(SECOND)} octets"
        assert await client.body() == SECOND.replace(b"\n.", b"\n..") + b".\r\n"


async def test_top_ends_after_the_lines_asked_for(world: World) -> None:
    await deliver(world, b"Subject: one\r\nX: y\r\n\r\n1\r\n.2\r\n3\r\n")
    async with Client(world) as client:
        await client.login()
        assert await client.lines("TOP 1 0") == ["Subject: one", "X: y", ""]
        assert await client.lines("TOP 1 2") == ["Subject: one", "X: y", "", "1", "..2"]
        assert await client.lines("TOP 1 9") == ["Subject: one", "X: y", "", "1", "..2", "3"]
        assert (await client.command("TOP 1")).startswith("-ERR")
        assert (await client.command("TOP 1 x")).startswith("-ERR")


async def test_deleted_messages_go_with_quit_alone(world: World) -> None:
    await deliver(world, FIRST, SECOND)
    async with Client(world) as client:
        await client.login()
        assert await client.command("DELE 1") == "+OK message 1 deleted"
    async with asyncio.timeout(20):  # the connection's end frees the lock; nothing was deleted
        while True:
            async with Client(world) as client:
                if (await client.login()).startswith("+OK"):
                    assert (await client.command("STAT")).startswith("+OK 2 ")
                    assert (await client.command("DELE 2")).startswith("+OK")
                    assert await client.command("RETR 2") == "-ERR no such message"
                    assert await client.lines("LIST") == [f"1 {len(FIRST)}"]
                    assert await client.command("QUIT") == "+OK goodbye"
                    assert await client.line() == ""
                    break
    assert [item.uid for item in await contents(world)] == [1]
    inbox = await inbox_of(world)
    mailboxes = await world.store.read(lambda tx: restored.mailboxes_of(tx, inbox.owner))
    assert [(each.items, path) for each, path in mailboxes] == [(1, ("INBOX",))]


async def test_rset_takes_the_marks_away(world: World) -> None:
    await deliver(world, FIRST)
    async with Client(world) as client:
        await client.login()
        await client.command("DELE 1")
        assert await client.command("STAT") == "+OK 0 0"
        assert await client.command("RSET") == "+OK maildrop has 1 messages"
        assert await client.command("QUIT") == "+OK goodbye"
    assert len(await contents(world)) == 1


async def test_one_session_at_a_time(world: World) -> None:
    async with Client(world) as first, Client(world) as second, Client(world) as other:
        assert (await first.login()).startswith("+OK")
        assert await second.login() == "-ERR [IN-USE] another session has the maildrop"
        assert (await other.login(PETROVA)).startswith("+OK")
        assert await first.command("QUIT") == "+OK goodbye"
        assert await first.line() == ""
        assert (await second.login()).startswith("+OK")


async def test_messages_that_come_later_are_not_in_it(world: World) -> None:
    await deliver(world, FIRST)
    async with Client(world) as client:
        await client.login()
        await deliver(world, SECOND)
        assert (await client.command("STAT")).startswith("+OK 1 ")
        assert await client.command("LIST 2") == "-ERR no such message"
        await client.command("QUIT")
        assert await client.line() == ""
    inbox = await inbox_of(world)
    async with Client(world) as client:
        await client.login()
        unique = [f"{number} {inbox.uid_validity}.{number}" for number in (1, 2)]
        assert await client.lines("UIDL") == unique
        assert await client.command("UIDL 2") == f"+OK {unique[1]}"


async def test_pipelined_commands_are_answered_in_order(world: World) -> None:
    await deliver(world, FIRST)
    async with Client(world) as client:
        await client.login()
        count = 3 * EVENTS_IN_A_ROW
        client.write(b"NOOP\r\n" * count + b"UIDL 1\r\nSTAT\r\nQUIT\r\n")
        assert [await client.line() for _ in range(count)] == ["+OK nothing done"] * count
        assert (await client.line()).startswith("+OK 1 ")
        assert await client.line() == f"+OK 1 {len(FIRST)}"
        assert await client.line() == "+OK goodbye"


async def test_wrong_password_and_unknown_name_sound_the_same(world: World) -> None:
    async with Client(world) as client:
        answers = set()
        for name in (IVANOV, "nobody@digital.example"):
            assert (await client.command(f"USER {name}")).startswith("+OK")
            answers.add(await client.command("PASS wrong"))
        assert answers == {"-ERR [AUTH] the name or the password is wrong"}


async def test_pass_comes_right_behind_user(world: World) -> None:
    async with Client(world) as client:
        assert await client.command(f"PASS {PASSWORD}") == "-ERR USER comes first"
        await client.command(f"USER {IVANOV}")
        await client.command("CAPA")
        await client.body()
        assert await client.command(f"PASS {PASSWORD}") == "-ERR USER comes first"
        assert await client.command("STAT") == "-ERR not now"


async def test_auth_plain_with_and_without_initial_response(world: World) -> None:
    for address in ("", PLAIN):
        async with Client(world) as client:
            if address:
                assert (await client.command(f"AUTH PLAIN {PLAIN}")).startswith("+OK maildrop")
            else:
                assert await client.command("AUTH PLAIN") == "+ "
                assert (await client.command(PLAIN)).startswith("+OK maildrop")
            assert (await client.command("AUTH PLAIN")).startswith("-ERR not now")
            await client.command("QUIT")
            assert await client.line() == ""


async def test_auth_that_comes_to_nothing(world: World) -> None:
    async with Client(world) as client:
        assert await client.command("AUTH PLAIN") == "+ "
        assert await client.command("*") == "-ERR authentication cancelled"
        assert await client.command("AUTH PLAIN ~~~") == "-ERR not base64"
        assert (await client.command("AUTH NTLM")).startswith("-ERR")
        wrong = base64.b64encode(f"\0{IVANOV}\0wrong".encode()).decode()
        assert (await client.command(f"AUTH PLAIN {wrong}")).startswith("-ERR [AUTH] ")
        assert "PLAIN" in await client.lines("AUTH")


async def test_too_many_errors_end_the_connection(world: World) -> None:
    async with Client(world) as client:
        for _ in range(world.config.pop3.errors):
            assert (await client.command("NONSENSE")).startswith("-ERR")
        assert await client.line() == ""


async def test_a_disabled_person_is_disconnected(world: World) -> None:
    async with Client(world) as client:
        await client.login()
        person = await world.directory.by_address(IVANOV)
        assert person is not None
        await world.directory.disable(person.id)
        assert (await client.line()).startswith("-ERR [SYS/PERM]")
        assert await client.line() == ""


async def test_a_lost_lease_deletes_nothing(world: World) -> None:
    await deliver(world, FIRST)
    async with Client(world) as client:
        await client.login()
        await client.command("DELE 1")
        await world.store.write(lambda tx: tx.execute("UPDATE lease SET token = token + 1"))
        assert await client.command("QUIT") == "-ERR [SYS/TEMP] some deleted messages are not removed"
        assert await client.line() == ""
    assert len(await contents(world)) == 1


async def test_a_message_that_went_meanwhile(world: World) -> None:
    await deliver(world, FIRST)
    async with Client(world) as client:
        await client.login()
        inbox = await inbox_of(world)
        await world.store.write(lambda tx: items.remove(tx, inbox, [1]))
        assert await client.command("RETR 1") == "-ERR [SYS/PERM] the message is gone"
        await client.command("DELE 1")
        assert await client.command("QUIT") == "+OK goodbye"


async def test_without_tls_nobody_logs_in(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        async with Client(world) as client:
            assert "USER" not in await client.lines("CAPA")
            assert await client.command(f"USER {IVANOV}") == "-ERR [SYS/PERM] log-in needs TLS here"
            assert (await client.command(f"AUTH PLAIN {PLAIN}")).startswith("-ERR [SYS/PERM]")
            assert (await client.command("STLS")).startswith("+OK")
            await client.handshake()
            offered = await client.lines("CAPA")
            assert "USER" in offered
            assert "STLS" not in offered
            assert (await client.login()).startswith("+OK")
        async with Client(world, "pop3s") as client:
            assert (await client.login(PETROVA)).startswith("+OK")


async def test_nothing_sent_behind_stls_counts(world: World) -> None:
    async with Client(world) as client:
        client.write(b"STLS\r\nUSER x\r\n")
        assert await client.line() == "-ERR input behind STLS"
        assert await client.line() == ""


async def test_switched_off(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"pop3": {"enabled": False}}) as world:
        with pytest.raises(ConnectionRefusedError):
            await world.connect("pop3")


async def test_an_inbox_beyond_the_limit_shows_its_oldest(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"pop3": {"messages": 1}}) as world:
        await deliver(world, FIRST, SECOND)
        async with Client(world) as client:
            assert await client.login() == "+OK maildrop has 1 messages"
            assert await client.lines("LIST") == [f"1 {len(FIRST)}"]


async def test_the_stop_says_why(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        async with Client(world) as client:
            await client.login()
            await world.stop()
            assert await client.line() == "-ERR [SYS/TEMP] the server is shutting down"
