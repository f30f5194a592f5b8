# SPDX-License-Identifier: Apache-2.0
"""Who is the client of a request that came through reverse proxies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.config import HttpSettings
from armgs_server.net.http import Request, Response
from armgs_server.net.http.forwarded import name_client, parse_node
from tests.net.harness import Harness

PROXY = "10.0.0.1"
PROXIES = ("10.0.0.0/24", "fd00::/64")


def client(value: str | None, peer: str = PROXY, header: str = "x-forwarded-for") -> str:
    headers = [] if value is None else [(header.encode(), value.encode())]
    request = Request("GET", "/", headers, peer=peer, is_tls=True)
    name_client(request, HttpSettings(forwarding_hosts=PROXIES, forwarding_header=header))
    return request.peer


@pytest.mark.parametrize(
    ("value", "peer"),
    [
        (None, PROXY),
        ("", PROXY),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("203.0.113.9, 192.0.2.7", "192.0.2.7"),  # the client had invented the first
        ("203.0.113.9, 192.0.2.7, 10.0.0.2", "192.0.2.7"),  # through two of ours
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("unknown", PROXY),
        ("192.0.2.7, unknown", PROXY),
        ("192.0.2.777", PROXY),
    ],
)
def test_x_forwarded_for(value: str | None, peer: str) -> None:
    assert client(value) == peer
    assert client(value, "198.51.100.1") == "198.51.100.1", "not from a proxy of ours"


@pytest.mark.parametrize(
    ("value", "peer"),
    [
        ("for=192.0.2.7", "192.0.2.7"),
        ("For=192.0.2.7;proto=https;by=203.0.113.43", "192.0.2.7"),
        ('by=203.0.113.43 ; for="[2001:db8::7]:4711"', "2001:db8::7"),
        ('for="192.0.2.7:_port"', "192.0.2.7"),
        ("for=203.0.113.9, for=192.0.2.7", "192.0.2.7"),
        ('for="x,for=203.0.113.9", for=192.0.2.7, for=10.0.0.2', "192.0.2.7"),
        ("for=unknown", PROXY),
        ("for=_hidden", PROXY),
        ("for=192.0.2.7, proto=https", PROXY),  # our proxy did not say
        ("before=192.0.2.7", PROXY),
        ('for="192.0.2.7', PROXY),
    ],
)
def test_forwarded(value: str, peer: str) -> None:
    """RFC 7239 §4, §6."""
    assert client(value, header="forwarded") == peer


@given(st.text(max_size=60))
def test_any_field_names_an_address_or_nobody(value: str) -> None:
    text = value.encode("utf-8", "ignore").decode("latin-1")
    for header in ("forwarded", "x-forwarded-for"):
        peer = client(text, header=header)
        assert peer == PROXY or parse_node(f"[{peer}]" if ":" in peer else peer) == peer


async def test_only_the_named_field_of_named_hosts_counts(harness: Harness) -> None:
    async def answer(request: Request) -> Response:
        return Response(200, [], request.peer.encode())

    head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nForwarded: for=203.0.113.9\r\n"
    request = head + b"X-Forwarded-For: 192.0.2.7\r\n\r\n"
    harness.configure(http={"forwarding_hosts": ("127.0.0.1",)})
    assert (await harness.exchange(harness.serve_http(answer), request)).endswith(b"192.0.2.7")
    assert (await harness.exchange(harness.serve_http(answer), head + b"\r\n")).endswith(b"127.0.0.1")
