# SPDX-License-Identifier: Apache-2.0
"""RFC 6455 frames of a client, cut in every way, and the opening handshake."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.net.http.message import Request, Response
from armgs_server.net.stream import Stream
from armgs_server.net.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    INVALID_DATA,
    NO_STATUS,
    NORMAL,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    Close,
    Event,
    Fault,
    FrameParser,
    Message,
    Ping,
    Pong,
    accept,
    accept_value,
    serialise_close,
    serialise_frame,
    unmask,
)
from tests.feed import events_of, feed
from tests.xmpp.websocket_client import frame

LIMIT = 100_000


def parser() -> FrameParser:
    return FrameParser(LIMIT)


def parsed(data: bytes) -> list[Event]:
    return feed(parser, data, trailing=frame(PING, b"later"))


def code_of(data: bytes) -> int:
    """The status code of the fault at the end of the events."""
    fault = events_of(parser, [data])[-1]
    assert isinstance(fault, Fault), fault
    assert events_of(parser, [data[i : i + 1] for i in range(len(data))])[-1] == fault
    return fault.code


def test_the_handshake_of_the_standard() -> None:
    """§1.3."""
    assert accept_value("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_frames_of_the_standard() -> None:
    """§5.7."""
    assert parsed(bytes.fromhex("818537fa213d7f9f4d5158")) == [Message(b"Hello", is_text=True)]
    assert parsed(bytes.fromhex("898537fa213d7f9f4d5158")) == [Ping(b"Hello")]
    assert serialise_frame(TEXT, b"Hello") == bytes.fromhex("810548656c6c6f")
    assert serialise_frame(BINARY, bytes(256)) == bytes.fromhex("827e0100") + bytes(256)
    assert serialise_frame(BINARY, bytes(65536)) == bytes.fromhex("827f0000000000010000") + bytes(65536)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536])
def test_messages_of_every_length_form(size: int) -> None:
    data = b"x" * size
    assert events_of(parser, [frame(TEXT, data)]) == [Message(data, is_text=True)]
    assert events_of(parser, [frame(BINARY, data)]) == [Message(data, is_text=False)]


def test_fragments_make_one_message_and_control_frames_may_stand_between() -> None:
    """§5.4."""
    data = frame(TEXT, b"one ", fin=False) + frame(PING, b"?") + frame(CONTINUATION, b"two ", fin=False)
    data += frame(PONG, b"!") + frame(CONTINUATION, b"three") + frame(TEXT, b"four")
    assert parsed(data) == [Ping(b"?"), Pong(b"!"), Message(b"one two three", True), Message(b"four", True)]


def test_a_character_may_be_cut_by_fragments_only() -> None:
    """§5.6: the whole message is UTF-8, not each fragment."""
    data = "Я".encode()
    halves = frame(TEXT, data[:1], fin=False) + frame(CONTINUATION, data[1:])
    assert parsed(halves) == [Message(data, is_text=True)]
    assert code_of(frame(TEXT, data[:1])) == INVALID_DATA
    assert code_of(frame(TEXT, b"\xed\xa0\x80")) == INVALID_DATA  # a surrogate


def test_what_breaks_the_protocol() -> None:
    assert code_of(frame(TEXT, b"x", masked=False)) == PROTOCOL_ERROR  # §5.1
    assert code_of(bytes([0xC1]) + frame(TEXT, b"x")[1:]) == PROTOCOL_ERROR  # §5.2: RSV1 without extension
    assert code_of(frame(0x3, b"x")) == PROTOCOL_ERROR  # §5.2: unknown opcodes
    assert code_of(frame(0xB, b"x")) == PROTOCOL_ERROR
    assert code_of(frame(PING, b"", fin=False)) == PROTOCOL_ERROR  # §5.5
    assert code_of(frame(PING, bytes(126))) == PROTOCOL_ERROR
    assert code_of(frame(CONTINUATION, b"x")) == PROTOCOL_ERROR  # §5.4
    assert code_of(frame(TEXT, b"x", fin=False) + frame(TEXT, b"y")) == PROTOCOL_ERROR
    assert code_of(bytes.fromhex("81fe0001 00000000 00")) == PROTOCOL_ERROR  # §5.2: the shortest length form
    assert code_of(bytes.fromhex("81ff0000000000000001 00000000 00")) == PROTOCOL_ERROR
    assert code_of(bytes.fromhex("81ff8000000000000000")) == PROTOCOL_ERROR


def test_too_much_is_refused_at_its_header() -> None:
    """§10.4: also in fragments, and when they are empty."""
    assert code_of(bytes([0x81, 0xFF]) + (LIMIT + 1).to_bytes(8, "big")) == TOO_BIG
    small = FrameParser(10)
    small.receive_data(frame(TEXT, b"12345678", fin=False) + frame(CONTINUATION, b"901"))
    assert [type(event) for event in small.events()] == [Fault]
    empty = FrameParser(10)
    empty.receive_data(frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 10)
    assert list(empty.events()) == [Fault(TOO_BIG, "a message larger than 10 bytes")]


def test_close_says_why() -> None:
    """§5.5.1, §7.4."""
    assert events_of(parser, [frame(CLOSE, b"")]) == [Close(NO_STATUS, "")]
    assert events_of(parser, [frame(CLOSE, b"\x03\xe8bye")]) == [Close(NORMAL, "bye")]
    assert events_of(parser, [frame(CLOSE, (4000).to_bytes(2, "big"))]) == [Close(4000, "")]
    for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000):
        assert code_of(frame(CLOSE, code.to_bytes(2, "big"))) == PROTOCOL_ERROR, code
    assert code_of(frame(CLOSE, b"\x03")) == PROTOCOL_ERROR
    assert code_of(frame(CLOSE, b"\x03\xe8\xff")) == INVALID_DATA
    assert serialise_close(NORMAL, "Я" * 100)[2:] == b"\x03\xe8" + ("Я" * 61).encode()
    assert serialise_close(NO_STATUS) == b"\x88\x00"


def test_nothing_is_parsed_after_the_end() -> None:
    data = frame(CLOSE, b"") + frame(TEXT, b"more")
    assert events_of(parser, [data]) == [Close(NO_STATUS, "")]
    assert len(events_of(parser, [frame(TEXT, b"x", masked=False), frame(TEXT, b"y")])) == 1


_FRAMES = st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING, PONG]), st.text(max_size=60)), max_size=6)


@given(_FRAMES, st.data())
def test_however_the_network_cuts_it(frames: list[tuple[int, str]], draw: st.DataObject) -> None:
    stream = b"".join(frame(opcode, text.encode()[:125]) for opcode, text in frames)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    edges = [0, *cuts, len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(edges)]
    assert events_of(parser, chunks) == events_of(parser, [stream])


@given(st.binary(max_size=200))
def test_whatever_comes_is_events(data: bytes) -> None:
    whole = events_of(parser, [data])
    assert events_of(parser, [data[i : i + 1] for i in range(len(data))]) == whole


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_masking_undoes_itself(data: bytes, mask: bytes) -> None:
    assert unmask(unmask(data, mask), mask) == data


async def _serve(stream: Stream) -> None:
    stream.close()


def handshake(**changes: str) -> Response:
    fields = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-protocol": "mqtt, xmpp",
    } | {
        name.replace("_", "-"): value for name, value in changes.items() if name not in ("method", "version")
    }
    headers = [(name.encode(), value.encode()) for name, value in fields.items() if value]
    method, version = changes.get("method", "GET"), changes.get("version", "1.1")
    request = Request(method, "/ws", headers, peer="127.0.0.1", is_tls=True, version=version)
    return accept(request, ("xmpp",), _serve)


def test_a_handshake_is_accepted_with_the_common_subprotocol() -> None:
    response = handshake()
    assert (response.status, response.upgrade) == (101, _serve)
    assert dict(response.headers) == {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol": "xmpp",
    }
    assert handshake(connection="keep-alive, Upgrade", upgrade="WebSocket").status == 101  # COMPAT Firefox


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"method": "POST"}, 426),
        ({"upgrade": ""}, 426),
        ({"upgrade": "h2c"}, 426),
        ({"sec_websocket_version": "8"}, 426),
        ({"connection": "close"}, 400),
        ({"version": "1.0"}, 400),
        ({"sec_websocket_key": ""}, 400),
        ({"sec_websocket_key": "c2hvcnQ="}, 400),
        ({"sec_websocket_key": "***"}, 400),
        ({"sec_websocket_protocol": "mqtt"}, 400),
        ({"sec_websocket_protocol": ""}, 400),
    ],
)
def test_other_handshakes_are_refused(change: dict[str, str], status: int) -> None:
    """§4.2.1, §4.2.2."""
    response = handshake(**change)
    assert (response.status, response.upgrade) == (status, None)
