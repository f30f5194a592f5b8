# SPDX-License-Identifier: Apache-2.0
"""What it costs to know who wrote a message (SPF, DKIM, DMARC of 5 KB on port 25), and to sign one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from armgs_server.formats import mime
from armgs_server.trust import keys, signing
from armgs_server.trust.bodies import Bodies
from armgs_server.trust.fields import split_fields
from armgs_server.trust.signing import Signer
from bench.common import Row, main, server, timed
from bench.smtp import CONNECTIONS, MESSAGES, PEOPLE, Sender, message
from tests.name_server import name_server
from tests.trust.zones import texts

DOMAIN = "other.example"
SIGNATURES = 300
REPEATED = 5


class Outsider(Sender):
    """Somebody of another domain: each message is the same one, signed once, under another number."""

    text = b""

    def _next(self) -> tuple[list[bytes], bytes]:
        envelope, _ = super()._next()
        return envelope, b"X-Number: %d\r\n%b.\r\n" % (self._number, self.text)


def signer(algorithm: str) -> Signer:
    return Signer(DOMAIN, algorithm.partition("-")[0], keys.load_private(keys.generate(algorithm)))


def field(by: Signer, text: bytes) -> bytes:
    """A DKIM-Signature over the message."""
    size = mime.header_end(text, 0, len(text))
    return signing.sign(by, split_fields(text[:size]), Bodies(text, size), int(time.time()))


def cost(by: Signer, text: bytes) -> Row:
    """The least of some runs: others use the machine, too."""
    figures = []
    for _ in range(REPEATED):
        begun = time.process_time()
        for _ in range(SIGNATURES):
            field(by, text)
        figures.append((time.process_time() - begun) * 1000 / SIGNATURES)
    return Row(f"trust: 5 KB signed, {by.algorithm}", "message", cpu_ms=min(figures))


async def measure() -> list[Row]:
    """Messages that are judged, beside the same ones of a trusted host."""
    text = message(1).replace(b"user1@digital.example", f"author@{DOMAIN}".encode())
    rsa, ed25519 = signer("rsa-sha256"), signer("ed25519-sha256")
    rows = [cost(rsa, text), cost(ed25519, text)]
    Outsider.text = field(rsa, text) + text
    zone = texts(
        {
            DOMAIN: "v=spf1 ip4:127.0.0.0/8 ip6:::1 -all",
            f"_dmarc.{DOMAIN}": "v=DMARC1; p=reject",
            f"rsa._domainkey.{DOMAIN}": keys.dns_record(rsa.key),
        }
    )
    async with name_server(zone) as dns:
        for name, networks in (("trusted", ("127.0.0.0/8",)), ("judged", ())):
            settings: dict[str, dict[str, Any]] = {
                "smtp": {"dns_servers": (dns,)},
                "trust": {"trusted_networks": networks},
            }
            async with server(PEOPLE, settings=settings) as bench:
                senders = [await Outsider.connect(bench, worker) for worker in range(CONNECTIONS)]
                await asyncio.gather(*(sender.pipelined() for sender in senders))  # caches are warm
                operations = [sender.pipelined for sender in senders]
                rows.append(
                    await timed(bench, f"trust: 5 KB delivered, {name}", "message", MESSAGES, operations)
                )
    return rows


if __name__ == "__main__":
    main(measure)
