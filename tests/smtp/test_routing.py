# SPDX-License-Identifier: Apache-2.0
"""smtp/routing.py against a name server of the test's own: RFC 5321 §5.1, RFC 7505."""

from __future__ import annotations

import pytest

from armgs_server.config import SmtpSettings
from armgs_server.errors import Invalid
from armgs_server.smtp.routing import Host, NoRoute, Routing, parse_host, parse_route
from tests.name_server import name_server

RECORDS: dict[tuple[str, str], list[str]] = {
    ("two.example.", "MX"): ["20 b.two.example.", "10 a.two.example."],
    ("a.two.example.", "A"): ["192.0.2.1"],
    ("a.two.example.", "AAAA"): ["2001:db8::1"],
    ("b.two.example.", "A"): ["192.0.2.2"],
    ("half.example.", "MX"): ["10 gone.half.example.", "20 b.two.example."],
    ("plain.example.", "A"): ["192.0.2.3"],
    ("null.example.", "MX"): ["0 ."],
    ("backup.example.", "MX"): ["10 a.two.example.", "20 mx.own.example.", "30 b.two.example."],
    ("ours.example.", "MX"): ["10 mx.own.example."],
    ("xn--e1afmkfd.xn--p1ai.", "MX"): ["10 a.two.example."],
    ("bare.example.", "TXT"): ['"no address"'],
}


async def hosts(domain: str) -> list[tuple[str, str]]:
    async with name_server(RECORDS) as server:
        routing = Routing(SmtpSettings(dns_servers=(server,), dns_timeout=0.5), "MX.own.example")
        return [(host.name, host.address) for host in await routing.hosts(domain)]


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (
            "two.example",
            [
                ("a.two.example", "192.0.2.1"),
                ("a.two.example", "2001:db8::1"),
                ("b.two.example", "192.0.2.2"),
            ],
        ),
        ("plain.example", [("plain.example", "192.0.2.3")]),  # the implicit MX
        ("half.example", [("b.two.example", "192.0.2.2")]),
        ("backup.example", [("a.two.example", "192.0.2.1"), ("a.two.example", "2001:db8::1")]),
        ("пример.рф", [("a.two.example", "192.0.2.1"), ("a.two.example", "2001:db8::1")]),
        ("[192.0.2.9]", [("[192.0.2.9]", "192.0.2.9")]),
        ("[IPv6:2001:db8::9]", [("[IPv6:2001:db8::9]", "2001:db8::9")]),
    ],
)
async def test_servers_of_a_domain(domain: str, expected: list[tuple[str, str]]) -> None:
    assert await hosts(domain) == expected


@pytest.mark.parametrize(
    ("domain", "status"),
    [
        ("nowhere.example", "5.1.2"),
        ("null.example", "5.1.10"),
        ("ours.example", "5.4.6"),
        ("bare.example", "5.4.4"),
        ("broken.example", "4.4.3"),
        ("silent.example", "4.4.3"),
        ("not_a_domain", "5.1.2"),
    ],
)
async def test_domains_without_a_server(domain: str, status: str) -> None:
    with pytest.raises(NoRoute) as caught:
        await hosts(domain)
    assert caught.value.status == status


async def test_what_was_asked_is_remembered() -> None:
    async with name_server(RECORDS) as server:
        routing = Routing(SmtpSettings(dns_servers=(server,), dns_timeout=0.5), "MX.own.example")
        found = await routing.hosts("plain.example")
    assert await routing.hosts("plain.example") == found  # nobody answers any more


async def test_static_routes_need_no_name_service() -> None:
    settings = SmtpSettings(relay_routes=("Other.example=mail.example:2525",), relay_host="smart.example")
    routing = Routing(settings, "mx.own.example")
    assert await routing.hosts("other.example") == [
        Host("mail.example", "mail.example", 2525, is_static=True)
    ]
    assert await routing.hosts("third.example") == [
        Host("smart.example", "smart.example", 25, is_static=True)
    ]


def test_routes_are_read() -> None:
    assert parse_host("[2001:db8::1]:2525") == Host("2001:db8::1", "2001:db8::1", 2525, is_static=True)
    assert parse_route("*=host") == ("*", Host("host", "host", 25, is_static=True))
    for text in ("host:0", "host:65536", "host:x", ":25", ""):
        with pytest.raises(Invalid):
            parse_host(text)
    for text in ("host", "=host", "a=", "a..b=host"):
        with pytest.raises(Invalid):
            parse_route(text)
