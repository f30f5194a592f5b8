# SPDX-License-Identifier: Apache-2.0
"""Streams between servers, spoken by hand: who is believed, what is refused, and how it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from armgs_server.xmpp.xeps.xep_0220_dialback import make_key
from tests.world import IVANOV, PORTS
from tests.xmpp.client import TIMEOUT, Client, chat, error_of
from tests.xmpp.federation import PARTNER, Authority, RawServer, Workplace, federation, offsets

OURS = "digital.example"
SECRET = b"the partner's secret"
FEATURES = "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


class Authoritative:
    """The partner's own server: says whether keys are its own, and takes what is sent to it."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.is_silent = False
        self.streams: asyncio.Queue[RawServer] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        stream = RawServer(reader, writer)
        stream.begin()
        try:
            if self.is_silent:
                await reader.read()
                return
            await stream.wait_header()
            stream.send_header(PARTNER, OURS, f"id-{self.connections}")
            stream.send(FEATURES)
            while (element := await stream.next()) is not None:
                self._answer(stream, element.tag.rpartition("}")[2], dict(element.attrib), element.text or "")
        finally:
            stream.ended.set()
            writer.close()

    def _answer(self, stream: RawServer, name: str, attributes: dict[str, str], text: str) -> None:
        pair = f"from='{attributes.get('to')}' to='{attributes.get('from')}'"
        if name == "verify":
            key = make_key(SECRET, attributes["from"], attributes["to"], attributes["id"])
            type_ = "valid" if key == text else "invalid"
            stream.send(f"<db:verify {pair} id='{attributes['id']}' type='{type_}'/>")
        elif name == "result":
            stream.send(f"<db:result {pair} type='valid'/>")
            self.streams.put_nowait(stream)


@asynccontextmanager
async def authoritative() -> AsyncIterator[Authoritative]:
    made = Authoritative()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


class Scene:
    """One workplace that takes dialback without TLS, and the partner's server."""

    def __init__(self, stack: AsyncExitStack, world: Workplace, partner: Authoritative) -> None:
        self.stack = stack
        self.world = world
        self.partner = partner

    async def connect(self) -> RawServer:
        stream = await RawServer.connect(self.world)
        self.stack.push_async_callback(stream.close)
        return stream

    async def proved(self) -> RawServer:
        """A stream on which the partner may speak to us."""
        stream = await self.connect()
        await stream.open(PARTNER, OURS)
        stream.send(result(stream.stream_id))
        answer = await stream.receive("db:result")
        assert answer.attrib == {"from": OURS, "to": PARTNER, "type": "valid"}
        return stream

    async def log_in(self, jid: str) -> Client:
        client = await self.stack.enter_async_context(Client(self.world, jid, "office"))
        await client.log_in()
        return await client.go_online()


Make = Callable[..., Awaitable[Scene]]


@pytest.fixture
async def make(tmp_path: Path, authority: Authority) -> AsyncIterator[Make]:
    async with AsyncExitStack() as stack:

        async def scene(route: int | None = None, login_timeout: float = 60.0, **more: Any) -> Scene:
            """The partner is found at `route`; 0 is this workplace's own port."""
            partner = await stack.enter_async_context(authoritative())
            (offset,) = offsets(1)
            port = partner.port if route is None else route or PORTS["xmpp-server"] + offset
            section = federation(authority, {"*": f"127.0.0.1:{port}"}, **{"tls": "optional", **more})
            settings = {
                "federation": section,
                "server": {"port_offset": offset},
                "security": {"login_timeout": login_timeout},
            }
            world = await stack.enter_async_context(Workplace(tmp_path, authority, settings=settings))
            return Scene(stack, world, partner)

        yield scene


def result(stream_id: str, *, from_: str = PARTNER, to: str = OURS, secret: bytes = SECRET) -> str:
    key = make_key(secret, to, from_, stream_id)
    return f"<db:result from='{from_}' to='{to}'>{key}</db:result>"


