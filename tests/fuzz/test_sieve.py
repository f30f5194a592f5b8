# SPDX-License-Identifier: Apache-2.0
"""Rules and ManageSieve, fed with what nobody should write: scripts of any words run on any message within
their bounds, and the server answers, closes or waits, while another session goes on undisturbed."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from pathlib import Path

import pytest

from armgs_server.errors import Invalid
from armgs_server.managesieve.commands import COMMANDS
from armgs_server.rules.sieve.catalogue import CAPABILITIES
from armgs_server.rules.sieve.checking import check
from tests.managesieve.client import Client, plain
from tests.rules.sieve import cases
from tests.rules.sieve.running import Office
from tests.world import PETROVA, World

SCRIPTS = 300
ROUNDS = 60
REQUIRE = f"require [{', '.join(f'{chr(34)}{name}{chr(34)}' for name in sorted(CAPABILITIES))}];\r\n"
# Commands and tests that are right by themselves; what they are put into is chance.
TESTS = [test for _, test in (*cases.COMMON, *cases.OURS)]
STATEMENTS = [
    *(
        "keep;",
        "discard;",
        "stop;",
        'fileinto "A";',
        'fileinto :create :flags "\\\\Seen" "B/${1}";',
        "return;",
    ),
    *('redirect "a@b.example";', 'redirect :copy "${0}";', 'set "a" "${a}${a}x";', 'set :length "b" "${a}";'),
    *(
        'vacation "x";',
        'reject "no";',
        'addheader "X-A" "${1}";',
        'deleteheader "X-Many";',
        'addflag "x ${2}";',
    ),
    *(
        'notify "mailto:a@b.example";',
        'notify "${0}";',
        'include :optional "x";',
        'global "g";',
        'error "e";',
    ),
    *('replace "x";', 'replace :mime "${a}";', 'enclose :subject "s" "t";', "break;", 'extracttext "t";'),
    *('fileinto "${0}";', 'set "a" "*?\\\\\\\\";', 'if string :matches "${a}" "${a}" { keep; }'),
]
MESSAGES = [
    cases.LETTER.encode(),
    b"",
    b"\r\n",
    b"\xff\xfe\0" * 50,
    b"Subject: x",
    b": no name\r\nFrom: <<<>>>\r\nDate: never\r\n\r\n",
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nx\r\n" * 50,
    b"Content-Type: message/rfc822\r\n\r\n" * 40 + b"x",
]


def statement(chance: random.Random, depth: int) -> str:
    kind = chance.random()
    if depth and kind < 0.3:
        test = chance.choice(TESTS)
        if chance.random() < 0.3:
            test = f"anyof (not {test}, {chance.choice(TESTS)})"
        inner = "".join(statement(chance, depth - 1) for _ in range(chance.randrange(3)))
        return f"if {test} {{ {inner} }}"
    if depth and kind < 0.4:
        return f"foreverypart {{ {statement(chance, depth - 1)}{statement(chance, depth - 1)} }}"
    return chance.choice(STATEMENTS)


@pytest.mark.parametrize("seed", range(3))
async def test_any_script_ends_and_keeps_or_acts(tmp_path: Path, seed: int) -> None:
    """A run that fails keeps the message and does nothing else (RFC 5228 §2.10.6)."""
    chance = random.Random(seed)
    office = await Office.open(tmp_path)
    begun = time.thread_time()
    failed = 0
    for _ in range(SCRIPTS // 3):
        script = REQUIRE + "\r\n".join(statement(chance, 3) for _ in range(chance.randrange(1, 12)))
        outcome, _ = await office.run(script, letter=chance.choice(MESSAGES))
        if outcome.error:
            failed += 1
            assert (outcome.keeps, outcome.actions) == (True, [])
        assert len(outcome.actions) <= office.config.sieve.actions
    await office.close()
    assert 0 < failed < SCRIPTS // 3
    assert time.thread_time() - begun < 60


@pytest.mark.parametrize("seed", range(3))
def test_any_mutation_is_a_script_or_not(seed: int) -> None:
    chance = random.Random(seed)
    whole = cases.script(cases.COMMON, cases.REQUIRED).encode()
    for _ in range(100):
        script = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(script))
            if chance.random() < 0.5:
                script[at] = chance.randrange(256)
            else:
                del script[at : at + chance.randrange(1, 40)]
        try:
            check(bytes(script), 30)
        except Invalid as error:
            assert error.line >= 1


WORDS = [
    *(name.encode() for name in COMMANDS),
    *(
        b'"a"',
        b'""',
        b'"\xd0\xb1"',
        b"{3+}\r\nabc",
        b"{0+}\r\n",
        b"{5}",
        b"{999999999+}",
        b"{70000000+}",
        b"1",
    ),
    *(
        b"99999999999",
        b'"PLAIN"',
        b'"keep;"',
        b'"open',
        b"\xff",
        b"\0",
        b"\r",
        b"(",
        b"*",
        b"=",
        b'"' + b"x" * 2000,
    ),
]


@pytest.mark.parametrize("logged_in", [False, True])
async def test_the_server_stands_whatever_it_is_told(
    tmp_path: Path, logged_in: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    chance = random.Random(int(logged_in))
    async with World(tmp_path, settings={"sieve": {"errors": 10_000}}) as world:
        async with Client(world) as quiet:
            assert (await quiet.login()).startswith("OK")
            for _ in range(ROUNDS):
                async with Client(world) as client:
                    if logged_in:
                        client.write(f'AUTHENTICATE "PLAIN" "{plain(PETROVA)}"\r\n')
                    for _ in range(chance.randrange(1, 8)):
                        words = b" ".join(chance.choice(WORDS) for _ in range(chance.randrange(1, 5)))
                        client.write(words + chance.choice((b"\r\n", b"\n", b"")))
                    client.writer.write_eof()
                    async with asyncio.timeout(30):
                        await client.reader.read()
            assert await quiet.say('NOOP "x"') == 'OK (TAG "x") "done"\r\n'
    assert [record.getMessage() for record in caplog.records] == []
