# SPDX-License-Identifier: Apache-2.0
"""The XMPP server in each of its states, fed with what no client should send: it answers, ends the stream
or waits, never fails, and another session goes on undisturbed."""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path

import pytest

from tests.world import IVANOV, PASSWORD, PETROVA, World
from tests.xmpp.client import Client, chat

STATES = ("new", "open", "authenticated", "bound", "managed")
ROUNDS = 40
_NAMES = ["message", "presence", "iq", "a", "r", "enable", "resume", "auth", "response", "starttls", "query"]
_NAMES += [
    "body",
    "item",
    "set",
    "x",
    "field",
    "value",
    "stream:error",
    "vCard",
    "block",
    "pubsub",
    "items",
    "publish",
    "configure",
    "c",
    "invite",
    "request",
]
_NAMESPACES = [
    *("jabber:client", "jabber:iq:roster", "urn:xmpp:sm:3", "urn:xmpp:mam:2", "urn:xmpp:blocking"),
    *("urn:ietf:params:xml:ns:xmpp-sasl", "urn:ietf:params:xml:ns:xmpp-bind", "urn:xmpp:csi:0"),
    *("urn:ietf:params:xml:ns:xmpp-tls", "http://jabber.org/protocol/disco#info", "jabber:iq:private"),
    *("vcard-temp", "jabber:x:data", "http://jabber.org/protocol/rsm", "urn:xmpp:http:upload:0", ""),
    *("http://jabber.org/protocol/muc", "http://jabber.org/protocol/muc#owner", "urn:xmpp:carbons:2"),
    *("http://jabber.org/protocol/muc#admin", "urn:xmpp:ping", "jabber:iq:last", "jabber:x:conference"),
    *("http://jabber.org/protocol/pubsub", "http://jabber.org/protocol/pubsub#owner"),
    *("http://jabber.org/protocol/caps", "http://jabber.org/protocol/muc#user"),
]
_VALUES = ["", "get", "set", "result", "error", "chat", "groupchat", "headline", "subscribe", "subscribed"]
_VALUES += [
    "unavailable",
    "probe",
    PETROVA,
    IVANOV,
    "digital.example",
    "conference.digital.example",
    "x" * 2000,
]
_VALUES += [
    "r@conference.digital.example/n",
    "upload.digital.example",
    "elsewhere.example",
    "a@@b",
    "\ufffd",
    "-1",
]
_VALUES += ["99999999999999999999", "4294967296", "2026-01-01T00:00:00Z", "PLAIN", "SCRAM-SHA-1", "true", "0"]
_KEYS = ["to", "from", "type", "id", "xml:lang", "h", "previd", "mechanism", "jid", "node", "var", "ver"]
_KEYS += ["queryid", "subscription", "name", "filename", "size", "affiliation", "role", "nick", "resume"]
_TEXTS = ["", "=", "AGl2YW5vdgB4", "привет", "&amp;", "]]>", "<![CDATA[<x>]]>", "127", "128", "0", "a" * 3000]
_BROKEN = [
    "<",
    "</a>",
    "<a",
    "&nope;",
    "<!DOCTYPE x>",
    "<!-- -->",
    "<?x?>",
    "\x00",
    "text",
    "</stream:stream>",
]


def element(chance: random.Random, depth: int = 0) -> str:
    """One element of the vocabulary that clients use, put together at random."""
    name, keys = chance.choice(_NAMES), chance.sample(_KEYS, chance.randrange(5))
    attributes = "".join(f" {key}='{chance.choice(_VALUES)}'" for key in keys)
    if chance.random() < 0.8:
        attributes += f" xmlns='{chance.choice(_NAMESPACES if depth else _NAMESPACES[:1])}'"
    if depth == 0 and chance.random() < 0.8:
        attributes = attributes.replace(" id=", " a=") + " id='f'"
    inner = "".join(element(chance, depth + 1) for _ in range(chance.randrange(3))) if depth < 3 else ""
    return f"<{name}{attributes}>{inner}{chance.choice(_TEXTS)}</{name}>"


def garbage(chance: random.Random) -> str:
    parts = [element(chance) for _ in range(chance.randrange(1, 6))]
    if chance.random() < 0.3:
        parts.insert(chance.randrange(len(parts) + 1), chance.choice(_BROKEN))
    return "".join(parts)


async def client_in(world: World, state: str) -> Client:
    client = Client(world, PETROVA)
    await client.connect()
    if state == "new":
        return client
    await client.open()
    if state == "open":
        return client
    await client.authenticate(PASSWORD)
    await client.open()
    if state == "authenticated":
        return client
    await client.bind()
    await client.go_online()
    if state == "managed":
        await client.enable_sm()
    return client


@pytest.mark.parametrize("state", STATES)
async def test_garbage(tmp_path: Path, state: str, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(state)
    settings = {"security": {"login_failures": 10_000}, "xmpp": {"resume_time": 0.0}}
    async with World(tmp_path, settings=settings) as world:
        witness = await Client(world, IVANOV).log_in()
        await witness.go_online()
        with caplog.at_level(logging.ERROR):
            for _ in range(ROUNDS):
                client = await client_in(world, state)
                client.send(garbage(chance))
                try:
                    async with asyncio.timeout(0.05):
                        while await client.reader.read(65536):
                            continue
                except (TimeoutError, ConnectionError):
                    pass  # it waits for more, or has hung up: both are answers
                await client.disconnect()
                await witness.settle()
        assert [record.getMessage() for record in caplog.records] == []
        witness.send(chat(IVANOV, "still here"))
        await witness.message("still here")
        await witness.disconnect()
