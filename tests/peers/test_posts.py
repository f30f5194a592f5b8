# SPDX-License-Identifier: Apache-2.0
"""A post's mail, and what was deleted, through clients people use: swaks, mbsync, imapclient, curl."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from imapclient import IMAPClient

from armgs_server.directory import sharelinks
from armgs_server.directory.delegation import delegate
from armgs_server.directory.model import Principal
from armgs_server.storage import collections, items
from armgs_server.storage import sharelinks as rows
from armgs_server.storage.sharelinks import Link
from armgs_server.storage.tx import Tx
from tests.peers.test_imap_clients import MBSYNC
from tests.peers.test_imap_clients import run as run_in
from tests.peers.test_smtp_clients import run
from tests.smtp.client import inbox, mailbox
from tests.world import HOSTNAME, IVANOV, PASSWORD, PETROVA, SIDOROV, World

pytestmark = pytest.mark.peer
Debian = Callable[..., None]
POST = "minister@digital.example"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        yield world


async def person(world: World, address: str) -> Principal:
    found = await world.directory.by_address(address)
    assert found is not None
    return found


async def make_post(world: World) -> Principal:
    """ivanov is minister."""
    post = await world.directory.create_group(POST, "Minister", [(await person(world, IVANOV)).id])
    return await world.directory.open_mailbox(post)


def submit(world: World, author: str, sender: str, target: str) -> tuple[str, ...]:
    return (
        *("swaks", "--server", f"{HOSTNAME}:{world.ports['submission']}", "--ehlo", "client.example"),
        *("--tls", "--tls-verify", "--tls-ca-path", str(world.ca)),
        *("--auth", "PLAIN", "--auth-user", author, "--auth-password", PASSWORD),
        *("--from", sender, "--to", target, "--h-From", f"<{sender}>"),
    )


async def test_swaks_writes_as_the_post_and_on_behalf(world: World, debian: Debian) -> None:
    debian("swaks", "libnet-ssleay-perl")
    await make_post(world)
    await run(*submit(world, IVANOV, POST, SIDOROV))
    assert await mailbox(world, POST, "sent") == await inbox(world, SIDOROV) != []
    await run(*submit(world, PETROVA, POST, SIDOROV), expect=23)  # swaks: MAIL was refused
    owner, secretary = await person(world, IVANOV), await person(world, PETROVA)
    await world.store.write(lambda tx: delegate(tx, owner, secretary, "on-behalf"))
    await run(*submit(world, PETROVA, IVANOV, SIDOROV))
    assert f"\r\nSender: <{PETROVA}>\r\n".encode() in (await inbox(world, SIDOROV))[-1]


async def test_mbsync_has_the_mail_of_the_post(world: World, debian: Debian, tmp_path: Path) -> None:
    debian("isync", "swaks", "libnet-ssleay-perl")
    await make_post(world)
    await run(*submit(world, PETROVA, PETROVA, POST))
    config = tmp_path / "mbsyncrc"
    values = {"host": HOSTNAME, "port": world.ports["imaps"], "user": IVANOV, "password": PASSWORD}
    config.write_text(MBSYNC.format(**values, ca=world.ca, path=tmp_path))
    (tmp_path / "mail").mkdir()
    await run_in("mbsync", "-c", str(config), "all", directory=tmp_path)
    folder = tmp_path / "mail" / "Shared" / POST
    assert (folder / "Drafts" / "cur").is_dir()
    [letter] = (folder / "INBOX" / "new").iterdir()
    assert b"This is a test mailing" in letter.read_bytes()
    letter.unlink()
    await run_in("mbsync", "-c", str(config), "all", directory=tmp_path)
    assert await inbox(world, POST) == []


async def test_imapclient_takes_a_letter_back(world: World) -> None:
    def work() -> bytes:
        port, context = world.ports["imaps"], world.client_context()
        with IMAPClient(HOSTNAME, port, ssl_context=context, timeout=30) as client:
            client.login(IVANOV, PASSWORD)
            client.append("INBOX", b"Subject: letter\r\n\r\ntext\r\n", flags=[rb"\Seen"])
            client.select_folder("INBOX")
            client.delete_messages([1])
            client.expunge()
            names = [name for _, _, name in client.list_folders("Restored", "*")]
            assert names == ["Restored", "Restored/INBOX"]
            client.select_folder("Restored/INBOX")
            client.move(client.search(["SUBJECT", "letter"]), "INBOX")
            client.select_folder("INBOX", readonly=True)
            [number] = client.search()
            found = client.fetch([number], ["FLAGS", "BODY[TEXT]"])[number]
            assert rb"\Seen" in found[b"FLAGS"]
            text: bytes = found[b"BODY[TEXT]"]
            return text

    assert await asyncio.to_thread(work) == b"text\r\n"


async def test_curl_fetches_by_link(world: World, debian: Debian, tmp_path: Path) -> None:
    debian("curl")
    owner, token, data = await person(world, IVANOV), sharelinks.new_token(), b"0123456789" * 100_000
    ref = await world.store.blobs.put(data)
    hashed = await sharelinks.password_hash(world.directory, "open sesame")

    async def work(tx: Tx) -> Link:
        root = await collections.by_role(tx, owner.id, "files", "root")
        assert root is not None
        item = await items.add(tx, root, ref, name="report.bin")
        link = sharelinks.made(world.config, item, owner.id, token, hashed, 1)
        await rows.add(tx, link)
        return link

    await world.store.write(work)
    url = sharelinks.url(world.config, token)
    curl = ("curl", "--silent", "--cacert", str(world.ca), "--output", "got", "--write-out", "%{http_code}")
    code = await run_in(*curl, "--data-urlencode", "password=wrong", url, directory=tmp_path)
    assert code == b"403"
    code = await run_in(*curl, "--data-urlencode", "password=open sesame", url, directory=tmp_path)
    assert (code, (tmp_path / "got").read_bytes()) == (b"200", data)