async def test_a_key_that_the_domain_knows_opens_the_stream(make: Make) -> None:
    scene = await make()
    ivanov = await scene.log_in(IVANOV)
    stream = await scene.proved()
    stream.send(f"<message from='smirnov@{PARTNER}/x' to='{IVANOV}' type='chat'><body>hi</body></message>")
    assert (await ivanov.message("hi")).get("from") == f"smirnov@{PARTNER}/x"


async def test_a_wrong_key_and_a_replayed_one_do_not(make: Make) -> None:
    scene = await make()
    first, second = await scene.connect(), await scene.connect()
    await first.open(PARTNER, OURS)
    await second.open(PARTNER, OURS)
    assert first.stream_id != second.stream_id
    first.send(result(first.stream_id, secret=b"guessed"))
    assert (await first.receive("db:result")).get("type") == "invalid"
    second.send(result(first.stream_id))  # good for the other stream
    assert (await second.receive("db:result")).get("type") == "invalid"
    second.send(f"<message from='a@{PARTNER}' to='{IVANOV}'><body>x</body></message>")
    assert await second.error() == "not-authorized"


async def test_stanzas_before_any_proof_are_refused(make: Make) -> None:
    scene = await make()
    stream = await scene.connect()
    await stream.open(PARTNER, OURS)
    stream.send(f"<presence from='a@{PARTNER}' to='{IVANOV}'/>")
    assert await stream.error() == "not-authorized"
    assert await stream.next() is None


@pytest.mark.parametrize(
    ("stanza", "condition"),
    [
        (f"<message from='a@other.example' to='{IVANOV}'><body>x</body></message>", "invalid-from"),
        (f"<message from='ivanov@{OURS}' to='{IVANOV}'><body>x</body></message>", "invalid-from"),
        (f"<message to='{IVANOV}'><body>x</body></message>", "improper-addressing"),
        (f"<message from='a@{PARTNER}'><body>x</body></message>", "improper-addressing"),
        (f"<iq from='@@' to='{IVANOV}' type='get' id='1'/>", "improper-addressing"),
        (f"<message from='a@{PARTNER}' to='x@finance.example'/>", "invalid-from"),
        ("<!-- x -->", "restricted-xml"),
        ("<message", "policy-violation"),
        ("<foo xmlns='urn:x'/>", "unsupported-stanza-type"),
        ("<a></b>", "not-well-formed"),
    ],
)
async def test_what_a_proved_server_may_not_say(make: Make, stanza: str, condition: str) -> None:
    scene = await make()
    stream = await scene.proved()
    stream.send(stanza if condition != "policy-violation" else "<message " + " " * (300 << 10))
    assert await stream.error() == condition
    assert await stream.next() is None


async def test_a_domain_that_is_not_ours_is_unknown(make: Make) -> None:
    scene = await make()
    stream = await scene.connect()
    stream.begin()
    stream.send_header(PARTNER, "elsewhere.example")
    assert await stream.error() == "host-unknown"
    stream = await scene.connect()
    await stream.open(PARTNER, OURS)
    stream.send(result(stream.stream_id, to="elsewhere.example"))
    answer = await stream.receive("db:result")
    assert (answer.get("type"), error_of_dialback(answer)) == ("error", "item-not-found")
    stream.send(f"<db:verify from='{PARTNER}' to='elsewhere.example' id='x'>key</db:verify>")
    answer = await stream.receive("db:verify")
    assert (answer.get("type"), error_of_dialback(answer)) == ("error", "item-not-found")


def error_of_dialback(answer: Any) -> str:
    return str(answer[0][0].tag.rpartition("}")[2])


async def test_nobody_proves_to_be_one_of_our_domains(make: Make) -> None:
    scene = await make()
    stream = await scene.connect()
    await stream.open("finance.example", OURS)
    stream.send(result(stream.stream_id, from_="finance.example"))
    answer = await stream.receive("db:result")
    assert (answer.get("type"), error_of_dialback(answer)) == ("error", "policy-violation")


