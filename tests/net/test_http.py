# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 over real sockets: framing, order, what is refused, time-outs, back-pressure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from armgs_server.errors import OverQuota, Temporary
from armgs_server.net.http import Request, Response
from tests.net.harness import Harness, small_receive_socket, until

GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def echo(request: Request) -> Response:
    """Says what it was asked, with the body."""
    body = await request.read(1_000_000)
    return Response(200, [], f"{request.method} {request.path} {request.query} ".encode() + body)


def bodies(answers: bytes) -> list[bytes]:
    """The bodies of answers that all have a Content-Length."""
    found = []
    while answers:
        head, _, answers = answers.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        found.append(answers[:length])
        answers = answers[length:]
    return found


def statuses(answers: bytes) -> list[int]:
    return [int(part.split(b" ", 1)[0]) for part in answers.split(b"HTTP/1.1 ")[1:]]


async def test_answer_as_it_goes_over_the_wire(harness: Harness) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, [("Content-Type", "text/plain")], b"hello")

    answer = await harness.exchange(harness.serve_http(handler), LAST)
    lines = answer.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert lines[1] == b"Server: armgs_server"
    assert lines[2].startswith(b"Date: ") and lines[2].endswith(b" GMT")
    assert lines[3:] == [
        b"Content-Type: text/plain",
        b"Content-Length: 5",
        b"Connection: close",
        b"",
        b"hello",
    ]


async def test_pipelined_requests_are_answered_in_order(harness: Harness) -> None:
    async def handler(request: Request) -> Response:
        await asyncio.sleep(0.02 if request.path == "/0" else 0)
        return Response(200, [], request.path.encode())

    data = b"".join(GET % b"%d" % number for number in range(50)) + LAST
    answers = await harness.exchange(harness.serve_http(handler), data)
    assert bodies(answers) == [b"/%d" % number for number in range(50)] + [b"/last"]


async def test_one_handler_at_a_time_and_bounded_read_ahead(harness: Harness) -> None:
    harness.configure(http={"pipeline": 3})
    running = most = 0

    async def handler(request: Request) -> Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return Response(204)

    data = (GET % b"x") * 5000 + LAST
    answers = await harness.exchange(harness.serve_http(handler), data)
    assert answers.count(b"HTTP/1.1 204 No Content") == 5001
    assert most == 1


async def test_half_closed_pipeline_is_answered_whole(harness: Harness) -> None:
    reader, writer = await harness.connect(harness.serve_http(echo))
    writer.write((GET % b"a") + (GET % b"b"))
    writer.write_eof()
    assert bodies(await asyncio.wait_for(reader.read(), 5)) == [b"GET /a  ", b"GET /b  "]


async def test_bodies_with_length_and_chunked(harness: Harness) -> None:
    data = (
        b"PUT /a?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        b"PUT /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;ext=1\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n" + LAST
    )
    answers = await harness.exchange(harness.serve_http(echo), data)
    assert bodies(answers) == [b"PUT /a x=1 abc", b"PUT /b  abc0123456789", b"GET /last  "]


async def test_unread_body_does_not_become_the_next_request(harness: Harness) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, [], request.path.encode())

    injected = GET % b"injected"
    data = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(injected) + injected + LAST
    assert bodies(await harness.exchange(harness.serve_http(handler), data)) == [b"/a", b"/last"]


POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
SMUGGLING = {
    "both framings": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both, other order": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "equal lengths": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "length list": POST + b"Content-Length: 1, 1\r\n\r\na",
    "signed length": POST + b"Content-Length: +1\r\n\r\na",
    "negative length": POST + b"Content-Length: -1\r\n\r\na",
    "hex length": POST + b"Content-Length: 0x1\r\n\r\na",
    "huge length": POST + b"Content-Length: 99999999999999999999999\r\n\r\na",
    "empty length": POST + b"Content-Length: \r\n\r\na",
    "space before the colon": POST + b"Content-Length : 1\r\n\r\na",
    "folded field": POST + b"X: a\r\n b\r\n\r\n",
    "bare LF": b"POST / HTTP/1.1\nHost: a\n\n",
    "bare CR in a value": POST + b"X: a\rb\r\n\r\n",
    "NUL in a value": POST + b"X: a\0b\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "almost chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two hosts": POST + b"Host: b\r\nContent-Length: 0\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "no path": b"GET elsewhere HTTP/1.1\r\nHost: a\r\n\r\n",
    "tunnel": b"CONNECT a:25 HTTP/1.1\r\nHost: a\r\n\r\n",
    "other version": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "unknown method": b"FETCH / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no HTTP": b"EHLO mail.example\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "path with a control": b"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
    "path not UTF-8": b"GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLING)
async def test_ambiguous_or_broken_requests_are_refused_and_end_the_connection(
    harness: Harness, name: str
) -> None:
    reached: list[str] = []

    async def handler(request: Request) -> Response:
        reached.append(request.path)
        await request.read(1000)
        return Response(200)

    answers = await harness.exchange(harness.serve_http(handler), SMUGGLING[name] + GET % b"smuggled")
    assert len(statuses(answers)) == 1
    assert statuses(answers)[0] in (400, 501, 505)
    assert b"Connection: close\r\n" in answers
    assert "/smuggled" not in reached


@pytest.mark.parametrize(
    "chunks", [b"3\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"g\r\n", b"-1\r\n", b" 3\r\nabc"]
)
async def test_broken_chunks_end_the_connection(harness: Harness, chunks: bytes) -> None:
    data = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + GET % b"smuggled"
    answers = await harness.exchange(harness.serve_http(echo), data)
    assert statuses(answers) == [400]


async def test_limits_of_line_and_header(harness: Harness) -> None:
    harness.configure(http={"line_length": 1024, "header_size": 4096, "header_count": 10})
    port = harness.serve_http(echo)
    long_line = b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    assert statuses(await harness.exchange(port, long_line)) == [414]
    large = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 5000 + b"\r\n\r\n"
    assert statuses(await harness.exchange(port, large)) == [431]
    many = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 10 + b"\r\n"
    assert statuses(await harness.exchange(port, many)) == [431]
    endless = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200000
    assert statuses(await harness.exchange(port, endless)) == [431]


async def test_endless_trailers_are_refused(harness: Harness) -> None:
    harness.configure(http={"header_size": 4096})
    data = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: a\r\n" * 2000
    assert statuses(await harness.exchange(harness.serve_http(echo), data)) == [400]
    data = data.partition(b"0\r\n")[0] + b"0\r\nX: " + b"a" * 200000
    assert statuses(await harness.exchange(harness.serve_http(echo), data)) == [400]


async def test_body_above_the_handlers_limit(harness: Harness) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, [], await request.read(10))

    port = harness.serve_http(handler)
    announced = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n" + bytes(20) + LAST
    assert statuses(await harness.exchange(port, announced)) == [413, 200]
    chunked = (
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n"
        + bytes(20)
        + b"\r\n0\r\n\r\n"
    )
    assert statuses(await harness.exchange(port, chunked + LAST)) == [413, 200]


async def test_expect_continue_is_answered_when_the_body_is_wanted(harness: Harness) -> None:
    reader, writer = await harness.connect(harness.serve_http(echo))
    writer.write(b"PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"abc")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert await reader.readexactly(10) == b"PUT /a  ab"


async def test_expect_continue_is_not_answered_when_the_body_is_there_or_refused(harness: Harness) -> None:
    port = harness.serve_http(echo)
    there = b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" + LAST
    assert statuses(await harness.exchange(port, there)) == [200, 200]

    async def refuse(request: Request) -> Response:
        return Response(401)

    data = b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    answers = await harness.exchange(harness.serve_http(refuse), data)
    assert statuses(answers) == [401]
    assert b"Connection: close" in answers


async def test_refused_upload_gets_its_answer_and_keeps_the_connection(harness: Harness) -> None:
    async def handler(request: Request) -> Response:
        return Response(401 if request.method == "PUT" else 200)

    size = 8 * 1024 * 1024
    reader, writer = await harness.connect(harness.serve_http(handler))
    writer.write(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + bytes(size) + LAST)
    assert statuses(await asyncio.wait_for(reader.read(), 10)) == [401, 200]


@pytest.mark.parametrize("secure", [False, True])
async def test_upload_too_large_to_skip_gets_its_answer(harness: Harness, secure: bool) -> None:
    harness.configure(http={"discard_size": 1000})

    async def handler(request: Request) -> Response:
        return Response(413, [], b"too much")

    reader, writer = await harness.connect(harness.serve_http(handler, secure=secure), secure=secure)
    writer.write(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + bytes(2_000_000))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert b"Connection: close" in head
    assert await reader.readexactly(8) == b"too much"


async def test_slow_header_and_idle_connection(harness: Harness) -> None:
    harness.configure(http={"header_timeout": 0.2, "keep_alive": 0.2})
    port = harness.serve_http(echo)
    assert statuses(await harness.exchange(port, b"GET / HTTP/1.1\r\nHost:")) == [408]
    assert await harness.exchange(port, b"") == b""
    assert statuses(await harness.exchange(port, GET % b"a")) == [200]
    trickle = asyncio.create_task(_trickle(harness, port))
    assert statuses(await asyncio.wait_for(trickle, 5)) == [408]


async def _trickle(harness: Harness, port: int) -> bytes:
    """A header byte by byte: each byte comes in time, the header does not."""
    reader, writer = await harness.connect(port)
    received = asyncio.create_task(reader.read())
    writer.write(b"GET / HTTP/1.1\r\nX: ")
    while not received.done():
        writer.write(b"a")
        await asyncio.wait([received], timeout=0.02)
    return await received


async def test_slow_body_times_out(harness: Harness) -> None:
    harness.configure(http={"body_timeout": 0.2})
    data = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"
    reader, writer = await harness.connect(harness.serve_http(echo))
    writer.write(data)
    assert statuses(await asyncio.wait_for(reader.read(), 5)) == [408]


async def test_client_that_leaves_in_the_middle_of_a_body(harness: Harness) -> None:
    outcome: list[BaseException] = []

    async def handler(request: Request) -> Response:
        try:
            await request.read(100)
        except ConnectionError as error:
            outcome.append(error)
            raise
        return Response(200)

    _, writer = await harness.connect(harness.serve_http(handler))
    writer.write(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    await writer.drain()
    writer.close()
    await until(lambda: bool(outcome) and harness.server.limits.count == 0)
    assert len(outcome) == 1


async def test_upload_is_slowed_to_the_pace_of_the_handler(harness: Harness) -> None:
    harness.configure(limits={"read_buffer": 65536})
    go = asyncio.Event()
    total = 8 * 1024 * 1024
    largest = 0

    async def handler(request: Request) -> Response:
        nonlocal largest
        await go.wait()
        size = 0
        async for chunk in request.chunks():
            largest = max(largest, len(chunk))
            size += len(chunk)
        return Response(200, [], b"%d" % size)

    reader, writer = await harness.connect(harness.serve_http(handler))
    writer.write(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % total + bytes(total))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(writer.drain(), 0.3)
    go.set()
    await reader.readuntil(b"\r\n\r\n")
    assert int(await reader.readexactly(7)) == total
    assert largest <= 65536 + 262144


async def _parts(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(size)


async def test_streamed_answers(harness: Harness) -> None:
    async def handler(request: Request) -> Response:
        length = 300 if request.path == "/known" else None
        return Response(200, [], _parts(3, 100), length)

    port = harness.serve_http(handler)
    known = await harness.exchange(port, GET % b"known" + LAST)
    head, _, rest = known.partition(b"\r\n\r\n")
    assert b"Content-Length: 300" in head
    assert rest[:300] == bytes(300)
    assert b"Transfer-Encoding: chunked" in rest
    assert rest.endswith((b"64\r\n" + bytes(100) + b"\r\n") * 3 + b"0\r\n\r\n")
    old = await harness.exchange(port, b"GET /x HTTP/1.0\r\n\r\n")
    head, _, body = old.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head and b"Connection: close" in head
    assert body == bytes(300)


async def test_large_answer_waits_for_its_reader(harness: Harness) -> None:
    sent = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(512):
            sent += 65536
            yield bytes(65536)

    async def handler(request: Request) -> Response:
        return Response(200, [], parts(), 512 * 65536)

    port = harness.serve_http(handler)
    with small_receive_socket(port) as sock:
        sock.sendall(GET % b"x")
        await until(lambda: sent > 0)
        await asyncio.sleep(0.2)
        assert sent < 16 * 1024 * 1024
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        received = 0
        while received < 512 * 65536:
            received += len(await asyncio.wait_for(loop.sock_recv(sock, 1 << 20), 5))


async def test_streamed_answer_that_breaks_is_not_taken_for_whole(harness: Harness) -> None:
    closed: list[bool] = []

    async def broken() -> AsyncIterator[bytes]:
        try:
            yield b"abc"
            raise Temporary()
        finally:
            closed.append(True)

    async def handler(request: Request) -> Response:
        if request.path == "/short":
            return Response(200, [], _parts(1, 3), 10)
        return Response(200, [], broken())

    port = harness.serve_http(handler)
    for path in (b"broken", b"short"):
        reader, writer = await harness.connect(port)
        writer.write(GET % path)
        try:
            answer = await asyncio.wait_for(reader.read(), 5)
        except ConnectionError:
            continue
        assert not answer.endswith(b"0\r\n\r\n")
    assert closed == [True]


async def test_head_has_the_length_and_no_body(harness: Harness) -> None:
    async def handler(request: Request) -> Response:
        if request.path == "/stream":
            return Response(200, [], _parts(3, 100), 300)
        if request.path == "/announced":
            return Response(200, [], b"", 4000)
        return Response(200, [], [b"ab", b"cd"])

    port = harness.serve_http(handler)
    for path, length in ((b"/stream", b"300"), (b"/announced", b"4000"), (b"/", b"4")):
        data = b"HEAD " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answer = await harness.exchange(port, data)
        assert b"Content-Length: " + length + b"\r\n" in answer
        assert answer.endswith(b"\r\n\r\n")


async def test_errors_of_handlers(harness: Harness) -> None:
    async def handler(request: Request) -> Response:
        if request.path == "/quota":
            raise OverQuota("full")
        if request.path == "/later":
            raise Temporary("not now")
        if request.path == "/split":
            return Response(200, [("X", "a\r\nSet-Cookie: b")])
        raise RuntimeError("a fault of ours")

    port = harness.serve_http(handler)
    answers = await harness.exchange(port, GET % b"quota" + GET % b"later" + LAST)
    assert statuses(answers) == [507, 503, 500]
    assert bodies(answers) == [b"full\n", b"not now\n", b"Internal Server Error\n"]
    assert b"Retry-After: 30\r\n" in answers
    reader, writer = await harness.connect(port)
    writer.write(GET % b"split")
    with pytest.raises((ConnectionError, AssertionError)):
        assert await reader.read() != b""


async def test_keep_alive_of_old_and_new_clients(harness: Harness) -> None:
    port = harness.serve_http(echo)
    assert len(bodies(await harness.exchange(port, b"GET /a HTTP/1.0\r\n\r\n"))) == 1
    upgrade = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert bodies(await harness.exchange(port, upgrade + LAST)) == [b"GET /a  ", b"GET /last  "]


async def test_https(harness: Harness) -> None:
    port = harness.serve_http(echo, secure=True)
    assert bodies(await harness.exchange(port, LAST, secure=True)) == [b"GET /last  "]


async def test_graceful_stop_finishes_the_answer_and_closes_idle_connections(harness: Harness) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        began.set()
        await go.wait()
        return Response(200, [], b"finished")

    port = harness.serve_http(handler)
    idle, _ = await harness.connect(port)
    busy, writer = await harness.connect(port)
    writer.write(GET % b"x")
    await began.wait()
    stopping = asyncio.create_task(harness.server.stop(5))
    assert await asyncio.wait_for(idle.read(), 5) == b""
    go.set()
    answer = await asyncio.wait_for(busy.read(), 5)
    assert answer.endswith(b"finished") and b"Connection: close" in answer
    await stopping


async def test_trace_shows_the_conversation_without_its_credentials(
    harness: Harness, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("armgs_server"), "propagate", True)
    caplog.set_level("INFO", "armgs_server.trace")
    harness.configure(log={"trace": ("http",)})
    data = b"GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic SECRET\r\nConnection: close\r\n\r\n"
    await harness.exchange(harness.serve_http(echo), data)
    shown = [(record.getMessage(), record.__dict__["fields"]["data"]) for record in caplog.records]
    assert ("<", b"GET /a") in shown
    assert ("<", b"authorization: Basic ***") in shown
    assert (">", b"200") in shown
    assert b"SECRET" not in repr(shown).encode()
