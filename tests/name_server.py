# SPDX-License-Identifier: Apache-2.0
"""A small DNS server on loopback: answers what it was told, is silent about `silent…`, fails at `broken…`
and at names that have a record SERVFAIL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

# (name with its final dot, type) → the data of its records
Records = Mapping[tuple[str, str], list[str]]


class NameServer(asyncio.DatagramProtocol):
    def __init__(self, records: Records, authentic: tuple[str, ...] = ()) -> None:
        self.records = records
        self.authentic = authentic  # ends of names that DNSSEC has validated, it says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        [question] = query.question
        name = question.name.to_text().lower()
        if name.startswith("silent"):
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if self.authentic and name.endswith(self.authentic):
            answer.flags |= dns.flags.AD
        kind = dns.rdatatype.to_text(question.rdtype)
        texts = self.records.get((name, kind))
        if texts:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *texts))
        elif name.startswith("broken") or (name, "SERVFAIL") in self.records:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), address)


@asynccontextmanager
async def name_server(records: Records, authentic: tuple[str, ...] = ()) -> AsyncIterator[str]:
    """Its address and port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: NameServer(records, authentic), ("127.0.0.1", 0)
    )
    try:
        yield f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()
