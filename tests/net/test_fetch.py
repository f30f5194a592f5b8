# SPDX-License-Identifier: Apache-2.0
"""GET of what somebody has named: bounded, and never into networks that are not allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.config import LimitSettings
from armgs_server.errors import Denied, DomainError, Invalid, Temporary, TooLarge
from armgs_server.net.fetch import Bounds, Fetched, check_url, deliver, fetch, is_allowed, post
from tests.web import Web, running_web

LIMITS = LimitSettings()
HERE = ("127.0.0.0/8",)


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with running_web() as web:
        yield web


def bounds(size: int = 1000, timeout: float = 20.0, networks: tuple[str, ...] = HERE) -> Bounds:
    return Bounds(size, timeout, networks)


async def test_what_is_there(web: Web) -> None:
    web.put("/a?b=c", b"hello", etag='"1"')
    answer = await fetch(web.url("/a?b=c"), LIMITS, bounds(), {"If-None-Match": '"0"'})
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"hello", '"1"')
    assert web.asked[0].startswith(b"GET /a?b=c HTTP/1.1\r\n") and b'If-None-Match: "0"\r\n' in web.asked[0]
    web.pages["/none"] = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    assert (await fetch(web.url("/none"), LIMITS, bounds())).status == 304
    web.pages["/close"] = b"HTTP/1.1 200 OK\r\n\r\nto the end"
    assert (await fetch(web.url("/close"), LIMITS, bounds())).body == b"to the end"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    web.pages["/chunked"] = chunked
    assert (await fetch(web.url("/chunked"), LIMITS, bounds())).body == b"abc"


async def test_redirects(web: Web) -> None:
    web.put("/end", b"here")
    web.put("/3", b"", status="301 Moved", extra="Location: /end\r\n")
    web.put("/2", b"", status="302 Found", extra=f"Location: {web.url('/3')}\r\n")
    web.put("/1", b"", status="307 Temporary", extra="Location: 2\r\n")
    assert (await fetch(web.url("/1"), LIMITS, bounds())).body == b"here"
    web.put("/loop", b"", status="302 Found", extra="Location: /loop\r\n")
    with pytest.raises(Temporary, match="too many"):
        await fetch(web.url("/loop"), LIMITS, bounds())
    web.put("/file", b"", status="302 Found", extra="Location: file:///etc/passwd\r\n")
    with pytest.raises(Invalid):
        await fetch(web.url("/file"), LIMITS, bounds())


async def test_bounds(web: Web) -> None:
    web.put("/large", b"x" * 1001)
    with pytest.raises(TooLarge):
        await fetch(web.url("/large"), LIMITS, bounds())
    web.pages["/header"] = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000
    with pytest.raises(TooLarge):
        await fetch(web.url("/header"), LIMITS, bounds())
    web.pages["/short"] = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
    with pytest.raises(Temporary, match="broke off"):
        await fetch(web.url("/short"), LIMITS, bounds())
    web.pages["/chunk"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    with pytest.raises(Temporary, match="broke off"):
        await fetch(web.url("/chunk"), LIMITS, bounds())
    web.pages["/head"] = b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026"
    with pytest.raises(Temporary, match="broke off"):
        await fetch(web.url("/head"), LIMITS, bounds())
    web.pages["/nonsense"] = b"SSH-2.0\r\n"
    with pytest.raises(Temporary):
        await fetch(web.url("/nonsense"), LIMITS, bounds())
    with pytest.raises(Temporary, match="404"):
        await fetch(web.url("/missing"), LIMITS, bounds())
    with pytest.raises(Denied):
        await fetch(web.url("/large"), LIMITS, bounds(networks=()))


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
async def test_a_name_that_no_host_can_have(host: str) -> None:
    for asked in (
        fetch(f"http://{host}/", LIMITS, bounds()),
        post(f"http://{host}/", LIMITS, bounds(), {}, {}),
    ):
        with pytest.raises(Invalid):
            await asked


async def test_who_never_answers_is_left(web: Web) -> None:
    silent = await asyncio.start_server(lambda reader, writer: asyncio.sleep(60), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    with pytest.raises(Temporary, match="too slow"):
        await fetch(f"http://127.0.0.1:{port}/", LIMITS, bounds(timeout=0.2))
    silent.close()


@pytest.mark.parametrize(
    "url",
    ["", "ftp://h/", "http://", "http:///x", "http://h:0/", "http://h:99999/", "http://u:p@h/",
     "http://h/ x", "http://h/\r\nHost: y", "http://h/é", "//h/x", "file:///etc/passwd"],
)  # fmt: skip
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url)


@given(st.text())
def test_any_text_is_a_url_or_invalid(text: str) -> None:
    for url in (text, f"http://{text}"):
        try:
            assert check_url(url).isascii()
        except DomainError as error:
            assert isinstance(error, Invalid)


def test_addresses() -> None:
    for address in ("127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "fe80::1%eth0",
                    "fd00::1", "::ffff:10.0.0.1", "0.0.0.0", "224.0.0.1", "100.64.0.1"):  # fmt: skip
        assert not is_allowed(address, ())
    assert is_allowed("93.184.216.34", ()) and is_allowed("2606:4700::1111", ())
    assert is_allowed("10.1.2.3", ("10.0.0.0/8",)) and is_allowed("::ffff:10.0.0.1", ("10.0.0.0/8",))


async def test_a_form(web: Web) -> None:
    web.put("/form", b"taken")
    answer = await post(web.url("/form"), LIMITS, bounds(), {"a": "ä &"}, {"Accept": "text/plain"})
    assert answer.body == b"taken"
    head = web.asked[0]
    assert head.startswith(b"POST /form HTTP/1.1\r\n") and b"Accept: text/plain\r\n" in head
    assert (
        b"Content-Type: application/x-www-form-urlencoded\r\n" in head and b"Content-Length: 12\r\n" in head
    )
    # What a form holds may be a secret: it is sent where it was meant to go, and nowhere else.
    web.put("/moved", b"", status="307 Temporary", extra="Location: /form\r\n")
    with pytest.raises(Temporary, match="307"):
        await post(web.url("/moved"), LIMITS, bounds(), {"a": "b"}, {})
    web.put("/wrong", b"", status="400 Bad Request")
    with pytest.raises(Invalid, match="400"):
        await post(web.url("/wrong"), LIMITS, bounds(), {"a": "b"}, {})
    web.put("/busy", b"", status="503 Service Unavailable")
    with pytest.raises(Temporary, match="503"):
        await post(web.url("/busy"), LIMITS, bounds(), {"a": "b"}, {})
    with pytest.raises(Denied):
        await post(web.url("/form"), LIMITS, bounds(networks=()), {"a": "b"}, {})
    with pytest.raises(Temporary, match="too many"):
        await fetch(web.url("/moved"), LIMITS, Bounds(1000, 20.0, HERE, redirects=0))


async def send(url: str, timeout: float = 20.0, networks: tuple[str, ...] = HERE) -> Fetched:
    return await deliver(url, LIMITS, bounds(0, timeout, networks), b"body", {"TTL": "5"})


async def test_the_outcome_of_what_is_delivered(web: Web) -> None:
    web.put("/a?b=c", b"hello", status="201 Created")
    answer = await send(web.url("/a?b=c"))
    assert (answer.status, answer.body) == (201, b"")
    head = web.asked[0]
    assert head.startswith(b"POST /a?b=c HTTP/1.1\r\n") and b"\r\nContent-Length: 4\r\n" in head
    assert b"\r\nTTL: 5\r\n" in head
    web.put("/busy", b"", status="429 Too Many Requests", extra="Retry-After: 120\r\n")
    answer = await send(web.url("/busy"))
    assert (answer.status, answer.headers["retry-after"]) == (429, "120")
    web.put("/moved", b"", status="307 Temporary Redirect", extra="Location: /a\r\n")
    assert (await send(web.url("/moved"))).status == 307
    assert (await send(web.url("/none"))).status == 404


async def test_where_nothing_is_delivered(web: Web) -> None:
    with pytest.raises(Denied):
        await send(web.url("/a"), networks=())
    with pytest.raises(Denied):
        await send(f"http://localhost:{web.port}/a", networks=("10.0.0.0/8",))
    for url in ("ftp://example.org/", "http://user:secret@example.org/", "http://", "file:///etc/passwd"):
        with pytest.raises(Invalid):
            await send(url)
    assert web.asked == []


async def test_answers_that_say_no_outcome(web: Web) -> None:
    web.pages["/nothing"] = b""
    web.pages["/noise"] = b"\x00\xff nonsense\r\n\r\n"
    for path in web.pages:
        with pytest.raises(Temporary):
            await send(web.url(path))
    web.pages["/endless"] = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"
    with pytest.raises(TooLarge):
        await send(web.url("/endless"))


async def test_silence_is_no_outcome() -> None:
    taken: list[asyncio.StreamWriter] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Temporary, match="too slow"):
        await send(f"http://127.0.0.1:{port}/", timeout=0.2)
    for writer in taken:
        writer.close()
    server.close()
    await server.wait_closed()
    with pytest.raises(Temporary):
        await send(f"http://127.0.0.1:{port}/")
