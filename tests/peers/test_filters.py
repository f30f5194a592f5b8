# SPDX-License-Identifier: Apache-2.0
"""Real filters from Debian's packages: rspamd, ClamAV, and a milter of python3-milter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from armgs_server.trust.endpoint import Endpoint
from armgs_server.trust.rspamd import Rspamd
from tests.imap.client import Client as ImapClient
from tests.trust.filter_servers import EICAR, GTUBE, PASSWORD, clamd, milter, rspamd
from tests.trust.test_arrival import kept, message, send, trusting_nobody
from tests.trust.test_rspamd import arrival
from tests.world import IVANOV, World

Debian = Callable[..., None]
SENDER = "bob@other.example"
# Each with words of its own: rspamd learns nothing twice.
OFFERS = [
    b"Our warehouse in the north sends parcels every morning.\r\n",
    b"Ask three friends, they are happy customers since spring.\r\n",
    b"Payment in coins is welcome, delivery needs two weeks.\r\n",
]
LUNCHES = [
    b"Shall we have lunch at noon, near the old library?\r\n",
    b"The minutes of our meeting are in the shared folder, please read them.\r\n",
    b"I am late, the train stands in the station without light.\r\n",
]
OFFER = b"Buy cheap watches now with a wonderful discount of ninety percent, today only, for you.\r\n"


async def test_clamav_refuses_malware_by_name(debian: Debian, tmp_path: Path) -> None:
    debian("clamav-daemon")
    async with (
        clamd(tmp_path) as address,
        trusting_nobody(tmp_path, {}, check=False, clamav=address) as world,
    ):
        reply = await send(world, SENDER, message(SENDER) + EICAR + b"\r\n")
        assert reply == "550 5.7.1 The message carries malware: Test.Eicar.UNOFFICIAL"
        large = message(SENDER) + b"0123456789abcdef\r\n" * 40_000
        assert (await send(world, SENDER, large)).startswith("250")
        [text] = await kept(world)
        assert "X-Not-Checked" not in text


async def test_milter_adds_refuses_defers_and_puts_aside(debian: Debian, tmp_path: Path) -> None:
    debian("python3-milter")
    async with (
        milter(tmp_path) as address,
        trusting_nobody(tmp_path, {}, check=False, milters=(address,)) as world,
    ):
        assert (await send(world, SENDER, message(SENDER))).startswith("250")
        [text] = await kept(world)
        assert f"\r\nX-House-Rules: size=7 to=<{IVANOV}>\r\nX-Folded: one\r\n\ttwo\r\nReceived:" in text
        refused = await send(world, SENDER, message(SENDER, subject="refuse"))
        assert refused == "554 5.7.9 Not by our house rules"
        later = await send(world, SENDER, message(SENDER, subject="later"))
        assert later == "451 4.7.1 Try again later"
        assert (await send(world, SENDER, message(SENDER, subject="aside"))).startswith("250")
        assert len(await kept(world, "junk")) == 1
        large = message(SENDER) + b"0123456789abcdef\r\n" * 40_000
        assert (await send(world, SENDER, large)).startswith("250")
        assert "X-House-Rules: size=720007 " in (await kept(world))[1]


async def login(world: World, mailbox: str) -> ImapClient:
    client = ImapClient(*await world.connect("imap"))
    await client.line()
    await client.ok(f"LOGIN {IVANOV} test-password")
    await client.ok(f"SELECT {mailbox}")
    return client


async def test_rspamd_judges_and_learns_from_junk(debian: Debian, tmp_path: Path) -> None:
    """What is moved to Junk, and what is marked as no junk, teaches it; its like goes to Junk by itself."""
    debian("rspamd")
    (tmp_path / "secret").write_text(PASSWORD)
    async with rspamd(tmp_path) as (normal, controller):
        settings = {
            "rspamd": normal,
            "rspamd_controller": controller,
            "rspamd_password": str(tmp_path / "secret"),
        }
        async with trusting_nobody(tmp_path, {}, check=False, **settings) as world:
            reply = await send(world, SENDER, message(SENDER) + GTUBE + b"\r\n")
            assert reply == "550 5.7.1 Gtube pattern"
            for number, words in enumerate(OFFERS):
                offer = message(SENDER, subject=f"Offer {number}") + words + OFFER
                assert (await send(world, SENDER, offer)).startswith("250")
            assert "X-Spamd-Result: no action; " in (await kept(world))[1]
            client = await login(world, "INBOX")
            await client.ok("MOVE 1:3 Junk")
            for words in LUNCHES:
                await client.append(message(SENDER, subject="Lunch") + words)
            await client.ok("UID STORE 1:* +FLAGS ($NotJunk)")
            await learned(world)
            again = arrival(message(SENDER, subject="Again") + OFFER)
            async with asyncio.timeout(60):  # its workers see what was learned when they look again
                while not (await Rspamd(Endpoint.parse(normal), "mx.example").ask(again)).is_junk:
                    await asyncio.sleep(0.2)
            assert (await send(world, SENDER, message(SENDER, subject="Again") + OFFER)).startswith("250")
            assert len(await kept(world, "junk")) == 4
            await client.close()


async def learned(world: World) -> None:
    """No lesson waits any more."""
    async with asyncio.timeout(30):
        while await world.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM training")):
            await asyncio.sleep(0.05)