async def test_several_domains_over_one_stream(make: Make) -> None:
    scene = await make()
    ivanov = await scene.log_in(IVANOV)
    stream = await scene.proved()
    rooms = f"conference.{PARTNER}"
    stream.send(result(stream.stream_id, from_=rooms))
    assert (await stream.receive("db:result")).attrib == {"from": OURS, "to": rooms, "type": "valid"}
    for origin in (f"a@{PARTNER}/1", f"room@{rooms}/nick"):
        stream.send(f"<message from='{origin}' to='{ivanov.full}' type='chat'><body>x</body></message>")
        assert (await ivanov.message("x")).get("from") == origin


async def test_we_know_our_own_keys_and_no_others(make: Make) -> None:
    scene = await make()
    ivanov = await scene.log_in(IVANOV)
    ivanov.send(chat(f"smirnov@{PARTNER}", "first"))  # makes the world dial out and use its secret
    await asyncio.wait_for(scene.partner.streams.get(), TIMEOUT)
    store = scene.world.store
    secret = bytes.fromhex(
        await store.read(lambda tx: tx.value("SELECT value FROM meta WHERE name = ?", "dialback_secret"))
    )
    stream = await scene.connect()
    await stream.open(PARTNER, OURS)
    for key, type_ in ((make_key(secret, PARTNER, OURS, "s1"), "valid"), ("0" * 64, "invalid")):
        stream.send(f"<db:verify from='{PARTNER}' to='{OURS}' id='s1'>{key}</db:verify>")
        answer = await stream.receive("db:verify")
        assert answer.attrib == {"from": OURS, "to": PARTNER, "id": "s1", "type": type_}


async def test_the_stream_may_be_used_both_ways(make: Make) -> None:
    scene = await make()
    ivanov = await scene.log_in(IVANOV)
    stream = await scene.connect()
    await stream.open(PARTNER, OURS)
    stream.send("<bidi xmlns='urn:xmpp:bidi'/>" + result(stream.stream_id))
    await stream.receive("db:result")
    before = scene.partner.connections
    ivanov.send(chat(f"smirnov@{PARTNER}", "назад"))
    message = await stream.receive("s:message")
    assert message.findtext("{jabber:server}body") == "назад"
    assert scene.partner.connections == before


async def test_who_does_not_say_who_it_is_has_to_go(make: Make) -> None:
    scene = await make(login_timeout=1.0)
    silent, talker = await scene.connect(), await scene.connect()
    silent.begin()
    await talker.open(PARTNER, OURS)
    talker.send(" ")
    for stream in (silent, talker):
        assert await stream.error() == "connection-timeout"
        assert await stream.next() is None


async def test_a_domain_has_a_limited_number_of_streams(make: Make) -> None:
    scene = await make(streams=1)
    await scene.proved()
    stream = await scene.connect()
    await stream.open(PARTNER, OURS)
    stream.send(result(stream.stream_id))
    answer = await stream.receive("db:result")
    assert (answer.get("type"), error_of_dialback(answer)) == ("error", "resource-constraint")


async def test_a_silent_server_costs_the_sender_an_error_and_nothing_else(make: Make) -> None:
    scene = await make(connect_timeout=0.5, queue_stanzas=3)
    scene.partner.is_silent = True
    ivanov = await scene.log_in(IVANOV)
    for number in range(4):
        ivanov.send(chat(f"smirnov@{PARTNER}", "кто-нибудь?", id_=f"m{number}"))
    conditions = {}
    for _ in range(4):
        error = await ivanov.receive("c:message", lambda stanza: stanza.get("type") == "error")
        conditions[error.get("id")] = error_of(error)
    waited = dict.fromkeys(("m0", "m1", "m2"), "remote-server-timeout")
    assert conditions == {**waited, "m3": "resource-constraint"}
    started = scene.partner.connections
    ivanov.send(chat(f"smirnov@{PARTNER}", "ещё раз", id_="again"))  # within the time of rest
    error = await ivanov.receive("c:message", lambda stanza: stanza.get("id") == "again")
    assert error_of(error) == "remote-server-timeout" and scene.partner.connections == started
    stream = await scene.connect()
    await stream.open(PARTNER, OURS)
    stream.send(result(stream.stream_id))  # nobody says whether the key is good
    answer = await stream.receive("db:result")
    assert (answer.get("type"), error_of_dialback(answer)) == ("error", "remote-server-timeout")


