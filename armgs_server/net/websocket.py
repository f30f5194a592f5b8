# SPDX-License-Identifier: Apache-2.0
"""WebSocket, the server's side: RFC 6455 without I/O. Bytes in, messages out.

What must always hold: a frame of a client is masked, one of ours is not (§5.1); the bytes held for an
unfinished message never exceed `max_message_size`, and what is announced to exceed it is refused at its
header; text is UTF-8; after `Fault` or `Close` nothing more is parsed. No extension is negotiated, so
reserved bits are an error (§5.2).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from armgs_server.net.http.message import Request, Response
from armgs_server.net.http.upgrade import Serve

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # §1.3

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA  # §5.2 opcodes
_FIN, _RESERVED, _OPCODE, _CONTROL = 0x80, 0x70, 0x0F, 0x08
_MASKED, _LENGTH = 0x80, 0x7F
_LENGTH_16, _LENGTH_64 = 126, 127
_MAX_CONTROL = 125  # §5.5

# §7.4.1 status codes
NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
UNSUPPORTED_DATA = 1003
NO_STATUS = 1005
INVALID_DATA = 1007
POLICY_VIOLATION = 1008
TOO_BIG = 1009
INTERNAL_ERROR = 1011
_SENDABLE = frozenset((*range(1000, 1004), *range(1007, 1015)))  # §7.4.2: and 3000 to 4999


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message; the bytes of a text are valid UTF-8."""

    data: bytes
    is_text: bool


@dataclass(frozen=True, slots=True)
class Ping:
    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The client ends the connection; NO_STATUS where it does not say why."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fault:
    """The connection is to be failed with this status code (§7.1.7)."""

    code: int
    text: str


Event = Message | Ping | Pong | Close | Fault


