# SPDX-License-Identifier: Apache-2.0
"""Push: a service (a component) hears of what a device that is away has missed, and of nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

import pytest

from armgs_server.storage import push
from tests.world import IVANOV, PETROVA
from tests.xmpp.client import Client, chat, error_of
from tests.xmpp.test_xep_0114_components import SETTINGS, BotWorld, Component, connected

SERVICE = "bot.digital.example"
PUBSUB = "{http://jabber.org/protocol/pubsub}"
DATA = "{jabber:x:data}"
COMPONENT = "{jabber:component:accept}"


def enable(node: str = "phone", options: str = "") -> str:
    return f"<enable xmlns='urn:xmpp:push:0' jid='{SERVICE}' node='{node}'>{options}</enable>"


def disable(node: str = "") -> str:
    node_part = f" node='{node}'" if node else ""
    return f"<disable xmlns='urn:xmpp:push:0' jid='{SERVICE}'{node_part}/>"


@pytest.fixture
def summary() -> str:
    return "body"


@pytest.fixture
async def world(tmp_path: Path, summary: str) -> AsyncIterator[BotWorld]:
    settings = SETTINGS | {"xmpp": {"push_summary": summary, "push_services": 2}}
    async with BotWorld(tmp_path, settings=settings) as world:
        yield world


@pytest.fixture
async def service(world: BotWorld) -> AsyncIterator[Component]:
    async with AsyncExitStack() as stack:
        yield await connected(world, stack)


async def log_in(world: BotWorld, jid: str, resource: str) -> Client:
    client = Client(world, jid, resource)
    await client.log_in()
    return await client.go_online()


async def published(service: Component) -> Element:
    """The next request to the push service."""
    request = await service.next()
    assert request is not None and request.tag == f"{COMPONENT}iq", request
    return request


def fields(request: Element) -> dict[str, str]:
    return {
        field.get("var", ""): field.findtext(f"{DATA}value", "")
        for field in request.iter(f"{DATA}field")
        if field.get("var") != "FORM_TYPE"
    }


def node_of(request: Element) -> str:
    publish = request.find(f"{PUBSUB}pubsub/{PUBSUB}publish")
    assert publish is not None, tostring(request)
    return publish.get("node", "")


async def test_a_device_that_is_away_is_woken(world: BotWorld, service: Component) -> None:
    async with await log_in(world, IVANOV, "desk") as ivanov, await log_in(world, PETROVA, "desk"):
        phone = await log_in(world, PETROVA, "phone")
        form = (
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
            "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
            "<field var='secret'><value>eruio</value></field></x>"
        )
        assert (await phone.iq(enable(options=form), "set")).get("type") == "result"
        await phone.enable_sm()
        ivanov.send(chat(PETROVA, "seen by both"))
        await phone.message("seen by both")
        phone.send("<a xmlns='urn:xmpp:sm:3' h='1'/>")
        await phone.settle()
        await phone.disconnect()
        composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
        ivanov.send(f"<message type='chat' to='{PETROVA}'>{composing}</message>" + chat(PETROVA, "Вы где?"))
        request = await published(service)
        assert (request.get("type"), request.get("from"), request.get("to")) == (
            "set",
            "digital.example",
            SERVICE,
        )
        assert node_of(request) == "phone"
        found = fields(request)
        assert int(found.pop("message-count")) >= 1
        assert found == {
            "last-message-sender": f"{IVANOV}/desk",
            "last-message-body": "Вы где?",
            "secret": "eruio",
        }
        assert request.find(f"{PUBSUB}pubsub/{PUBSUB}publish-options") is not None
        ivanov.send(
            f"<message type='chat' to='{PETROVA}'>"
            "<propose xmlns='urn:xmpp:jingle-message:0' id='c'/></message>"
        )
        call = await published(service)
        assert "tigase:push:priority:0" in tostring(call).decode()
        assert "last-message-body" not in fields(call)


@pytest.mark.parametrize(
    ("summary", "told"),
    [
        ("nothing", set()),
        ("count", {"message-count"}),
        ("sender", {"message-count", "last-message-sender"}),
    ],
)
async def test_no_more_is_told_than_may_be(
    world: BotWorld, service: Component, summary: str, told: set[str]
) -> None:
    async with await log_in(world, IVANOV, "desk") as ivanov:
        phone = await log_in(world, PETROVA, "phone")
        await phone.iq(enable(), "set")
        await phone.close()
        ivanov.send(chat(PETROVA, "secret"))
        request = await published(service)
        assert set(fields(request)) == told
        assert "secret" not in tostring(request).decode()


async def test_what_a_service_refuses_for_good_is_forgotten(world: BotWorld, service: Component) -> None:
    owner = await world.directory.by_address(PETROVA)
    assert owner is not None

    async def nodes() -> list[str]:
        found = await world.store.read(lambda tx: push.of(tx, owner.id))
        return [registration.node for registration in found]

    async with await log_in(world, IVANOV, "desk") as ivanov:
        phone = await log_in(world, PETROVA, "phone")
        await phone.iq(enable("gone"), "set")
        await phone.iq(enable("busy"), "set")
        assert error_of(await phone.iq(enable("third"), "set")) == "resource-constraint"
        await phone.iq(enable("busy"), "set")
        await phone.close()
        ivanov.send(chat(PETROVA, "one"))
        answers = {"gone": "item-not-found", "busy": "resource-constraint"}
        for _ in range(2):
            request = await published(service)
            condition = answers[node_of(request)]
            service.send(
                f"<iq type='error' id='{request.get('id')}' from='{SERVICE}' to='digital.example'>"
                f"<error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                "</error></iq>"
            )
        service.send(f"<message from='{SERVICE}' to='{IVANOV}' type='chat'><body>answered</body></message>")
        await ivanov.message("answered")
        assert await nodes() == ["busy"]
        ivanov.send(chat(PETROVA, "two"))
        assert node_of(await published(service)) == "busy"


async def test_disabled_and_malformed(world: BotWorld, service: Component) -> None:
    async with await log_in(world, IVANOV, "desk") as ivanov:
        phone = await log_in(world, PETROVA, "phone")
        assert error_of(await phone.iq("<enable xmlns='urn:xmpp:push:0' node='x'/>", "set")) == "bad-request"
        other = "<x xmlns='jabber:x:data' type='submit'/>"
        assert error_of(await phone.iq(enable(options=other), "set")) == "bad-request"
        assert error_of(await phone.iq(enable("x" * 2000), "set")) == "resource-constraint"
        await phone.iq(enable("a"), "set")
        await phone.iq(enable("b"), "set")
        await phone.iq(disable("a"), "set")
        await phone.close()
        ivanov.send(chat(PETROVA, "one"))
        assert node_of(await published(service)) == "b"
        phone = await log_in(world, PETROVA, "phone")
        await phone.iq(disable(), "set")
        await phone.close()
        ivanov.send(chat(PETROVA, "two") + chat(SERVICE, "three"))
        message = await service.next()
        assert message is not None and message.tag == f"{COMPONENT}message"


async def test_what_was_not_acknowledged_is_told_when_the_stream_ends(
    world: BotWorld, service: Component
) -> None:
    async with await log_in(world, IVANOV, "desk") as ivanov:
        phone = await log_in(world, PETROVA, "phone")
        await phone.iq(enable(), "set")
        await phone.enable_sm()
        ivanov.send(chat(PETROVA, "into the void"))
        await phone.message("into the void")
        await phone.disconnect()
        assert fields(await published(service)) == {
            "message-count": "1",
            "last-message-sender": f"{IVANOV}/desk",
            "last-message-body": "into the void",
        }
