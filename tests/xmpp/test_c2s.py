# SPDX-License-Identifier: Apache-2.0
"""Streams of clients over a real socket: RFC 6120 §4 to §8."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, Client, error_of, find, text
from tests.xmpp.conftest import LogIn


async def test_starttls_then_log_in(world: World) -> None:
    async with Client(world, IVANOV, "desk") as client:
        await client.connect()
        features = await client.open()
        assert features.find("tls:starttls", NAMESPACES) is not None
        await client.start_tls()
        features = await client.open()
        assert features.find("tls:starttls", NAMESPACES) is None
        mechanisms = [each.text for each in features.iterfind("sasl:mechanisms/sasl:mechanism", NAMESPACES)]
        assert mechanisms[-1] == "PLAIN"
        assert "SCRAM-SHA-256" in mechanisms
        await client.authenticate()
        features = await client.open()
        for name in ("bind:bind", "sm:sm"):
            assert features.find(name, NAMESPACES) is not None
        await client.bind()
        assert client.full == f"{IVANOV}/desk"


async def test_direct_tls(world: World) -> None:
    async with Client(world, IVANOV) as client:
        await client.connect("xmpps", secure=True)
        await client.open()
        await client.authenticate()
        await client.open()
        await client.bind()
        assert client.full.startswith(f"{IVANOV}/")


async def test_plaintext_is_refused_by_default(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        async with Client(world, IVANOV) as client:
            await client.connect()
            features = await client.open()
            assert features.find("sasl:mechanisms", NAMESPACES) is None
            assert features.find("tls:starttls/tls:required", NAMESPACES) is not None
            client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>")
            failure = await client.receive("sasl:failure")
            assert failure.find("sasl:encryption-required", NAMESPACES) is not None


async def test_wrong_password(world: World) -> None:
    async with Client(world, IVANOV) as client:
        await client.connect()
        await client.open()
        client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGl2YW5vdgB4</auth>")
        failure = await client.receive("sasl:failure")
        assert failure.find("sasl:not-authorized", NAMESPACES) is not None
        await client.authenticate()  # the stream stays open for another attempt


@pytest.mark.parametrize(
    ("sent", "condition"),
    [
        ("<message to='a@digital.example'><body>x</body></message>", "not-authorized"),
        ("<message><body>&nbsp;</body></message>", "restricted-xml"),
        ("<message><!-- x --></message>", "restricted-xml"),
        ("<message><?x y?></message>", "restricted-xml"),
        ("<message></massage>", "not-well-formed"),
        ("<a:b/>", "bad-namespace-prefix"),
        ("text", "bad-format"),
        ("<what xmlns='urn:nobody'/>", "unsupported-stanza-type"),
        ("<message><body>" + "x" * 20000, "policy-violation"),
    ],
)
async def test_stream_errors(world: World, sent: str, condition: str) -> None:
    async with Client(world, IVANOV) as client:
        await client.connect()
        await client.open()
        client.send(sent)
        error = await client.receive("stream:error")
        assert error.find(f"streams:{condition}", NAMESPACES) is not None
        await client.wait_end()


async def test_unknown_host(world: World) -> None:
    async with Client(world, IVANOV) as client:
        await client.connect()
        with pytest.raises(AssertionError, match="host-unknown"):
            await client.open(to="elsewhere.example")


async def test_resource_conflict_ends_the_older_session(log_in: LogIn) -> None:
    old = await log_in(IVANOV, "desk")
    new = await log_in(IVANOV, "desk")
    error = await old.receive("stream:error")
    assert error.find("streams:conflict", NAMESPACES) is not None
    await old.wait_end()
    assert new.full == f"{IVANOV}/desk"


async def test_forged_sender_ends_the_stream(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    ivanov.send(f"<message from='{PETROVA}' to='{PETROVA}'><body>x</body></message>")
    error = await ivanov.receive("stream:error")
    assert error.find("streams:invalid-from", NAMESPACES) is not None


async def test_stream_is_closed_in_both_directions(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    ivanov.send("</stream:stream>")
    await ivanov.wait_end()
    assert ivanov.depth == 0, "the server closes its own stream before the connection (RFC 6120 §4.4)"
    await ivanov.disconnect()


async def test_kicked_when_disabled(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    await world.directory.disable(person.id)
    error = await ivanov.receive("stream:error")
    assert error.find("streams:not-authorized", NAMESPACES) is not None


async def test_session_request_of_old_clients(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    answer = await ivanov.iq("<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>", "set")
    assert answer.get("type") == "result"


async def test_iq_errors(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    assert (
        error_of(await ivanov.iq("<query xmlns='urn:nobody'/>", to="digital.example"))
        == "service-unavailable"
    )
    assert error_of(await ivanov.iq("<query xmlns='urn:nobody'/>", to="elsewhere.example")) == (
        "remote-server-not-found"
    )
    assert error_of(await ivanov.iq("<a xmlns='x'/><b xmlns='y'/>")) == "bad-request"
    assert (
        error_of(await ivanov.iq("<ping xmlns='urn:xmpp:ping'/>", to=f"{PETROVA}/none"))
        == "service-unavailable"
    )
    assert error_of(await ivanov.iq("<ping xmlns='urn:xmpp:ping'/>", to="a@@b")) == "jid-malformed"


async def test_language_of_the_stream_is_stamped(log_in: LogIn) -> None:
    petrova = await log_in(PETROVA)
    ivanov = await log_in(IVANOV, lang="ru")
    ivanov.send(f"<message to='{PETROVA}' type='chat'><body>Привет</body></message>")
    message = await petrova.message("Привет")
    assert message.get("{http://www.w3.org/XML/1998/namespace}lang") == "ru"


async def test_server_answers_about_itself(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    info = await ivanov.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to="digital.example")
    features = {feature.get("var") for feature in info.iterfind("disco:query/disco:feature", NAMESPACES)}
    assert {"urn:xmpp:carbons:2", "urn:xmpp:blocking", "jabber:iq:private", "msgoffline"} <= features
    version = await ivanov.iq("<query xmlns='jabber:iq:version'/>", to="digital.example")
    assert version.get("type") == "result"
    account = await ivanov.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=IVANOV)
    assert "urn:xmpp:mam:2" in {
        feature.get("var") for feature in account.iterfind("disco:query/disco:feature", NAMESPACES)
    }
    time = await ivanov.iq("<time xmlns='urn:xmpp:time'/>", to="digital.example")
    assert time.get("type") == "result"
    card = await ivanov.iq("<vCard xmlns='vcard-temp'/>", to=PETROVA)
    assert text(card, "vcard:vCard/vcard:FN") == "Петрова Анна"
    assert find(card, "vcard:vCard/vcard:EMAIL") is not None
