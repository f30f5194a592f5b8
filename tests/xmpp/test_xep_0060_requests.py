# SPDX-License-Identifier: Apache-2.0
"""A pubsub conversation fed to the server whole, and byte by byte: the answers are the same."""

from __future__ import annotations

import asyncio

import pytest

from tests.world import IVANOV
from tests.xmpp.client import NAMESPACES
from tests.xmpp.conftest import LogIn
from tests.xmpp.nodes import SERVICE, done, event, item, owner, pubsub, summary

PAYLOAD = '<p:x xmlns:p="urn:x" p:a="&lt;&amp;">тело</p:x>'
REQUESTS = (
    pubsub("<create node='n'/>"),
    pubsub(f"<subscribe node='n' jid='{IVANOV}'/>"),
    pubsub(f"<publish node='n'>{item('1', PAYLOAD)}</publish>"),
    owner("<purge node='n'/>"),
)


@pytest.mark.parametrize("step", [1, 7, 100_000])
async def test_a_conversation_in_pieces(log_in: LogIn, step: int) -> None:
    ivanov = await log_in(IVANOV)
    text = "".join(
        f"<iq type='set' id='r{number}' to='{SERVICE}'>{request}</iq>"
        for number, request in enumerate(REQUESTS)
    )
    data = text.encode()
    for start in range(0, len(data), step):
        ivanov.writer.write(data[start : start + step])
        await ivanov.writer.drain()
        await asyncio.sleep(0)
    for number in range(len(REQUESTS)):
        done(await ivanov.receive("c:iq", lambda iq, number=number: iq.get("id") == f"r{number}"))
    told = await event(ivanov)
    assert summary(told) == ["items", "item 1+"]
    payload = told.find("ev:item/{urn:x}x", NAMESPACES)
    assert payload is not None
    assert (payload.text, payload.get("{urn:x}a")) == ("тело", "<&")
    assert summary(await event(ivanov)) == ["purge"]
