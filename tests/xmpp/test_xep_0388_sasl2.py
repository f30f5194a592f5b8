# SPDX-License-Identifier: Apache-2.0
"""Log-in, binding and resumption in one round trip (XEP-0388, 0386, 0198 §9), over a real socket."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.xeps import xep_0386_bind2 as bind2
from armgs_server.xmpp.xeps import xep_0388_sasl2 as sasl2
from tests.directory.test_exchange import Client as Scram
from tests.world import IVANOV, PASSWORD, PETROVA, World
from tests.xmpp.client import NAMESPACES, TIMEOUT, Client, chat, error_of, find, text
from tests.xmpp.conftest import LogIn
from tests.xmpp.sasl2_client import (
    BIND,
    BIND_SM,
    LAPTOP,
    PHONE,
    Modern,
    authenticate,
    bound,
    condition,
    plain,
    receive_outcome,
)

Devices = Callable[..., Modern]


@pytest.fixture
async def device(world: World) -> AsyncIterator[Devices]:
    made: list[Modern] = []

    def make(jid: str = IVANOV, agent: str | None = PHONE) -> Modern:
        made.append(Modern(world, jid, agent))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def test_features(device: Devices) -> None:
    client = Client(device().world, IVANOV)
    await client.connect()
    features = find(await client.open(), "sasl2:authentication")
    names = [each.text for each in features.findall("sasl2:mechanism", NAMESPACES)]
    assert names == ["SCRAM-SHA-256", "SCRAM-SHA-1", "OAUTHBEARER", "PLAIN"]
    inline = find(features, "sasl2:inline")
    assert inline.find("sm:sm", NAMESPACES) is not None
    wanted = [each.get("var") for each in inline.findall("bind2:bind/bind2:inline/bind2:feature", NAMESPACES)]
    assert wanted == ["urn:xmpp:carbons:2", "urn:xmpp:csi:0", "urn:xmpp:sm:3"]
    tokens = [each.text for each in inline.findall("fast:fast/fast:mechanism", NAMESPACES)]
    assert tokens == ["HT-SHA-256-NONE"]
    await client.disconnect()


async def test_without_binding_the_old_way_goes_on(device: Devices) -> None:
    client, success = await device().log_in("")
    assert text(success, "sasl2:authorization-identifier") == IVANOV
    features = await client.receive("stream:features")
    assert find(features, "bind:bind") is not None
    await client.bind()
    assert client.full.startswith(f"{IVANOV}/")
    assert (await client.iq("<ping xmlns='urn:xmpp:ping'/>")).get("type") == "result"


async def test_all_in_one_write(world: World) -> None:
    """The client waits for nothing: header, log-in, and what it would send next."""
    client = await Client(world, IVANOV).connect()
    request = authenticate("PLAIN", plain(IVANOV), BIND_SM)
    opening = asyncio.create_task(client.open())
    await asyncio.sleep(0)
    client.send(
        request + "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>" + chat(PETROVA, "at once")
    )
    await opening
    success = await receive_outcome(client)
    assert find(bound(success), "sm:enabled").get("resume") == "true"
    assert (await client.receive("c:iq")).get("id") == "p"
    client.send("<r xmlns='urn:xmpp:sm:3'/>")
    assert (await client.receive("sm:a")).get("h") == "2"
    await client.disconnect()


async def test_scram_with_two_messages_each_way(device: Devices) -> None:
    phone = device()
    client = await phone.connect()
    scram = Scram(IVANOV, PASSWORD)
    client.send(authenticate("SCRAM-SHA-256", scram.first(), BIND))
    challenge = await client.receive("sasl2:challenge")
    server_first = base64.b64decode(challenge.text or "")
    # XEP-0474 §5.1: what was offered, sorted
    offered = b"OAUTHBEARER\x1ePLAIN\x1eSCRAM-SHA-1\x1eSCRAM-SHA-256"
    assert server_first.endswith(b",h=" + base64.b64encode(hashlib.sha256(offered).digest()))
    final = base64.b64encode(scram.final(server_first)).decode()
    client.send(f"<response xmlns='urn:xmpp:sasl:2'>{final}</response>")
    success = await receive_outcome(client)
    assert base64.b64decode(text(success, "sasl2:additional-data")) == b"v=" + base64.b64encode(
        scram.signature
    )
    assert text(success, "sasl2:authorization-identifier").startswith(f"{IVANOV}/Phone/")


async def test_binding(world: World, device: Devices, log_in: LogIn) -> None:
    petrova = await log_in(PETROVA, "desk")
    petrova.send(chat(IVANOV, "while you were away", id_="m1"))
    await petrova.settle()
    client, success = await device().log_in(BIND_SM)
    assert client.full.startswith(f"{IVANOV}/Phone/")
    ends = find(bound(success), "mam:metadata")
    assert find(ends, "mam:start").get("id") == find(ends, "mam:end").get("id")
    features = await client.receive("stream:features")
    assert features.find("bind:bind", NAMESPACES) is None
    await client.go_online()
    # XEP-0386 §3.2: what waited is in the archive, so it is not sent
    assert [stanza for stanza in await client.settle() if stanza.tag.endswith("}message")] == []
    # carbons are on: another session's message is copied
    desk = await log_in(IVANOV, "desk")
    desk.send(chat(PETROVA, "from the desk"))
    copy = await client.message()
    assert text(copy, "carbons:sent/forward:forwarded/c:message/c:body") == "from the desk"


async def test_a_message_without_archive_still_waits(device: Devices, log_in: LogIn) -> None:
    petrova = await log_in(PETROVA, "desk")
    petrova.send(chat(IVANOV, "not to be kept", extra="<no-permanent-store xmlns='urn:xmpp:hints'/>"))
    petrova.send(chat(IVANOV, "to be kept"))
    await petrova.settle()
    client, _ = await device().log_in(BIND)
    await client.go_online()
    assert text(await client.message(), "c:body") == "not to be kept"
    names = [each.tag.rpartition("}")[2] for each in await client.settle()]
    assert "message" not in names


async def test_inactive_from_the_first_moment(device: Devices, log_in: LogIn) -> None:
    inner = BIND.replace("</bind>", "<inactive xmlns='urn:xmpp:csi:0'/></bind>")
    client, _ = await device().log_in(inner)
    client.send("<presence/>")
    petrova = await log_in(PETROVA, "desk")
    petrova.send(
        "<message to='ivanov@digital.example' type='chat'><active "
        "xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
    await petrova.settle()
    assert "message" not in [each.tag.rpartition("}")[2] for each in await client.settle()]


async def test_the_same_device_has_one_session(device: Devices, log_in: LogIn) -> None:
    watcher = await log_in(PETROVA, "desk")
    first, _ = await device().log_in(BIND)
    await first.go_online()
    await watcher.presence_of(first.full)
    second, _ = await device().log_in(BIND)
    assert second.full == first.full  # stable, and the first stream is ended
    await first.receive("stream:error")
    await first.wait_end()
    third, _ = await device().log_in(BIND.replace("Phone", "Phone 2"))
    assert third.full != second.full
    await second.receive("stream:error")
    other, _ = await device(agent=LAPTOP).log_in(BIND)
    assert (await third.iq("<ping xmlns='urn:xmpp:ping'/>")).get("type") == "result"
    assert other.full.partition("/")[0] == third.full.partition("/")[0]


async def test_a_resource_that_cannot_be(device: Devices) -> None:
    client, _ = await device(agent=None).log_in("<bind xmlns='urn:xmpp:bind:0'><tag>a&#x7f;b</tag></bind>")
    assert "\x7f" not in client.full and client.full.count("/") == 1


async def test_resumption_with_the_log_in(device: Devices, log_in: LogIn) -> None:
    phone = device()
    client, success = await phone.log_in(BIND_SM)
    previous = find(bound(success), "sm:enabled").get("id")
    await client.go_online()
    full = client.full
    await client.disconnect()
    petrova = await log_in(PETROVA, "desk")
    petrova.send(chat(IVANOV, "in the tunnel"))
    await petrova.settle()
    resume = f"<resume xmlns='urn:xmpp:sm:3' previd='{previous}' h='1'/>"
    again, success = await phone.log_in(resume + BIND_SM)
    assert again.full == full
    assert find(success, "sm:resumed").get("previd") == previous
    assert success.find("bind2:bound", NAMESPACES) is None
    assert text(await again.message(), "c:body") == "in the tunnel"
    # XEP-0198 §9.2: no features after a resumption
    assert "features" not in [each.tag.rpartition("}")[2] for each in await again.settle()]


async def test_resumption_fails_and_binding_goes_on(device: Devices) -> None:
    resume = "<resume xmlns='urn:xmpp:sm:3' previd='1.nothing' h='0'/>"
    client, success = await device().log_in(resume + BIND_SM)
    assert find(success, "sm:failed/stanzas:item-not-found") is not None
    assert find(bound(success), "sm:enabled").get("id")
    assert client.full.startswith(f"{IVANOV}/Phone/")


async def test_the_session_of_another_is_not_resumed(device: Devices) -> None:
    victim, success = await device(PETROVA, LAPTOP).log_in(BIND_SM)
    previous = find(bound(success), "sm:enabled").get("id")
    resume = f"<resume xmlns='urn:xmpp:sm:3' previd='{previous}' h='0'/>"
    _, success = await device().log_in(resume + BIND)
    assert find(success, "sm:failed/stanzas:item-not-found") is not None
    assert (await victim.iq("<ping xmlns='urn:xmpp:ping'/>")).get("type") == "result"


@pytest.mark.parametrize("h", ["99", "x", ""])
async def test_a_wrong_count_at_resumption(device: Devices, h: str) -> None:
    phone = device()
    client, success = await phone.log_in(BIND_SM)
    previous = find(bound(success), "sm:enabled").get("id")
    await client.disconnect()
    again = await phone.connect()
    resume = f"<resume xmlns='urn:xmpp:sm:3' previd='{previous}' h='{h}'/>"
    again.send(authenticate("PLAIN", plain(IVANOV), resume))
    await again.receive("stream:error")
    # the session itself is still there
    resume = f"<resume xmlns='urn:xmpp:sm:3' previd='{previous}' h='0'/>"
    _, success = await phone.log_in(resume)
    assert success.find("sm:resumed", NAMESPACES) is not None


async def test_too_many_sessions(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"xmpp": {"sessions": 1}}) as world:
        phone, laptop = Modern(world, IVANOV), Modern(world, IVANOV, LAPTOP)
        await phone.log_in(BIND)
        _, success = await laptop.log_in(BIND)
        assert find(success, "bind2:failed/stanzas:resource-constraint") is not None
        assert text(success, "sasl2:authorization-identifier") == IVANOV
        await phone.close()
        await laptop.close()


async def test_failures(device: Devices) -> None:
    phone = device()
    client = await phone.connect()
    assert condition(await phone.ask(client, "PLAIN", plain(IVANOV, "wrong"))) == "not-authorized"
    assert condition(await phone.ask(client, "CRAM-MD5", None)) == "invalid-mechanism"
    assert condition(await phone.ask(client, "HT-SHA-256-NONE", b"ivanov\0x")) == "invalid-mechanism"
    client.send(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>"
        "<initial-response>!</initial-response></authenticate>"
    )
    assert condition(await receive_outcome(client)) == "incorrect-encoding"
    client.send(authenticate("SCRAM-SHA-256", Scram(IVANOV, PASSWORD).first()))
    await client.receive("sasl2:challenge")
    client.send("<abort xmlns='urn:xmpp:sasl:2'/>")
    assert condition(await receive_outcome(client)) == "aborted"
    await client.receive("stream:error")  # the fifth failure on one stream
    await client.wait_end()


@pytest.mark.parametrize(
    "intruder",
    [
        "<presence/>",
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>",
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>",
    ],
)
async def test_nothing_else_during_a_log_in(device: Devices, intruder: str) -> None:
    client = await device().connect()
    client.send(authenticate("SCRAM-SHA-256", Scram(IVANOV, PASSWORD).first()))
    await client.receive("sasl2:challenge")
    client.send(intruder)
    error = await client.receive("stream:error")
    assert error[0].tag.rpartition("}")[2] == "not-authorized"
    await client.wait_end()


@pytest.mark.parametrize("nonza", ["response", "abort"])
async def test_no_answer_without_a_question(device: Devices, nonza: str) -> None:
    client = await device().connect()
    client.send(f"<{nonza} xmlns='urn:xmpp:sasl:2'/>")
    error = await client.receive("stream:error")
    assert error[0].tag.rpartition("}")[2] == "not-authorized"


async def test_not_a_second_time(device: Devices) -> None:
    client, _ = await device().log_in("")
    client.send(authenticate("PLAIN", plain(IVANOV)))
    error = await client.receive("stream:error")
    assert error[0].tag.rpartition("}")[2] == "unsupported-stanza-type"


async def test_the_stream_is_from_who_logs_in(world: World) -> None:
    for name, outcome in ((PETROVA, "failure"), (IVANOV, "success"), ("@@", "failure")):
        client = await Client(world, IVANOV).connect()
        client.send(
            f"<stream:stream from='{name}' to='digital.example' version='1.0' xmlns='jabber:client'"
            " xmlns:stream='http://etherx.jabber.org/streams'>" + authenticate("PLAIN", plain(IVANOV))
        )
        async with asyncio.timeout(TIMEOUT):
            seen = b""
            while b"</success>" not in seen and b"</failure>" not in seen:
                seen += await client.reader.read(65536)
        assert f"<{outcome} ".encode() in seen
        assert (b"<invalid-authzid " in seen) == (outcome == "failure")
        await client.disconnect()


async def test_stanzas_may_be_large_once_logged_in(device: Devices, log_in: LogIn) -> None:
    petrova = await log_in(PETROVA, "desk")
    client, _ = await device().log_in(BIND)
    client.send(chat(PETROVA, "x" * 100_000))
    assert len(text(await petrova.message(), "c:body")) == 100_000
    early = await device(agent=LAPTOP).connect()
    early.send(authenticate("PLAIN", b"x" * 20_000))
    await early.receive("stream:error")


async def test_an_iq_error_where_the_sender_is_not_bound(device: Devices) -> None:
    client, _ = await device().log_in("")
    answer = await client.iq(
        "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>&#x7f;</resource></bind>", "set"
    )
    assert error_of(answer) == "jid-malformed"


# Reading

GOLDEN = (
    b"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-1-PLUS'>"
    b"<initial-response>cD10bHM=</initial-response>"
    b"<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>AwesomeXMPP</software>"
    b"<device>Kiva&apos;s Phone</device></user-agent>"
    b"<bind xmlns='urn:xmpp:bind:0'><tag> AwesomeXMPP </tag><enable xmlns='urn:xmpp:carbons:2'/>"
    b"<enable xmlns='urn:xmpp:sm:3'/><inactive xmlns='urn:xmpp:csi:0'/></bind>"
    b"<resume xmlns='urn:xmpp:sm:3' previd='124' h='345'/>"
    b"<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-ENDP'/>"
    b"<fast xmlns='urn:xmpp:fast:0' count='123' invalidate='true'/></authenticate>"
)


def test_everything_is_read() -> None:
    request = sasl2.parse(parse_stanza(GOLDEN))
    assert (request.mechanism, request.initial) == ("SCRAM-SHA-1-PLUS", b"p=tls")
    assert request.agent is not None and request.agent.device == "Kiva's Phone"
    assert request.binding == bind2.Request("AwesomeXMPP", True, False, True)
    assert request.resumption == sasl2.Resumption("124", "345")
    assert request.use is not None and (request.use.count, request.use.invalidate) == (123, True)
    assert request.wants == "HT-SHA-256-ENDP"


def test_nothing_is_read_into_it() -> None:
    request = sasl2.parse(parse_stanza(b"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>"))
    assert request == sasl2.Request("PLAIN", None, None, None, None, None, "")
    empty = parse_stanza(b"<authenticate xmlns='urn:xmpp:sasl:2'><initial-response/></authenticate>")
    assert sasl2.parse(empty).initial == b""


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters="<&'\0"), max_size=12))
def test_a_count_is_a_number_or_refused(count: str) -> None:
    printable = "".join(each for each in count if each.isprintable())
    fast = f"<fast xmlns='urn:xmpp:fast:0' count='{printable}'/>"
    stanza = parse_stanza(f"<authenticate xmlns='urn:xmpp:sasl:2'>{fast}</authenticate>".encode())
    try:
        use = sasl2.parse(stanza).use
    except Invalid:
        assert not (printable.isdecimal() and int(printable) < 1 << 31)
    else:
        assert use is not None and use.count == int(printable)


@given(
    st.binary(max_size=60), st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N")), max_size=60)
)
def test_initial_responses(data: bytes, other: str) -> None:
    encoded = base64.b64encode(data).decode()
    whole = parse_stanza(authenticate("PLAIN", data, agent=None).encode())
    assert encoded in whole.raw.decode() and sasl2.parse(whole).initial == data
    try:
        decoded = sasl2.decode(f" {other}\n")
    except Invalid:
        assert other
    else:
        assert base64.b64encode(decoded).decode() == other


@given(st.text(max_size=2000), st.just("") | st.text(alphabet="0123456789abcdef", min_size=24, max_size=24))
def test_every_tag_makes_a_resource(tag: str, device: str) -> None:
    resource = bind2.resource(tag, device)
    assert resource and len(resource.encode()) <= 1023
    if device:
        assert resource == bind2.resource(tag, device)
        assert resource.endswith(bind2.suffix(device)) and device not in resource.rpartition("/")[2]


def test_golden_answers() -> None:
    assert sasl2.success(b"v=1", "a@b/c", b"<bound/>") == (
        b"<success xmlns='urn:xmpp:sasl:2'><additional-data>dj0x</additional-data>"
        b"<authorization-identifier>a@b/c</authorization-identifier><bound/></success>"
    )
    assert sasl2.failure("aborted", "") == (
        b"<failure xmlns='urn:xmpp:sasl:2'><aborted xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>"
    )
    assert sasl2.challenge(b"r=1") == b"<challenge xmlns='urn:xmpp:sasl:2'>cj0x</challenge>"