class _Broken(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.fault = Fault(code, text)


class FrameParser:
    """The frames of one client."""

    __slots__ = ("_buffer", "_events", "_is_closed", "_is_text", "_parts", "_size", "max_message_size")

    def __init__(self, max_message_size: int) -> None:
        self.max_message_size = max_message_size
        self._buffer = bytearray()
        self._events: list[Event] = []
        self._parts: list[bytes] | None = None  # there while a fragmented message is unfinished
        self._size = 0
        self._is_text = True
        self._is_closed = False

    def receive_data(self, data: bytes) -> None:
        if self._is_closed:
            return
        self._buffer += data
        try:
            while not self._is_closed and self._take_frame():
                pass
        except _Broken as error:
            self._end(error.fault)

    def events(self) -> Iterator[Event]:
        """What has happened since the last call."""
        events, self._events = self._events, []
        return iter(events)

    def _end(self, event: Close | Fault) -> None:
        self._events.append(event)
        self._is_closed = True
        self._buffer.clear()
        self._parts = None

    def _take_frame(self) -> bool:
        """§5.2: one frame out of the buffer; False where it is not whole yet."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        first, second = buffer[0], buffer[1]
        if first & _RESERVED:
            raise _Broken(PROTOCOL_ERROR, "a reserved bit is set")
        if not second & _MASKED:
            raise _Broken(PROTOCOL_ERROR, "a frame of a client must be masked")  # §5.1
        opcode, length, start = first & _OPCODE, second & _LENGTH, 2
        if opcode & _CONTROL:
            self._check_control(opcode, first, length)
        elif length == _LENGTH_16:
            start = 4
            if len(buffer) < start:
                return False
            length = int.from_bytes(buffer[2:4])
            if length < _LENGTH_16:
                raise _Broken(PROTOCOL_ERROR, "a length in more bytes than it needs")
        elif length == _LENGTH_64:
            start = 10
            if len(buffer) < start:
                return False
            length = int.from_bytes(buffer[2:10])
            if length >> 63 or length < 1 << 16:
                raise _Broken(PROTOCOL_ERROR, "a length that is none")
        if not opcode & _CONTROL:
            self._check_data(opcode, length)
        end = start + 4 + length
        if len(buffer) < end:
            return False
        payload = unmask(bytes(buffer[start + 4 : end]), bytes(buffer[start : start + 4]))
        del buffer[:end]
        if opcode & _CONTROL:
            self._take_control(opcode, payload)
        else:
            self._take_data(opcode, bool(first & _FIN), payload)
        return True

    def _check_control(self, opcode: int, first: int, length: int) -> None:
        if opcode not in (CLOSE, PING, PONG):
            raise _Broken(PROTOCOL_ERROR, "an unknown opcode")
        if not first & _FIN or length > _MAX_CONTROL:
            raise _Broken(PROTOCOL_ERROR, "a control frame must be whole and short")  # §5.5

    def _check_data(self, opcode: int, length: int) -> None:
        if opcode not in (CONTINUATION, TEXT, BINARY):
            raise _Broken(PROTOCOL_ERROR, "an unknown opcode")
        if (opcode == CONTINUATION) != (self._parts is not None):
            raise _Broken(PROTOCOL_ERROR, "fragments out of order")  # §5.4
        if self._size + length > self.max_message_size:
            raise _Broken(TOO_BIG, f"a message larger than {self.max_message_size} bytes")

    def _take_data(self, opcode: int, is_last: bool, payload: bytes) -> None:
        if opcode != CONTINUATION:
            self._is_text = opcode == TEXT
            self._parts = []
        assert self._parts is not None, "checked with the frame's header"
        self._parts.append(payload)
        self._size += max(len(payload), 1)  # empty fragments must not be free
        if self._size > self.max_message_size:
            raise _Broken(TOO_BIG, f"a message larger than {self.max_message_size} bytes")
        if not is_last:
            return
        data = b"".join(self._parts)
        self._parts, self._size = None, 0
        if self._is_text:
            _check_utf8(data)
        self._events.append(Message(data, self._is_text))

    def _take_control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._events.append(Ping(payload))
        elif opcode == PONG:
            self._events.append(Pong(payload))
        else:
            self._end(_parse_close(payload))


def unmask(data: bytes, mask: bytes) -> bytes:
    """§5.3; the same masks and unmasks."""
    size = len(data)
    keys = mask * (size // 4 + 1)
    return (int.from_bytes(data) ^ int.from_bytes(keys[:size])).to_bytes(size)


def serialise_frame(opcode: int, data: bytes) -> bytes:
    """One unfragmented frame of the server (§5.2)."""
    size = len(data)
    if size < _LENGTH_16:
        return bytes((_FIN | opcode, size)) + data
    if size < 1 << 16:
        return bytes((_FIN | opcode, _LENGTH_16)) + size.to_bytes(2) + data
    return bytes((_FIN | opcode, _LENGTH_64)) + size.to_bytes(8) + data


def serialise_close(code: int, reason: str = "") -> bytes:
    """§5.5.1; a reason too long for a control frame is cut between characters."""
    if code == NO_STATUS:
        return serialise_frame(CLOSE, b"")
    text = reason.encode()[: _MAX_CONTROL - 2].decode(errors="ignore")
    return serialise_frame(CLOSE, code.to_bytes(2) + text.encode())


def accept(request: Request, protocols: Collection[str], serve: Serve) -> Response:
    """§4.2: the answer to an opening handshake; `serve` gets the connection when it is made.

    One of `protocols` must be among those that the client speaks (§4.2.2 /subprotocol/).
    """
    upgrade = (request.header("upgrade") or "").lower()
    if request.method != "GET" or "websocket" not in _tokens(upgrade):
        return Response(426, [("Upgrade", "websocket"), ("Connection", "Upgrade")], b"WebSocket only\n")
    if "upgrade" not in _tokens((request.header("connection") or "").lower()) or request.version != "1.1":
        return _refused("the header field Connection must name Upgrade")
    if request.header("sec-websocket-version") != "13":
        return Response(426, [("Sec-WebSocket-Version", "13")], b"Version 13 only\n")  # §4.4
    key = request.header("sec-websocket-key") or ""
    if not _is_key(key):
        return _refused("Sec-WebSocket-Key must be 16 bytes in base64")
    offered = _tokens(request.header("sec-websocket-protocol") or "")
    chosen = next((name for name in offered if name in protocols), None)
    if chosen is None:
        return _refused(f"the subprotocol must be one of: {', '.join(protocols)}")
    headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_value(key)),
        ("Sec-WebSocket-Protocol", chosen),
    ]
    return Response(101, headers, upgrade=serve)


def accept_value(key: str) -> str:
    """§4.2.2: what proves that the handshake was understood."""
    return base64.b64encode(hashlib.sha1(key.encode("latin-1") + _GUID).digest()).decode()


def _refused(text: str) -> Response:
    return Response(400, [("Content-Type", "text/plain; charset=utf-8")], text.encode() + b"\n")


def _tokens(value: str) -> list[str]:
    return [token.strip() for token in value.split(",")]


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _check_utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _Broken(INVALID_DATA, "text that is not UTF-8") from error  # §8.1


def _parse_close(payload: bytes) -> Close:
    if not payload:
        return Close(NO_STATUS, "")
    code = int.from_bytes(payload[:2])
    if len(payload) == 1 or not (code in _SENDABLE or 3000 <= code < 5000):
        raise _Broken(PROTOCOL_ERROR, "a status code that must not be sent")
    return Close(code, _check_utf8(payload[2:]))
