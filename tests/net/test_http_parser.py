# SPDX-License-Identifier: Apache-2.0
"""However the network cuts a request, the same requests with the same bodies come out."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.config import HttpSettings
from armgs_server.errors import Invalid
from armgs_server.net.http import Request
from armgs_server.net.http.body import Body
from armgs_server.net.http.message import split_target
from armgs_server.net.http.parser import Refused, RequestParser


class Source:
    """A body's source that nobody waits on: everything is there before it is read."""

    def body_wanted(self) -> None:
        raise AssertionError("the body was read before it was complete")

    def body_taken(self) -> None:
        return


class Recorder:
    """Feeds a parser and remembers what came out."""

    def __init__(self) -> None:
        self.requests: list[tuple[Request, Body | None]] = []
        self.parser = RequestParser(
            HttpSettings(),
            "192.0.2.1",
            False,
            lambda: Body(Source()),
            lambda *made: self.requests.append(made),
        )

    async def results(self) -> list[tuple[str, str, list[tuple[bytes, bytes]], bytes]]:
        return [
            (request.method, request.target, request.headers, await request.read(1 << 20))
            for request, _ in self.requests
        ]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"


@given(
    st.lists(st.binary(max_size=300), max_size=6),
    st.binary(max_size=300),
    st.lists(st.integers(min_value=0), max_size=30),
)
async def test_any_cut_gives_the_same_requests(parts: list[bytes], plain: bytes, places: list[int]) -> None:
    data = (
        b"PUT /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunked(parts)
        + b"PUT /plain?q HTTP/1.1\r\nHOST: a\r\nX-Long:  value \r\nContent-Length: %d\r\n\r\n" % len(plain)
        + plain
        + b"GET /last HTTP/1.1\r\nhost: a\r\n\r\n"
    )
    recorder = Recorder()
    for piece in cut(data, places):
        recorder.parser.feed(piece)
    assert await recorder.results() == [
        ("PUT", "/chunked", [(b"host", b"a"), (b"transfer-encoding", b"chunked")], b"".join(parts)),
        (
            "PUT",
            "/plain?q",
            [(b"host", b"a"), (b"x-long", b"value"), (b"content-length", str(len(plain)).encode())],
            plain,
        ),
        ("GET", "/last", [(b"host", b"a")], b""),
    ]


@given(st.binary(max_size=2000), st.lists(st.integers(min_value=0), max_size=10))
def test_any_bytes_are_taken_or_refused(data: bytes, places: list[int]) -> None:
    recorder = Recorder()
    try:
        for piece in cut(b"POST / HTTP/1.1\r\nHost: a\r\n" + data, places):
            recorder.parser.feed(piece)
    except Refused as refused:
        assert refused.status in (400, 414, 431, 501, 505)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/dav/a/", "/dav/a/", ""),
        ("/dav/%D0%BE%D1%82%D1%87%D1%91%D1%82.odt?x=%20", "/dav/отчёт.odt", "x=%20"),
        ("/dav/a%40b.example/", "/dav/a@b.example/", ""),
        ("/a//b/./c/../d", "/a/b/d", ""),
        ("/../../etc/passwd", "/etc/passwd", ""),
        ("/a/%2e%2e/b", "/b", ""),
        ("/a/b/..", "/a/", ""),
        ("http://host.example:8080/a?b", "/a", "b"),
        ("HTTPS://host.example", "/", ""),
        ("*", "*", ""),
        ("/a%20b+c", "/a b+c", ""),
        ("/a%", "/a%", ""),
    ],
)
def test_target_as_path(target: str, path: str, query: str) -> None:
    assert split_target(target) == (path, query)


@pytest.mark.parametrize("target", ["", "a", "ftp://a/b", "host:443", "/a%00", "/a%0ab", "/%ff", "/%c0%af"])
def test_target_that_is_no_path(target: str) -> None:
    with pytest.raises(Invalid):
        split_target(target)


@given(st.text(max_size=200))
def test_any_path_is_normalised_once_and_for_all(text: str) -> None:
    try:
        path, _ = split_target("/" + text.encode("utf-8", "ignore").decode("latin-1"))
    except Invalid:
        return
    assert path.startswith("/")
    assert "//" not in path
    assert not {".", ".."} & set(path.split("/"))


def test_header_lookup() -> None:
    request = Request("GET", "/", [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")], peer="", is_tls=False)
    assert (request.header("A"), request.header("b"), request.header("c")) == ("1, 3", "2", None)
