# SPDX-License-Identifier: Apache-2.0
"""Mail with a real Postfix that signs and verifies by OpenDKIM, both ways, against a DNS of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from armgs_server.trust import keys
from tests.name_server import name_server
from tests.smtp.client import Client, wait_for_mail
from tests.smtp.sink import Sink, running_sink
from tests.trust.filter_servers import free_port, opendkim, postfix
from tests.trust.test_arrival import message, results
from tests.trust.test_departure import KEYS, give_keys, sent
from tests.trust.zones import texts
from tests.world import IVANOV, World

Debian = Callable[..., None]
THEIRS = keys.generate("rsa-sha256")
OURS = {f"{name}._domainkey.digital.example": keys.dns_record(keys.load_private(KEYS[name])) for name in KEYS}


async def test_postfix_with_opendkim_both_ways(debian: Debian, tmp_path: Path) -> None:
    debian("postfix", "opendkim")
    their_key = keys.dns_record(keys.load_private(THEIRS))
    zone = texts(
        {
            "s1._domainkey.other.example": their_key,
            "other.example": "v=spf1 ip4:127.0.0.0/8 -all",
            "_dmarc.other.example": "v=DMARC1; p=reject; adkim=s",
        }
    )
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(running_sink(Sink()))
        dns = await stack.enter_async_context(name_server(zone))
        port = free_port()
        settings: dict[str, dict[str, Any]] = {
            "smtp": {"dns_servers": (dns,), "relay_routes": (f"verified.example=127.0.0.1:{port}",)},
            "trust": {"trusted_networks": ()},
        }
        world = await stack.enter_async_context(World(tmp_path, settings=settings))
        await give_keys(world)
        filter_ = await stack.enter_async_context(opendkim(tmp_path, OURS, ("other.example", "s1", THEIRS)))
        routes = {"verified.example": sink.port, "digital.example": world.ports["smtp"]}
        await stack.enter_async_context(postfix(port, filter_, routes))

        text = message(IVANOV, "Date: Sun, 22 Nov 2026 10:00:00 +0000", "Message-ID: <1@digital.example>")
        async with Client(world, "submission") as client:
            await client.expect("EHLO client.example", "250")
            assert (await client.login(IVANOV)).startswith("235")
            reply = await client.mail(
                IVANOV, "bob@verified.example", text=text + "Привет \t мир\r\n\r\n".encode()
            )
            assert reply.startswith("250")
        verified = (await sent(sink)).decode()
        found = verified.replace("\r\n\t", " ").replace("\r\n", "\n")
        assert "Authentication-Results: opendkim.example;" in found
        assert "dkim=pass (2048-bit key" in found and "header.d=digital.example" in found
        assert "dkim=fail" not in found

        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = ["HELO client.example", "MAIL FROM:<bob@other.example>", f"RCPT TO:<{IVANOV}>", "DATA"]
        for line in ["", *lines]:
            writer.write(f"{line}\r\n".encode() if line else b"")
            assert (await asyncio.wait_for(reader.readline(), 30))[:1] in b"23"
        writer.write(message("bob@other.example", "Date: Sun, 22 Nov 2026 10:00:00 +0000") + b".\r\n")
        assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"250")
        writer.close()
        [arrived] = await wait_for_mail(world, IVANOV)
        assert "dkim=pass header.d=other.example header.s=s1 header.a=rsa-sha256" in results(arrived.decode())
        assert "spf=pass smtp.mailfrom=bob@other.example" in results(arrived.decode())
        assert "dmarc=pass (p=reject) header.from=other.example" in results(arrived.decode())
