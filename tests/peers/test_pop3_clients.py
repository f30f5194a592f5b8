# SPDX-License-Identifier: Apache-2.0
"""An inbox fetched by the programs people use for it: getmail, fetchmail, mpop; octet for octet.

In a Maildir lines end in LF alone, so that is how the messages are compared.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.formats.mail_samples import MIXED, PLAIN
from tests.peers.test_imap_clients import Debian, run
from tests.pop3.client import contents, deliver
from tests.world import HOSTNAME, IVANOV, PASSWORD, World

pytestmark = pytest.mark.peer
DOTS = b"Subject: dots\r\n\r\n.\r\n..\r\n.text\r\n\r\n.\r\nthe last line\r\n"
LARGE = b"Subject: large\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 20_000
MESSAGES = (PLAIN, MIXED, DOTS, LARGE)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """As in real life: nobody logs in without TLS."""
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        await deliver(world, *MESSAGES)
        yield world


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "home" / "Maildir" / name).mkdir(parents=True)
    return tmp_path / "home"


def in_lf(messages: object) -> list[bytes]:
    """Messages as a Maildir has them: LF, and one at the end."""
    assert isinstance(messages, list | tuple)
    return sorted(message.replace(b"\r\n", b"\n").rstrip(b"\n") for message in messages)


def fetched(home: Path) -> list[bytes]:
    files = [path for name in ("new", "cur") for path in (home / "Maildir" / name).iterdir()]
    return in_lf([path.read_bytes() for path in files])


def write_secret(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def write_delivery(home: Path) -> Path:
    """A program that puts what it reads into the Maildir."""
    path = home / "deliver"
    path.write_text(f'#!/bin/sh\nexec cat > "{home}/Maildir/new/$$"\n')
    path.chmod(0o700)
    return path


def as_getmail_writes(message: bytes) -> bytes:
    """getmail adds a field before each message, and empty lines before the boundaries of multiparts."""
    return message.removeprefix(b"Return-Path: <unknown>\n").replace(b"\n\n--", b"\n--")


async def test_getmail(world: World, home: Path, debian: Debian) -> None:
    debian("getmail6")
    (home / "getmail").mkdir()
    write_secret(
        home / "getmail" / "getmailrc",
        f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = {HOSTNAME}\nport = {world.ports['pop3s']}\n"
        f"username = {IVANOV}\npassword = {PASSWORD}\nca_certs = {world.ca}\n"
        f"[destination]\ntype = MDA_external\npath = {write_delivery(home)}\nallow_root_commands = true\n"
        "[options]\ndelete = false\nread_all = false\ndelivered_to = false\nreceived = false\n",
    )
    command = ("/usr/bin/getmail", f"--getmaildir={home}/getmail", "--quiet")
    await run(*command, directory=home)
    assert sorted(map(as_getmail_writes, fetched(home))) == sorted(map(as_getmail_writes, in_lf(MESSAGES)))
    await deliver(world, b"Subject: new\r\n\r\nnew\r\n")
    await run(*command, directory=home)  # by their unique ids it knows what it has
    assert len(fetched(home)) == len(MESSAGES) + 1
    assert len(await contents(world)) == len(MESSAGES) + 1


async def test_fetchmail_takes_everything_away(world: World, home: Path, debian: Debian) -> None:
    debian("fetchmail")
    write_secret(
        home / "fetchmailrc",
        f"set invisible\npoll {HOSTNAME} protocol pop3 port {world.ports['pop3']}\n"
        f'  user "{IVANOV}" password "{PASSWORD}" is root here\n'
        f'  sslproto tls1.2+ sslcertck sslcertfile "{world.ca}" norewrite nokeep fetchall\n'
        f'  mda "{write_delivery(home)}"\n',
    )
    command = ("/usr/bin/fetchmail", "-f", f"{home}/fetchmailrc", "--nosyslog", "--nodetach")
    await run(*command, "--pidfile", f"{home}/pid", "--idfile", f"{home}/ids", directory=home)
    assert fetched(home) == in_lf(MESSAGES)
    assert await contents(world) == []


@pytest.mark.parametrize("auth", ["plain", "scram-sha-256", "user"])
async def test_mpop(world: World, home: Path, debian: Debian, auth: str) -> None:
    debian("mpop")
    write_secret(
        home / ".mpoprc",
        f"account digital\nhost {HOSTNAME}\nport {world.ports['pop3']}\nuser {IVANOV}\npassword {PASSWORD}\n"
        f"auth {auth}\ntls on\ntls_starttls on\ntls_trust_file {world.ca}\nkeep on\nreceived_header off\n"
        f"pipelining on\nuidls_file {home}/uidls\ndelivery maildir {home}/Maildir\n",
    )
    await run("/usr/bin/mpop", "--file", f"{home}/.mpoprc", "--quiet", "digital", directory=home)
    assert fetched(home) == in_lf(MESSAGES)
    assert len(await contents(world)) == len(MESSAGES)
