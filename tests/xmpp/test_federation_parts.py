# SPDX-License-Identifier: Apache-2.0
"""The parts of the federation that need no stream: namespaces, policy, pace, routes, keys, names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.config import Config, FederationSettings, SmtpSettings
from armgs_server.errors import Invalid
from armgs_server.net.identity import is_for
from armgs_server.xmpp.content import COMPONENT, SERVER
from armgs_server.xmpp.federation.pace import Pace
from armgs_server.xmpp.federation.policy import Policy
from armgs_server.xmpp.federation.routing import NoRoute, Routing, Target, parse_route
from armgs_server.xmpp.federation.wire import domains_of, to_server
from armgs_server.xmpp.protocol import Event, Protocol, StreamHeader, parse_stanza
from armgs_server.xmpp.stanza import Stanza, head
from armgs_server.xmpp.xeps import xep_0220_dialback as dialback
from tests.feed import events_of, feed
from tests.name_server import name_server
from tests.xmpp.federation import Authority

HEADER = (
    "<stream:stream xmlns='{}' xmlns:stream='http://etherx.jabber.org/streams'"
    " xmlns:db='jabber:server:dialback' from='a.example' to='b.example' id='x1' version='1.0'>"
)


class Described:
    """A server's stream whose events can be compared."""

    def __init__(self, content: str = SERVER) -> None:
        self._protocol = Protocol(max_stanza_size=10_000, content=content)

    def receive_data(self, data: bytes) -> None:
        self._protocol.receive_data(data)

    def events(self) -> Any:
        for event in self._protocol.events():
            if isinstance(event, Stanza):
                yield event.raw, event.name, event.xmlns, event.attributes, list(event.marks)
            else:
                yield event


@pytest.mark.parametrize("content", [SERVER, COMPONENT])
@pytest.mark.parametrize("declaration", ["", " xmlns='{}'", ' xmlns = "{}"'])
def test_stanzas_of_other_content_namespaces_are_ours(content: str, declaration: str) -> None:
    named = declaration.format(content)
    data = (
        f"<message{named} from='a@a.example' to='c@b.example'><body{named}>hi</body>"
        f"<x xmlns='urn:x'><body/></x><subject>s</subject></message><db:result>key</db:result>"
    )
    stream = (HEADER.format(content) + data).encode()
    feed(lambda: Described(content), stream, b"<presence/>")
    protocol = Protocol(max_stanza_size=10_000, content=content)
    events: list[Event] = events_of(lambda: protocol, [stream])
    header, message, result = events
    assert isinstance(header, StreamHeader) and header.id == "x1"
    assert isinstance(message, Stanza) and message.is_stanza
    assert message.text("body") == "hi" and message.text("subject") == "s"
    assert [(child.name, child.xmlns) for child in message.children] == [
        ("body", "jabber:client"),
        ("x", "urn:x"),
        ("subject", "jabber:client"),
    ]
    assert content.encode() not in message.forward("a@a.example", "c@b.example")
    assert isinstance(result, Stanza)
    assert (result.xmlns, result.name, result.tree().text) == (dialback.NAMESPACE, "result", "key")


def test_a_quiet_stream_keeps_its_namespace_and_prefixes() -> None:
    protocol = Protocol(max_stanza_size=10_000, content=SERVER)
    protocol.receive_data(HEADER.format(SERVER).encode())
    protocol.rest()
    protocol.receive_data(b"<iq type='get' id='1'/><db:verify id='2'>k</db:verify>")
    _, iq, verify = protocol.events()
    assert isinstance(iq, Stanza) and iq.is_stanza
    assert isinstance(verify, Stanza) and verify.xmlns == dialback.NAMESPACE


@pytest.mark.parametrize("content", ["jabber:client", "urn:other"])
def test_another_content_namespace_is_refused(content: str) -> None:
    (fault,) = events_of(Described, [HEADER.format(content).encode()])
    assert fault.condition == "invalid-namespace"


def test_what_goes_out_names_no_client_namespace() -> None:
    forwarded = b"<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'/></forwarded>"
    ready = head("message", "a@b.example", "c@d.example", "jabber:client") + b" type='chat'>"
    child = b'<body xmlns="jabber:client">jabber:client</body>'
    data = to_server(ready + child + forwarded + b"</message>")
    assert data == (
        b"<message from='a@b.example' to='c@d.example' type='chat'><body>jabber:client</body>"
        + forwarded
        + b"</message>"
    )
    assert to_server(b"<presence from='a' to='b'/>") == b"<presence from='a' to='b'/>"


@given(
    local=st.sampled_from(["", "a@", "иван@"]),
    domain=st.sampled_from(["b.example", "пример.рф"]),
    resource=st.text("a /'\"<>&=бя", min_size=1, max_size=20),
    id_=st.text("a /'\"<>&=бя", max_size=20),
)
def test_the_domains_of_a_stanza(local: str, domain: str, resource: str, id_: str) -> None:
    data = parse_stanza(b"<iq type='get'/>")
    data.attributes["id"] = id_ + " from='x.example'"
    ready = data.forward(f"{local}{domain}/{resource}", "to.example")
    assert domains_of(ready) == (domain, "to.example")


