# SPDX-License-Identifier: Apache-2.0
"""offlineimap3 between a mailbox of ours and a Maildir, changes on both sides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from armgs_server.storage.items import Flags
from tests.peers.test_imap_clients import Debian, Mailboxes, maildir, numbered, run
from tests.world import HOSTNAME, IVANOV, PASSWORD, World

pytestmark = pytest.mark.peer

CONFIG = """\
[general]
metadata = {path}/metadata
accounts = office
ui = quiet
[Account office]
localrepository = here
remoterepository = server
[Repository here]
type = Maildir
localfolders = {path}/mail
[Repository server]
type = IMAP
remotehost = {host}
remoteport = {port}
remoteuser = {user}
remotepass = {password}
ssl = yes
sslcacertfile = {ca}
usecompression = yes
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        yield world


async def test_offlineimap_goes_both_ways(world: World, debian: Debian, tmp_path: Path) -> None:
    debian("offlineimap3")
    (tmp_path / "mail").mkdir()
    config = tmp_path / "offlineimaprc"
    values = {"host": HOSTNAME, "port": world.ports["imaps"], "user": IVANOV, "password": PASSWORD}
    config.write_text(CONFIG.format(path=tmp_path, ca=world.ca, **values))
    server = await Mailboxes.of(world, IVANOV)
    await server.add("INBOX", *numbered(3))
    await run("offlineimap", "-c", str(config), "-o", directory=tmp_path)
    local = maildir(tmp_path, "INBOX")
    assert len(local) == 3

    # here: a flag, a removal, a new message; there: a flag, a removal, a new message
    seen, gone = (
        next(path for path in local if text in path.read_bytes()) for text in (b"Hello 1", b"Hello 2")
    )
    seen.rename(tmp_path / "mail" / "INBOX" / "cur" / f"{seen.name.partition(':')[0]}:2,FS")
    gone.unlink()
    (tmp_path / "mail" / "INBOX" / "new" / "1.local.here").write_bytes(b"Subject: from here\n\nbody\n")
    await server.set_flags("INBOX", 3, Flags.ANSWERED)
    await server.add("INBOX", b"Subject: from there\r\n\r\nbody\r\n")
    await run("offlineimap", "-c", str(config), "-o", directory=tmp_path)
    flags = {item.uid: item.flags for item in await server.items("INBOX")}
    assert flags == {1: Flags.SEEN | Flags.FLAGGED, 3: Flags.ANSWERED, 4: 0, 5: 0}
    assert any(b"Subject: from here\r\n" in message for message in await server.messages("INBOX"))
    names = [path.name for path in maildir(tmp_path, "INBOX")]
    assert len(names) == 4
    assert sum(name.endswith(":2,R") for name in names) == 1

    await server.remove("INBOX", 1)
    await run("offlineimap", "-c", str(config), "-o", directory=tmp_path)
    assert len(maildir(tmp_path, "INBOX")) == 3