async def test_a_server_that_is_not_there(make: Make) -> None:
    scene = await make(route=9)
    ivanov = await scene.log_in(IVANOV)
    ivanov.send(chat(f"smirnov@{PARTNER}", "есть кто?", id_="m1"))
    error = await ivanov.receive("c:message", lambda stanza: stanza.get("id") == "m1")
    assert error_of(error) == "remote-server-not-found"
    ivanov.send(f"<presence type='subscribe' to='smirnov@{PARTNER}' id='s1'/>")
    failed = await ivanov.receive("c:presence", lambda stanza: stanza.get("type") == "error")
    assert error_of(failed) == "remote-server-not-found"
    answer = await ivanov.iq("<ping xmlns='urn:xmpp:ping'/>", to=PARTNER)
    assert error_of(answer) == "remote-server-not-found"


async def test_a_route_that_leads_to_ourselves(make: Make) -> None:
    scene = await make(route=0)
    ivanov = await scene.log_in(IVANOV)
    ivanov.send(chat(f"smirnov@{PARTNER}", "эхо?", id_="loop"))
    error = await ivanov.receive("c:message", lambda stanza: stanza.get("id") == "loop")
    assert error_of(error) == "remote-server-not-found"


async def test_too_much_of_one_domain_is_slowed_down_not_lost(make: Make) -> None:
    scene = await make(stanza_rate=20)
    ivanov = await scene.log_in(IVANOV)
    stream = await scene.proved()
    count = 130  # five seconds' worth may come at once
    loop = asyncio.get_running_loop()
    started = loop.time()
    for number in range(count):
        stream.send(f"<message from='a@{PARTNER}/1' to='{ivanov.full}'><body>{number}</body></message>")
        if number % 10 == 9:
            await stream.writer.drain()
    bodies = [(await ivanov.message()).findtext("{jabber:client}body") for _ in range(count)]
    assert bodies == [str(number) for number in range(count)]
    stream.send(f"<message from='a@{PARTNER}/1' to='{ivanov.full}'><body>last</body></message>")
    await ivanov.message("last")
    assert loop.time() - started > 0.4


async def test_tls_and_certificates(make: Make, authority: Authority, tmp_path: Path) -> None:
    scene = await make(tls="verified")
    plain = await scene.connect()
    features = await plain.open(PARTNER, OURS)
    assert [child.tag.rpartition("}")[2] for child in features] == ["starttls"]
    plain.send(result(plain.stream_id))
    assert await plain.error() == "policy-violation"

    ivanov = await scene.log_in(IVANOV)
    stream = await secure(scene, authority, tmp_path / "good", [PARTNER])
    features = await stream.open(PARTNER, OURS)
    assert "mechanisms" in [child.tag.rpartition("}")[2] for child in features]
    stream.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
    await stream.receive("sasl:success")
    await stream.open(PARTNER, OURS)
    stream.send(f"<message from='a@{PARTNER}/1' to='{IVANOV}' type='chat'><body>good</body></message>")
    await ivanov.message("good")

    stream = await secure(scene, authority, tmp_path / "other", ["other.example"])
    features = await stream.open(PARTNER, OURS)
    assert "mechanisms" not in [child.tag.rpartition("}")[2] for child in features]
    for claim in ("é", "=", "7w=="):
        stream.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>{claim}</auth>")
        failure = await stream.receive("sasl:failure")
        assert failure[0].tag.rpartition("}")[2] == "not-authorized"


