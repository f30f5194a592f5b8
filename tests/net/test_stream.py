# SPDX-License-Identifier: Apache-2.0
"""Streams over real sockets: order, time-outs, back-pressure both ways, STARTTLS, half-close."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import resource
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from armgs_server.net.outlet import InputBeforeTls
from armgs_server.net.stream import Stream
from tests.net.harness import Harness, small_receive_socket, until


async def echo(stream: Stream) -> None:
    while data := await stream.read(5):
        stream.write(data)
        await stream.drain()


async def test_echo_in_clear_and_under_tls(harness: Harness) -> None:
    for port, secure in ((harness.serve(echo), False), (harness.serve(echo, tls="direct"), True)):
        reader, writer = await harness.connect(port, secure=secure)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"


async def test_writes_of_one_turn_leave_in_order(harness: Harness) -> None:
    async def session(stream: Stream) -> None:
        stream.write(b"one ")
        stream.writelines([b"two ", b"", b"three"])
        stream.close()
        stream.write(b" never")

    assert await harness.exchange(harness.serve(session), b"") == b"one two three"


async def test_read_times_out_and_goes_on(harness: Harness) -> None:
    async def session(stream: Stream) -> None:
        with pytest.raises(TimeoutError):
            await stream.read(0.05)
        stream.write(b"late")
        stream.write(await stream.read(5))

    reader, writer = await harness.connect(harness.serve(session))
    assert await reader.readexactly(4) == b"late"
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"


async def test_half_close_still_gets_the_answer(harness: Harness) -> None:
    async def session(stream: Stream) -> None:
        received = b""
        while data := await stream.read(5):
            received += data
        stream.write(b"got " + received)

    reader, writer = await harness.connect(harness.serve(session))
    writer.write(b"all")
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b"got all"


async def test_input_is_bounded_while_nobody_reads(harness: Harness) -> None:
    harness.configure(limits={"read_buffer": 8192})
    go = asyncio.Event()
    total = 4 * 1024 * 1024

    async def session(stream: Stream) -> None:
        await go.wait()
        size = 0
        largest = 0
        while size < total:
            data = await stream.read(5)
            largest = max(largest, len(data))
            size += len(data)
        stream.write(b"%d %d" % (size, largest))

    reader, writer = await harness.connect(harness.serve(session))
    writer.write(bytes(total))
    with pytest.raises(TimeoutError):  # the system's buffers fill, and the server takes no more
        await asyncio.wait_for(writer.drain(), 0.3)
    go.set()
    size, largest = (int(part) for part in (await reader.read(100)).split())
    assert size == total
    assert largest <= 8192 + 262144  # the bound and one read of the loop


async def test_peer_that_takes_nothing_is_given_up(harness: Harness) -> None:
    harness.configure(limits={"write_timeout": 0.2, "write_buffer": 65536})
    outcome: list[BaseException] = []

    async def session(stream: Stream) -> None:
        try:
            while True:
                stream.write(bytes(65536))
                await stream.drain()
        except TimeoutError as error:
            outcome.append(error)

    port = harness.serve(session)
    with small_receive_socket(port):
        await until(lambda: bool(outcome))
    await until(lambda: harness.server.limits.count == 0)
    assert len(outcome) == 1


async def test_peer_that_takes_nothing_ends_even_if_nobody_drains(harness: Harness) -> None:
    harness.configure(limits={"write_timeout": 0.2, "write_buffer": 65536})
    ended = asyncio.Event()

    async def session(stream: Stream) -> None:
        stream.write(bytes(16 * 1024 * 1024))
        assert await stream.read(10) == b""
        ended.set()

    port = harness.serve(session)
    with small_receive_socket(port):
        await asyncio.wait_for(ended.wait(), 5)


async def test_slow_peer_that_takes_something_is_kept(harness: Harness) -> None:
    harness.configure(limits={"write_timeout": 0.4, "write_buffer": 65536})
    total = 3 * 1024 * 1024

    async def session(stream: Stream) -> None:
        for _ in range(total // 65536):
            stream.write(bytes(65536))
            await stream.drain()

    reader, _ = await harness.connect(harness.serve(session))
    received = 0
    while data := await reader.read(300_000):
        received += len(data)
        await asyncio.sleep(0.1)
    assert received == total


async def starttls_session(stream: Stream) -> None:
    data = await stream.read(5)
    if data == b"STARTTLS\r\n":
        stream.write(b"go ahead\r\n")
        await stream.start_tls()
    binding = stream.channel_binding("tls-server-end-point") or b""
    stream.write(stream.tls_version.encode() + b" " + binding.hex().encode() + b"\r\n")
    await echo(stream)


async def test_starttls(harness: Harness) -> None:
    reader, writer = await harness.connect(harness.serve(starttls_session, tls="starttls"))
    writer.write(b"STARTTLS\r\n")
    assert await reader.readline() == b"go ahead\r\n"
    await writer.start_tls(harness.client_context(), server_hostname="localhost")
    version, binding = (await reader.readline()).split()
    pem = (harness.certificates / "server.crt").read_bytes()
    certificate = x509.load_pem_x509_certificates(pem)[0]
    assert version == b"TLSv1.3"
    assert binding.decode() == hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    writer.write(b"secret")
    assert await reader.readexactly(6) == b"secret"


async def test_commands_pipelined_behind_starttls_are_refused(harness: Harness) -> None:
    """RFC 3207 §4.2: what came in clear text is not taken for what comes under TLS."""
    outcome: list[BaseException] = []

    async def session(stream: Stream) -> None:
        streams.append(stream)
        assert await stream.read(5) == b"STARTTLS\r\n"
        stream.write(b"go ahead\r\n")
        await asyncio.wait_for(injected.wait(), 5)
        try:
            await stream.start_tls()
        except InputBeforeTls as error:
            outcome.append(error)
            raise

    injected = asyncio.Event()
    streams: list[Stream] = []
    reader, writer = await harness.connect(harness.serve(session, tls="starttls"))
    writer.write(b"STARTTLS\r\n")
    assert await reader.readline() == b"go ahead\r\n"
    writer.write(b"a1 LOGIN attacker x\r\n")
    await until(lambda: streams[0]._input_size > 0)
    injected.set()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    assert len(outcome) == 1
    await until(lambda: harness.server.limits.count == 0)


async def test_clear_text_after_the_go_ahead_fails_the_handshake(harness: Harness) -> None:
    reader, writer = await harness.connect(harness.serve(starttls_session, tls="starttls"))
    writer.write(b"STARTTLS\r\n")
    assert await reader.readline() == b"go ahead\r\n"
    writer.write(b"a1 LOGIN attacker x\r\n")
    rest = await asyncio.wait_for(reader.read(), 5)
    assert b"TLSv1" not in rest and b"attacker" not in rest
    await until(lambda: harness.server.limits.count == 0)


async def test_silence_after_the_go_ahead_times_out(harness: Harness) -> None:
    harness.configure(limits={"tls_timeout": 0.2})
    reader, writer = await harness.connect(harness.serve(starttls_session, tls="starttls"))
    writer.write(b"STARTTLS\r\n")
    assert await reader.readline() == b"go ahead\r\n"
    assert await asyncio.wait_for(reader.read(), 5) == b""
    await until(lambda: harness.server.limits.count == 0)


async def test_client_that_leaves_during_the_handshake(harness: Harness) -> None:
    reader, writer = await harness.connect(harness.serve(starttls_session, tls="starttls"))
    writer.write(b"STARTTLS\r\n")
    assert await reader.readline() == b"go ahead\r\n"
    writer.close()
    await until(lambda: harness.server.limits.count == 0)


async def test_silent_handshake_times_out(harness: Harness) -> None:
    harness.configure(limits={"tls_timeout": 0.2})
    reader, _ = await harness.connect(harness.serve(echo, tls="direct"))
    assert await asyncio.wait_for(reader.read(), 5) == b""
    await until(lambda: harness.server.limits.count == 0)


async def test_old_tls_is_refused(harness: Harness) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.warns(DeprecationWarning):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    port = harness.serve(echo, tls="direct")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", port, ssl=context)


async def test_limits_of_connections_and_their_release(harness: Harness) -> None:
    harness.configure(limits={"connections_per_host": 2})
    port = harness.serve(echo, refusal=b"* BYE too many connections\r\n")
    first = await harness.connect(port)
    await harness.connect(port)
    await until(lambda: harness.server.limits.count == 2)
    assert await harness.exchange(port, b"") == b"* BYE too many connections\r\n"
    first[1].close()
    await until(lambda: harness.server.limits.count == 1)
    reader, writer = await harness.connect(port)
    writer.write(b"in")
    assert await reader.readexactly(2) == b"in"


async def test_failing_session_ends_its_connection_only(
    harness: Harness, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def session(stream: Stream) -> None:
        if await stream.read(5) == b"fail":
            raise RuntimeError("a fault of ours")
        await echo(stream)

    monkeypatch.setattr(logging.getLogger("armgs_server"), "propagate", True)
    port = harness.serve(session)
    reader, writer = await harness.connect(port)
    writer.write(b"stay")
    with pytest.raises((ConnectionError, AssertionError)):
        assert await harness.exchange(port, b"fail")
    writer.write(b"here")
    assert await reader.readexactly(4) == b"here"
    assert "session failed" in caplog.text


async def test_graceful_stop_lets_sessions_finish_within_their_time(certificates: Path) -> None:
    harness = Harness(certificates)
    began = asyncio.Event()

    async def session(stream: Stream) -> None:
        began.set()
        await asyncio.sleep(0.1)
        stream.write(b"finished")

    async def endless(stream: Stream) -> None:
        await asyncio.sleep(60)

    reader, _ = await harness.connect(harness.serve(session))
    other, _ = await harness.connect(harness.serve(endless))
    await began.wait()
    await until(lambda: harness.server.limits.count == 2)
    await harness.server.stop(0.5)
    assert await reader.read() == b"finished"
    with pytest.raises((ConnectionError, AssertionError)):
        assert await other.read() != b""
    assert harness.server.limits.count == 0


async def test_no_descriptor_left_is_survived(harness: Harness) -> None:
    port = harness.serve(echo)
    reader, writer = await harness.connect(port)
    writer.write(b"a")
    assert await reader.readexactly(1) == b"a"
    with socket.socket() as late:
        late.setblocking(False)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (late.fileno() + 1, hard))
        taken = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.dup(late.fileno()))
            loop = asyncio.get_running_loop()
            await loop.sock_connect(late, ("127.0.0.1", port))
            await loop.sock_sendall(late, b"late")
            writer.write(b"b")  # who is connected is served meanwhile
            assert await reader.readexactly(1) == b"b"
        finally:
            for descriptor in taken:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert await asyncio.wait_for(loop.sock_recv(late, 10), 5) == b"late"