@given(st.binary(max_size=200))
def test_a_servers_stream_survives_anything(data: bytes) -> None:
    assert events_of(Described, [HEADER.format(SERVER).encode(), data])


def test_policy() -> None:
    policy = Policy(
        ["digital.example=partner.example", "*=ministry.example"],
        ["finance.example=*", "*=bad.ministry.example"],
    )
    ours = {"digital.example", "also-digital.example"}
    assert policy.allows(ours, "partner.example")
    assert policy.allows(ours, "conference.partner.example")
    assert not policy.allows(ours, "notpartner.example")
    assert policy.allows({"hr.example"}, "ministry.example")
    assert not policy.allows({"hr.example"}, "partner.example")
    assert not policy.allows({"finance.example"}, "ministry.example")
    assert not policy.allows(ours, "x.bad.ministry.example")
    assert Policy((), ()).allows_nobody and not Policy((), ()).allows(ours, "partner.example")


@pytest.mark.parametrize("rule", ["", "a.example", "=b.example", "a.example=", "a b=c.example"])
def test_rules_that_are_none(rule: str) -> None:
    with pytest.raises(Invalid, match=r"federation\.allow"):
        Policy([rule], ())


@given(st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 50), st.floats(0, 3)), max_size=50))
def test_pace_never_lets_more_through_than_its_rate(steps: list[tuple[int, int, float]]) -> None:
    pace, now, size, stanzas = Pace(1000, 10), 100.0, 0, 0
    for taken, count, pause in steps:
        now += pause
        now += pace.take(taken, count, now)
        size, stanzas = size + taken, stanzas + count
        assert size <= 1000 * (now - 100.0 + 5.001) and stanzas <= 10 * (now - 100.0 + 5.001)


def test_keys() -> None:
    # XEP-0185 §3, the example.
    key = dialback.make_key(b"s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F")
    assert key == "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"
    assert dialback.is_key(b"s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F", f" {key}\n")
    for other in (
        ("example.org", "xmpp.example.com", "D60000229F"),
        ("xmpp.example.com", "example.org", "D"),
    ):
        assert not dialback.is_key(b"s3cr3tf0rd14lb4ck", *other, key)


def test_routes_of_settings() -> None:
    assert parse_route("a.example=host:1234") == ("a.example", Target("host", 1234))
    assert parse_route("* = tls://[2001:db8::1]:5270") == ("*", Target("2001:db8::1", 5270, True))
    for text in ("a.example", "a.example=", "=host", "a b=host", "a.example=host:x"):
        with pytest.raises(Invalid):
            parse_route(text)


RECORDS: dict[tuple[str, str], list[str]] = {
    ("_xmpps-server._tcp.two.example.", "SRV"): ["10 0 5270 direct.two.example."],
    ("_xmpp-server._tcp.two.example.", "SRV"): [
        "10 0 5269 plain.two.example.",
        "5 0 5299 first.two.example.",
    ],
    ("_xmpp-server._tcp.none.example.", "SRV"): ["0 0 0 ."],
    ("_xmpp-server._tcp.xn--e1afmkfd.xn--p1ai.", "SRV"): ["0 0 5269 idn.example."],
}


@pytest.mark.parametrize(
    ("domain", "targets"),
    [
        (
            "two.example",
            [
                Target("first.two.example", 5299),
                Target("direct.two.example", 5270, True),
                Target("plain.two.example", 5269),
            ],
        ),
        ("bare.example", [Target("bare.example", 5269)]),
        ("пример.рф", [Target("idn.example", 5269)]),
        ("static.example", [Target("10.0.0.1", 5299)]),
        ("[2001:db8::1]", [Target("2001:db8::1", 5269)]),
    ],
)
async def test_servers_of_a_domain(domain: str, targets: list[Target]) -> None:
    async with name_server(RECORDS) as server:
        assert await routing(server).targets(domain) == targets


async def test_domains_without_servers() -> None:
    async with name_server(RECORDS) as server:
        with pytest.raises(NoRoute) as none:
            await routing(server).targets("none.example")
        assert not none.value.is_temporary
    with pytest.raises(NoRoute) as silent:
        await routing("127.0.0.1:9").targets("any.example")
    assert silent.value.is_temporary


def routing(server: str) -> Routing:
    return Routing(
        Config(
            directory=Path("/"),
            smtp=SmtpSettings(dns_servers=(server,), dns_timeout=1.0),
            federation=FederationSettings(routes=("static.example=10.0.0.1:5299",)),
        )
    )


def test_whose_a_certificate_is(tmp_path: Path) -> None:
    path, _ = Authority(tmp_path / "ca").certify(tmp_path / "a", ["a.example", "*.b.example", "*.example"])
    der = x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    for domain in ("a.example", "A.Example", "conference.b.example"):
        assert is_for(der, domain)
    for domain in ("b.example", "x.a.example", "x.y.b.example", "example", "c.example", ""):
        assert not is_for(der, domain)
    assert not is_for(b"", "a.example") and not is_for(b"\x30\x03abc", "a.example")
