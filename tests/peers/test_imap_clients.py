# SPDX-License-Identifier: Apache-2.0
"""Mailboxes through the clients people use: mbsync both ways, mutt, neomutt, curl."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from armgs_server.formats.mime import index
from armgs_server.storage import blobs, collections, item_flags, items, mail
from armgs_server.storage.items import Flags, Item
from armgs_server.storage.tx import Tx
from tests.formats.mail_samples import BROKEN, MIXED, PLAIN
from tests.world import HOSTNAME, IVANOV, PASSWORD, World

pytestmark = pytest.mark.peer
Debian = Callable[..., None]
TIMEOUT = 90.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """As in real life: nobody logs in without TLS."""
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        yield world


async def run(*command: str, directory: Path) -> bytes:
    """Runs a client to its end; what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env={"HOME": str(directory), "PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{command}: {process.returncode}\n{output.decode(errors='replace')}"
    return output


class Mailboxes:
    """What lies in one person's mailboxes on the server."""

    def __init__(self, world: World, owner: int) -> None:
        self.world = world
        self.owner = owner

    @classmethod
    async def of(cls, world: World, address: str) -> Mailboxes:
        person = await world.directory.by_address(address)
        assert person is not None
        return cls(world, person.id)

    async def add(self, name: str, *messages: bytes) -> None:
        store = self.world.store
        for data in messages:
            ref = await store.blobs.put(data)

            async def work(tx: Tx, ref: blobs.BlobRef = ref, data: bytes = data) -> None:
                found = await collections.by_path(tx, self.owner, "mail", name.split("/"))
                assert found is not None
                await mail.append(tx, found, ref, index(data))

            await store.write(work)

    async def items(self, name: str) -> list[Item]:
        async def work(tx: Tx) -> list[Item]:
            found = await collections.by_path(tx, self.owner, "mail", name.split("/"))
            return [] if found is None else await items.scan(tx, self.owner, found.id)

        return await self.world.store.read(work)

    async def messages(self, name: str) -> list[bytes]:
        return [await self.world.store.blobs.read(item.blob) for item in await self.items(name)]

    async def set_flags(self, name: str, uid: int, flags: Flags) -> None:
        async def work(tx: Tx) -> None:
            found = await collections.by_path(tx, self.owner, "mail", name.split("/"))
            assert found is not None
            await item_flags.set_flags(tx, found, [(uid, flags, "")])

        await self.world.store.write(work)

    async def remove(self, name: str, uid: int) -> None:
        async def work(tx: Tx) -> None:
            found = await collections.by_path(tx, self.owner, "mail", name.split("/"))
            assert found is not None
            await items.remove(tx, found, [uid])

        await self.world.store.write(work)


def numbered(count: int) -> list[bytes]:
    return [PLAIN.replace(b"Hello", b"Hello %d" % number) for number in range(1, count + 1)]


# mbsync

MBSYNC = """\
IMAPAccount world
Host {host}
Port {port}
User {user}
Pass {password}
SSLType IMAPS
CertificateFile {ca}

IMAPStore server
Account world

MaildirStore local
Path {path}/mail/
Inbox {path}/mail/INBOX
SubFolders Verbatim

Channel all
Far :server:
Near :local:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
"""


def mbsync_config(world: World, directory: Path) -> Path:
    (directory / "mail").mkdir(exist_ok=True)
    path = directory / "mbsyncrc"
    port = world.ports["imaps"]
    values = {"host": HOSTNAME, "port": port, "user": IVANOV, "password": PASSWORD, "ca": world.ca}
    path.write_text(MBSYNC.format(**values, path=directory))
    return path


def maildir(directory: Path, name: str) -> list[Path]:
    return sorted(path for kind in ("cur", "new") for path in (directory / "mail" / name / kind).iterdir())


async def test_mbsync_pulls_changes_and_pushes(world: World, debian: Debian, tmp_path: Path) -> None:
    debian("isync")
    config = mbsync_config(world, tmp_path)
    server = await Mailboxes.of(world, IVANOV)
    await server.add("INBOX", *numbered(3))
    await run("mbsync", "-c", str(config), "all", directory=tmp_path)
    local = maildir(tmp_path, "INBOX")
    assert len(local) == 3
    assert (tmp_path / "mail" / "Sent" / "cur").is_dir()

    # here: a flag, a removal, a new message, a new mailbox; there: a flag, a removal, a new message
    seen, gone = (
        next(path for path in local if text in path.read_bytes()) for text in (b"Hello 1", b"Hello 2")
    )
    seen.rename(tmp_path / "mail" / "INBOX" / "cur" / f"{seen.name.partition(':')[0]}:2,FS")
    gone.unlink()
    for kind in ("cur", "new", "tmp"):
        (tmp_path / "mail" / "Проекты" / kind).mkdir(parents=True)
    (tmp_path / "mail" / "INBOX" / "new" / "1.local.here").write_bytes(b"Subject: from here\n\nbody\n")
    await server.set_flags("INBOX", 3, Flags.ANSWERED)
    await server.add("INBOX", b"Subject: from there\r\n\r\nbody\r\n")
    await run("mbsync", "-c", str(config), "all", directory=tmp_path)
    flags = {item.uid: item.flags for item in await server.items("INBOX")}
    assert flags == {1: Flags.SEEN | Flags.FLAGGED, 3: Flags.ANSWERED, 4: 0, 5: 0}
    assert any(message.startswith(b"Subject: from here\r\n") for message in await server.messages("INBOX"))
    names = [path.name for path in maildir(tmp_path, "INBOX")]
    assert len(names) == 4
    assert sum(name.endswith(":2,R") for name in names) == 1

    await server.remove("INBOX", 1)
    await run("mbsync", "-c", str(config), "all", directory=tmp_path)
    assert len(maildir(tmp_path, "INBOX")) == 3


async def test_mbsync_keeps_broken_mail_as_it_is(world: World, debian: Debian, tmp_path: Path) -> None:
    """What a client without an opinion gets is what came in, line ends aside: a Maildir has its own."""
    debian("isync")
    config = mbsync_config(world, tmp_path)
    server = await Mailboxes.of(world, IVANOV)
    # mbsync itself refuses NUL, and what has no empty line behind its header
    sent = [data for data in (*BROKEN.values(), MIXED) if b"\n\n" in b"\n" + data.replace(b"\r\n", b"\n")]
    sent = [data for data in sent if data.strip() and b"\0" not in data and len(data) < 50_000]
    await server.add("INBOX", *sent)
    await run("mbsync", "-c", str(config), "all", directory=tmp_path)
    got = [_bare(path.read_bytes()) for path in maildir(tmp_path, "INBOX")]
    assert len(got) == len(sent)
    for data in sent:
        assert any(_bare(data) in message or _bare(data).rstrip() == message.rstrip() for message in got), (
            data[:100]
        )


def _bare(data: bytes) -> bytes:
    """Without carriage returns, and without the X-TUID: that mbsync puts in."""
    lines = data.replace(b"\r", b"").split(b"\n")
    return b"\n".join(line for line in lines if not line.startswith(b"X-TUID:"))


# mutt and neomutt

MUTTRC = """\
set folder="imaps://{host}:{port}/"
set spoolfile="+INBOX"
set imap_user="{user}"
set imap_pass="{password}"
set ssl_ca_certificates_file="{ca}"
set certificate_file="{path}/accepted"
set ssl_force_tls=yes
set delete=yes quit=yes confirmappend=no move=no wait_key=no beep=no
set header_cache="" timeout=5 mail_check=3600
set sort=mailbox-order
push "{keys}"
"""


@pytest.mark.parametrize("client", ["mutt", "neomutt"])
async def test_mutt_opens_flags_deletes_and_saves(
    world: World, debian: Debian, tmp_path: Path, client: str
) -> None:
    debian(client, "bsdutils")
    server = await Mailboxes.of(world, IVANOV)
    await server.add("INBOX", *numbered(4))
    keys = "<first-entry><flag-message><first-entry><next-entry><delete-message>"
    keys += "<last-entry><save-message>+Archive<enter><first-entry><display-message><exit><quit>"
    rc = tmp_path / "muttrc"
    values = {"host": HOSTNAME, "port": world.ports["imaps"], "user": IVANOV, "password": PASSWORD}
    rc.write_text(MUTTRC.format(**values, ca=world.ca, path=tmp_path, keys=keys))
    command = shlex.join([client, "-n", "-F", str(rc)])
    await run("script", "-qec", command, "/dev/null", directory=tmp_path)
    inbox = {item.uid: item.flags for item in await server.items("INBOX")}
    assert set(inbox) == {1, 3}
    assert inbox[1] == Flags.FLAGGED | Flags.SEEN
    archived = await server.messages("Archive")
    assert len(archived) == 1
    assert b"Hello 4" in archived[0]


async def test_neomutt_comes_back_with_qresync(world: World, debian: Debian, tmp_path: Path) -> None:
    """Its header cache and what the server tells of the time between make the mailbox as it is."""
    debian("neomutt", "bsdutils")
    server = await Mailboxes.of(world, IVANOV)
    await server.add("INBOX", *numbered(6))
    (tmp_path / "cache").mkdir()
    rc = tmp_path / "muttrc"
    command = shlex.join(["neomutt", "-n", "-F", str(rc)])
    values = {"host": HOSTNAME, "port": world.ports["imaps"], "user": IVANOV, "password": PASSWORD}

    async def open_mailbox(keys: str) -> None:
        text = MUTTRC.format(**values, ca=world.ca, path=tmp_path, keys=keys)
        cached = text.replace('header_cache=""', f'header_cache="{tmp_path}/cache"')
        rc.write_text(f"set imap_condstore=yes imap_qresync=yes\n{cached}")
        await run("script", "-qec", command, "/dev/null", directory=tmp_path)

    await open_mailbox("<quit>")
    await server.remove("INBOX", 2)
    await server.remove("INBOX", 5)
    await server.set_flags("INBOX", 3, Flags.FLAGGED)
    await server.add("INBOX", PLAIN.replace(b"Hello", b"Hello 7"))
    keys = "<delete-pattern>~F<enter><tag-pattern>!~F<enter><tag-prefix><save-message>+Archive<enter><quit>"
    await open_mailbox(keys)
    assert await server.items("INBOX") == []
    archived = b"".join(await server.messages("Archive"))
    assert [number for number in range(1, 8) if b"Hello %d" % number in archived] == [1, 4, 6, 7]


# curl


async def test_curl_lists_fetches_searches_and_appends(world: World, debian: Debian, tmp_path: Path) -> None:
    debian("curl")
    server = await Mailboxes.of(world, IVANOV)
    await server.add("INBOX", *numbered(2))
    base = f"imaps://{HOSTNAME}:{world.ports['imaps']}"
    common = ("curl", "-sS", "--cacert", str(world.ca), "--user", f"{IVANOV}:{PASSWORD}")
    assert b'"/" Drafts' in await run(*common, base, directory=tmp_path)
    assert await run(*common, f"{base}/INBOX;MAILINDEX=2", directory=tmp_path) == numbered(2)[1]
    section = f"{base}/INBOX;UID=1;SECTION=TEXT"
    assert await run(*common, section, directory=tmp_path) == b"First line\r\nSecond line\r\n"
    assert b"* SEARCH 2" in await run(*common, f"{base}/INBOX?SUBJECT%20%22Hello%202%22", directory=tmp_path)
    draft = tmp_path / "draft.eml"
    draft.write_bytes(MIXED)
    await run(*common, "--upload-file", str(draft), f"{base}/Drafts", directory=tmp_path)
    assert await server.messages("Drafts") == [MIXED]


async def test_curl_logs_in_over_starttls(world: World, debian: Debian, tmp_path: Path) -> None:
    debian("curl")
    url = f"imap://{HOSTNAME}:{world.ports['imap']}/INBOX?ALL"
    common = ("curl", "-sS", "--ssl-reqd", "--cacert", str(world.ca), "--user", f"{IVANOV}:{PASSWORD}")
    assert b"* SEARCH" in await run(*common, url, directory=tmp_path)