async def secure(scene: Scene, authority: Authority, folder: Path, names: list[str]) -> RawServer:
    """A stream on the port for direct TLS, with a certificate for these names."""
    context = ssl.create_default_context(cafile=str(authority.path))
    context.load_cert_chain(*authority.certify(folder, names))
    stream = await RawServer.connect(scene.world, context)
    scene.stack.push_async_callback(stream.close)
    return stream


async def test_a_certificate_of_another_authority_is_no_certificate(make: Make, tmp_path: Path) -> None:
    scene = await make(tls="verified")
    stranger = Authority(tmp_path / "stranger", "Stranger")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(*stranger.certify(tmp_path / "theirs", [PARTNER]))
    with pytest.raises((OSError, AssertionError)):
        stream = await RawServer.connect(scene.world, context)
        scene.stack.push_async_callback(stream.close)
        await stream.open(PARTNER, OURS)


@pytest.mark.parametrize(
    "rules",
    [
        {"allow": ["finance.example=*"]},
        {"allow": ["*=*"], "deny": ["digital.example=partner.example"]},
        {"allow": []},
    ],
)
async def test_a_department_talks_only_to_whom_it_may(make: Make, rules: dict[str, list[str]]) -> None:
    scene = await make(**rules)
    ivanov = await scene.log_in(IVANOV)
    for stanza in (
        chat(f"smirnov@{PARTNER}", "можно?", id_="x"),
        f"<presence type='subscribe' to='smirnov@{PARTNER}' id='x'/>",
        f"<presence to='room@conference.{PARTNER}/nick' id='x'/>",
        f"<iq type='get' to='{PARTNER}' id='x'><ping xmlns='urn:xmpp:ping'/></iq>",
    ):
        ivanov.send(stanza)
        name = "c:" + stanza[1:].partition(" ")[0]
        error = await ivanov.receive(name, lambda each: each.get("id") == "x")
        assert error_of(error) == "not-allowed"
    assert scene.partner.connections == 0
    for ours in (OURS, f"conference.{OURS}"):
        stream = await scene.connect()
        await stream.open(PARTNER, ours)
        stream.send(result(stream.stream_id, to=ours))
        answer = await stream.receive("db:result")
        assert (answer.get("type"), error_of_dialback(answer)) == ("error", "policy-violation")
    assert scene.partner.connections == 0


async def test_a_proved_server_may_not_write_to_a_department_that_shuns_it(
    make: Make, authority: Authority, tmp_path: Path
) -> None:
    scene = await make(tls="verified", allow=["digital.example=*"])
    stream = await secure(scene, authority, tmp_path / "good", [PARTNER])
    await stream.open(PARTNER, OURS)
    stream.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
    await stream.receive("sasl:success")
    await stream.open(PARTNER, OURS)
    stream.send("<bidi xmlns='urn:xmpp:bidi'/>")
    assert await stream.error() == "unsupported-stanza-type"  # too late


async def test_idle_streams_are_closed_and_opened_again(make: Make) -> None:
    scene = await make(idle_timeout=1)
    ivanov = await scene.log_in(IVANOV)
    stream = await scene.proved()
    assert await stream.next() is None  # closed without an error
    for body in ("first", "second"):
        ivanov.send(chat(f"smirnov@{PARTNER}", body))
        ours = await asyncio.wait_for(scene.partner.streams.get(), TIMEOUT)
        async with asyncio.timeout(TIMEOUT):
            await ours.ended.wait()


async def test_what_waits_when_the_server_stops_is_returned(make: Make) -> None:
    scene = await make()
    scene.partner.is_silent = True
    ivanov = await scene.log_in(IVANOV)
    ivanov.send(chat(f"smirnov@{PARTNER}", "успею?"))
    await ivanov.settle()
    await scene.world.stop()
    await ivanov.wait_end()
    await scene.world.start()
    assert scene.partner.connections >= 1
