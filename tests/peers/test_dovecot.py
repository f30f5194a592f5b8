# SPDX-License-Identifier: Apache-2.0
"""Dovecot beside us: of well-formed mail both must say the same, ENVELOPE and BODYSTRUCTURE to the letter."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from armgs_server.formats.mime import index
from tests.formats.mail_samples import PLAIN, crlf
from tests.imap.client import TIMEOUT, Client

pytestmark = pytest.mark.peer

CONFIG = """\
base_dir = {path}/run
log_path = {path}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{path}/mail
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
passdb {{
  driver = static
  args = password=test
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={path}/mail
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
"""
HEAD = "Date: Mon, 1 Jan 2024 10:00:00 +0300\nFrom: Ann <ann@x.example>\nSubject: s\nMIME-Version: 1.0\n"
TEXT = "Content-Type: text/plain; charset=utf-8\n"
WELL_FORMED = {
    "plain": PLAIN,
    "addresses": crlf(
        'From: "B, Ann" <ann@x.example>\nSender: bob@y.example\nReply-To: list@z.example (The list)\n'
        "To: Ann <ann@x.example>,\n\tbob@y.example, =?utf-8?Q?=D0=AF?= <i@x.example>\n"
        "Cc: Team: ann@x.example, bob@y.example;, carl@z.example\nBcc: <@a.example,@b.example:c@d.example>\n"
        f"Message-ID: <1@x>\nIn-Reply-To: <0@x>\n{TEXT}\nx\n"
    ),
    "quotes": crlf(f'Subject: say "hi" \\ and\n fold\nFrom: "a \\"b\\" c" <a@x.example>\n{TEXT}\nx\n'),
    "alternative": crlf(
        f"{HEAD}Content-Type: multipart/alternative; boundary=b1\n\npreamble\n--b1\n{TEXT}"
        "Content-Transfer-Encoding: quoted-printable\n\n=D0=9F\n=D0=90\n--b1\n"
        "Content-Type: text/html; charset=utf-8\nContent-Language: ru, en\n\n<p>x</p>\n--b1--\nepilogue\n"
    ),
    "attachments": crlf(
        f'{HEAD}Content-Type: multipart/mixed; boundary="a b=c"\n\n--a b=c\n{TEXT}'
        'Content-Disposition: inline\n\nx\n--a b=c\nContent-Type: application/pdf; name="a b.pdf"\n'
        "Content-Transfer-Encoding: base64\n"
        'Content-Disposition: attachment; filename="a b.pdf"; size=3\nContent-ID: <1@x>\n'
        "Content-Description: a file\nContent-Location: a.pdf\nContent-MD5: Q2hlY2s=\n\nQUJD\n--a b=c--\n"
    ),
    "nested": crlf(
        f"{HEAD}Content-Type: multipart/mixed; boundary=outer\n\n--outer\n"
        f'Content-Type: multipart/related; boundary=inner; type="text/html"\n\n--inner\n{TEXT}\nx\n'
        "--inner\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nQUJD\n--inner--\n\n"
        f"--outer\n{TEXT}\nlast\n--outer--\n"
    ),
    "message within": crlf(
        f"{HEAD}Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
        f"{HEAD}{TEXT}\ninner\nlines\n\n--b--\n"
    ),
    "digest": crlf(
        f"{HEAD}Content-Type: multipart/digest; boundary=b\n\n--b\n\n{HEAD}{TEXT}\none\n\n--b\n\n"
        f"{HEAD}{TEXT}\ntwo\n\n--b--\n"
    ),
    "raw UTF-8": crlf(f"From: Анна <a@x.example>\nSubject: Привет\n{TEXT}\nx\n"),
}  # fmt: skip


@pytest.fixture
async def dovecot(debian: Callable[..., None]) -> AsyncIterator[Client]:
    """A client, logged in to a Dovecot of our own."""
    debian("dovecot-imapd")
    if os.geteuid() != 0:
        pytest.skip("dovecot-imapd: its master process is started by root only")
    path = Path(tempfile.mkdtemp(prefix="armgs-dovecot-", dir="/tmp"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    path.chmod(0o755)
    (path / "mail").mkdir()
    shutil.chown(path / "mail", "nobody", "nogroup")
    config = path / "dovecot.conf"
    config.write_text(CONFIG.format(path=path, port=port))
    process = await asyncio.create_subprocess_exec(
        "dovecot",
        "-F",
        "-c",
        str(config),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        client = await _connect(port)
        await client.ok("LOGIN ann test")
        await client.ok("SELECT INBOX")
        yield client
        await client.close()
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(path)


async def _connect(port: int) -> Client:
    async with asyncio.timeout(TIMEOUT):
        while True:
            try:
                client = Client(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 24))
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
                continue
            if await client.line():
                return client


_TOKEN = re.compile(rb'\s*(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|\{(\d+)\}\r\n|([^\s()"{]+))', re.DOTALL)


def parse(wire: bytes) -> Any:
    """Nested tuples of strings, numbers and NIL; strings without case, as neither server must keep it."""
    stack: list[list[Any]] = [[]]
    position = 0
    while found := _TOKEN.match(wire, position):
        position = found.end()
        opening, closing, quoted, size, atom = found.groups()
        if opening:
            stack.append([])
        elif closing:
            done = tuple(stack.pop())
            stack[-1].append(done)
        elif size is not None:
            stack[-1].append(wire[position : position + int(size)].lower())
            position += int(size)
        elif quoted is not None:
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", quoted).lower())
        else:
            stack[-1].append(None if atom.upper() == b"NIL" else atom)
    return tuple(stack[0])


async def test_both_say_the_same_of_well_formed_mail(dovecot: Client) -> None:
    for number, (name, message) in enumerate(WELL_FORMED.items(), 1):
        await dovecot.append(message)
        await dovecot.ok("NOOP")
        answer = next(
            line
            for line in await dovecot.ok(f"FETCH {number} (ENVELOPE BODYSTRUCTURE)")
            if b"ENVELOPE" in line
        )
        found = index(message)
        ours = b"(ENVELOPE %b BODYSTRUCTURE %b)" % (found.envelope, found.bodystructure)
        theirs = answer.partition(b"FETCH ")[2]
        assert parse(ours) == parse(theirs), f"{name}\nours   {ours!r}\ntheirs {theirs!r}"
