# SPDX-License-Identifier: Apache-2.0
"""managesieve/session.py, commands.py, login.py, service.py: dialogues of RFC 5804 with the real service."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from pathlib import Path

from tests.managesieve.client import Client, literal, plain
from tests.rules.office import counts, message, send
from tests.world import IVANOV, PASSWORD, PETROVA, World

NO_SUCH = 'NO (NONEXISTENT) "there is no such script"\r\n'


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_the_greeting_says_what_there_is(world: World) -> None:
    """RFC 5804 §1.7"""
    async with Client(world) as client:
        lines = client.greeting.splitlines()
        assert lines[0] == '"IMPLEMENTATION" "armgs_server 0.1.0"'
        sieve = next(line for line in lines if line.startswith('"SIEVE" '))
        assert {"fileinto", "vacation", "imap4flags", "extlists"} <= set(sieve[9:-1].split())
        assert lines[2:7] == [
            '"NOTIFY" "mailto xmpp"',
            '"MAXREDIRECTS" "4"',
            '"VERSION" "1.0"',
            '"UNAUTHENTICATE"',
            '"SASL" "SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN"',
        ]
        assert lines[7:] == ['"STARTTLS"', 'OK "localhost ManageSieve ready"']


async def test_scripts_are_put_listed_renamed_and_deleted(world: World) -> None:
    """RFC 5804 §2.5 to §2.12; a second client sees what the first has done."""
    async with Client(world) as client, Client(world) as other:
        assert await client.login() == 'OK "logged in"\r\n'
        await other.login()
        assert await client.say('HAVESPACE "a" 1000') == 'OK "there is room"\r\n'
        assert await client.say(f'PUTSCRIPT "a" {literal("keep;")}') == 'OK "the script is right"\r\n'
        assert await client.say('PUTSCRIPT "б" "discard;"') == 'OK "the script is right"\r\n'
        assert await client.say('SETACTIVE "a"') == 'OK "so be it"\r\n'
        assert await other.say("LISTSCRIPTS") == '"a" ACTIVE\r\n"б"\r\nOK "that is all"\r\n'
        assert await other.say('GETSCRIPT "б"') == '{8}\r\ndiscard;\r\nOK "that is it"\r\n'
        assert await client.say('DELETESCRIPT "a"') == 'NO (ACTIVE) "the script is active"\r\n'
        assert await client.say('RENAMESCRIPT "a" "б"') == 'NO (ALREADYEXISTS) "the name is taken"\r\n'
        assert await client.say('RENAMESCRIPT "a" "c"') == 'OK "it has the new name"\r\n'
        assert await other.say("LISTSCRIPTS") == '"c" ACTIVE\r\n"б"\r\nOK "that is all"\r\n'
        assert await client.say('SETACTIVE ""') == 'OK "so be it"\r\n'
        assert await client.say('DELETESCRIPT "c"') == 'OK "it is gone"\r\n'
        assert await other.say("LISTSCRIPTS") == '"б"\r\nOK "that is all"\r\n'
        for command in ('GETSCRIPT "x"', 'DELETESCRIPT "x"', 'SETACTIVE "x"', 'RENAMESCRIPT "x" "y"'):
            assert await client.say(command) == NO_SUCH, command


async def test_what_was_put_runs(world: World) -> None:
    async with Client(world) as client:
        await client.login()
        await client.ok('PUTSCRIPT "main" "require \\"fileinto\\"; fileinto \\"Archive\\";"')
        await send(world, message())
        await client.ok('SETACTIVE "main"')
        await send(world, message())
        await client.ok('PUTSCRIPT "main" "discard;"')
        await send(world, message())
    assert await counts(world) == {"INBOX": 1, "Archive": 1}


async def test_wrong_scripts_are_not_taken(world: World) -> None:
    """RFC 5804 §2.6, §2.12: where they are wrong is said; what was there stays."""
    async with Client(world) as client:
        await client.login()
        await client.ok('PUTSCRIPT "a" "keep;"')
        wrong = "keep;\r\nfileinto 1;"
        expected = 'NO "line 2: fileinto needs require \\"fileinto\\""\r\n'
        assert await client.say(f"CHECKSCRIPT {literal(wrong)}") == expected
        assert await client.say(f'PUTSCRIPT "a" {literal(wrong)}') == expected
        assert await client.say('GETSCRIPT "a"') == '{5}\r\nkeep;\r\nOK "that is it"\r\n'
        assert await client.say('CHECKSCRIPT "keep;"') == 'OK "the script is right"\r\n'
        answer = await client.say('CHECKSCRIPT "stop; keep;"')
        assert answer == 'OK (WARNINGS) "line 1: what stands behind stop is never run"\r\n'


async def test_limits_are_told_before_they_are_met(tmp_path: Path) -> None:
    """RFC 5804 §2.5: HAVESPACE and PUTSCRIPT agree."""
    async with World(tmp_path, settings={"sieve": {"scripts": 5, "script_size": 4096}}) as world:
        async with Client(world) as client:
            await client.login()
            too_large = 'NO (QUOTA/MAXSIZE) "the script is too large"\r\n'
            assert await client.say('HAVESPACE "a" 5000') == too_large
            assert (await client.say(f'PUTSCRIPT "a" {literal("#" * 5000)}')).startswith(
                "NO (QUOTA/MAXSIZE) "
            )
            for number in range(5):
                await client.ok(f'PUTSCRIPT "s{number}" ""')
            too_many = 'NO (QUOTA/MAXSCRIPTS) "there are too many scripts"\r\n'
            assert await client.say('HAVESPACE "more" 1') == too_many
            assert await client.say('PUTSCRIPT "more" ""') == too_many
            await client.ok('PUTSCRIPT "s1" "keep;"')


async def test_names_are_net_unicode(world: World) -> None:
    """RFC 5804 §1.6"""
    async with Client(world) as client:
        await client.login()
        for name in ('""', '"' + "x" * 513 + '"', literal("a\x07b"), literal("a\u2028b"), '"\\\\"'):
            answer = await client.say(f'PUTSCRIPT {name} ""')
            assert answer.startswith("OK" if name == '"\\\\"' else "NO"), name


async def test_commands_have_their_time(world: World) -> None:
    async with Client(world) as client:
        assert await client.say("LISTSCRIPTS") == 'NO "not now"\r\n'
        assert await client.say("XYZZY") == 'NO "no such command"\r\n'
        assert await client.say("CAPABILITY 1") == 'NO "CAPABILITY has 0 to 0 arguments"\r\n'
        assert await client.say("NOOP") == 'OK "done"\r\n'
        assert await client.say('NOOP "STARTTLS-RESYNC"') == 'OK (TAG "STARTTLS-RESYNC") "done"\r\n'
        await client.login()
        assert await client.say("STARTTLS") == 'NO "not now"\r\n'
        assert await client.say(f'AUTHENTICATE "PLAIN" "{plain(PETROVA)}"') == 'NO "not now"\r\n'
        assert f'"OWNER" "{PETROVA}"\r\n' in await client.say("CAPABILITY")
        assert await client.say("UNAUTHENTICATE") == 'OK "logged out"\r\n'
        assert await client.say("LISTSCRIPTS") == 'NO "not now"\r\n'
        assert await client.login(IVANOV) == 'OK "logged in"\r\n'
        assert await client.say("LOGOUT") == 'OK "goodbye"\r\n'
        assert await client.line() == b""


async def test_log_in_goes_by_plain_in_two_steps_and_may_be_cancelled(world: World) -> None:
    """RFC 5804 §2.1"""
    async with Client(world) as client:
        client.write('AUTHENTICATE "PLAIN"\r\n')
        assert await client.line() == b'""\r\n'
        assert await client.say(f'"{plain(PETROVA)}"') == 'OK "logged in"\r\n'
    async with Client(world) as client:
        client.write('AUTHENTICATE "PLAIN"\r\n')
        assert await client.line() == b'""\r\n'
        assert await client.say('"*"') == 'NO "authentication cancelled"\r\n'
        assert (await client.login(PETROVA, "wrong")).startswith("NO ")
        assert await client.say('AUTHENTICATE "X"') == 'NO "no such mechanism here"\r\n'
        assert await client.say('AUTHENTICATE "PLAIN" "not base64"') == 'NO "not base64"\r\n'
        assert (await client.login()).startswith("OK ")


async def test_log_in_goes_by_scram_with_the_servers_proof(world: World) -> None:
    """RFC 5804 §2.1: what comes with the success is a code of the OK."""
    async with Client(world) as client:
        first = f"n={PETROVA},r=clientnonce"
        client.write(f'AUTHENTICATE "SCRAM-SHA-256" "{encoded("n,," + first)}"\r\n')
        challenge = base64.b64decode((await client.line()).strip().strip(b'"')).decode()
        fields = dict(part.split("=", 1) for part in challenge.split(","))
        salt, rounds = base64.b64decode(fields["s"]), int(fields["i"])
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, rounds)
        key = hmac.digest(salted, b"Client Key", "sha256")
        final = f"c=biws,r={fields['r']}"
        exchanged = f"{first},{challenge},{final}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), exchanged, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
        answer = await client.say(f'"{encoded(f"{final},p={proof}")}"')
        server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), exchanged, "sha256")
        expected = encoded(f"v={base64.b64encode(server).decode()}")
        assert answer == f'OK (SASL "{expected}") "logged in"\r\n'


async def test_tls_comes_first_where_it_must(tmp_path: Path) -> None:
    """RFC 5804 §2.2: capabilities come again, unasked; nothing said before counts."""
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        async with Client(world) as client:
            assert '"SASL" ""\r\n' in client.greeting
            assert (await client.login()).startswith("NO (ENCRYPT-NEEDED) ")
            after = await client.start_tls()
            assert '"STARTTLS"' not in after and "PLAIN" in after
            assert await client.login() == 'OK "logged in"\r\n'
        async with Client(world) as client:
            client.write("STARTTLS\r\nLISTSCRIPTS\r\n")
            assert (await client.response()).startswith("BYE ")
            assert await client.line() == b""


async def test_too_many_errors_end_it(world: World) -> None:
    async with Client(world) as client:
        for _ in range(19):
            assert await client.say("XYZZY") == 'NO "no such command"\r\n'
        client.write("XYZZY\r\n")
        assert await client.response() == 'NO "no such command"\r\n'
        assert await client.response() == 'BYE "too many errors"\r\n'
        assert await client.line() == b""


async def test_who_is_disabled_has_to_go(world: World) -> None:
    async with Client(world) as client:
        await client.login()
        person = await world.directory.by_address(PETROVA)
        assert person is not None
        await world.directory.disable(person.id)
        assert (await client.response()).startswith("BYE ")


async def test_goodbye_at_the_stop(world: World) -> None:
    async with Client(world) as client:
        stopping = asyncio.ensure_future(world.stop())
        assert await client.response() == 'BYE (TRYLATER) "the server is shutting down"\r\n'
        await stopping


async def test_commands_come_in_heaps(world: World) -> None:
    """Pipelined, they are answered in order."""
    async with Client(world) as client:
        await client.login()
        client.write("".join(f'NOOP "{number}"\r\n' for number in range(500)))
        for number in range(500):
            assert await client.response() == f'OK (TAG "{number}") "done"\r\n'
