# SPDX-License-Identifier: Apache-2.0
"""Messages for servers that take less: 8-bit text as 7-bit (RFC 6152 §3), binary parts as text (RFC 3030 §3).

Pure. Leaves of the MIME tree are encoded (text as quoted-printable, all else as base64), and the fields that
say so changed; every other byte stays. What is signed is not touched: it would be signed no more.
"""

from __future__ import annotations

import binascii
import re

from armgs_server.formats import mime
from armgs_server.formats.mime import Kind, Part

_FIELD = rb"^%s[ \t]*:((?:[^\n]*\n(?=[ \t]))*[^\n]*\n?)"
_ENCODING = re.compile(_FIELD % rb"content-transfer-encoding", re.IGNORECASE | re.MULTILINE)
_TYPE = re.compile(_FIELD % rb"content-type", re.IGNORECASE | re.MULTILINE)
_VERSION = re.compile(rb"^mime-version[ \t]*:", re.IGNORECASE | re.MULTILINE)
_IDENTITY = (b"", b"7bit", b"8bit", b"binary")
_SIGNED = (b"multipart/signed", b"multipart/encrypted")


class CannotConvert(Exception):
    """The message cannot be made into what the server takes without harm."""


def to_7bit(text: bytes) -> bytes:
    """The message in US-ASCII. CannotConvert."""
    return _convert_message(text, is_8bit=False)


def without_binary(text: bytes, *, is_8bit: bool) -> bytes:
    """The message in lines, in US-ASCII too unless `is_8bit`. CannotConvert."""
    return _convert_message(text, is_8bit=is_8bit)


def _convert_message(text: bytes, *, is_8bit: bool) -> bytes:
    index = mime.index(text)
    root = mime.unpack(index.parts, index.header_size, len(text))
    return _convert(text, root, is_8bit, is_root=True)


def _convert(data: bytes, part: Part, is_8bit: bool, *, is_root: bool = False) -> bytes:
    head = data[part.start : part.body]
    if not is_8bit and not head.isascii():
        raise CannotConvert("The message's header is not in ASCII, and the server takes nothing else")
    if part.kind is Kind.LEAF:
        return _convert_leaf(head, data[part.body : part.end], is_8bit, is_root)
    pieces: list[bytes] = []
    position = part.body
    for child in part.children:
        pieces += (data[position : child.start], _convert(data, child, is_8bit))
        position = child.end
    pieces.append(data[position : part.end])
    body = b"".join(pieces)
    if body != data[part.body : part.end] and _media_type(head) in _SIGNED:
        raise CannotConvert("The message is signed as 8-bit text, which the server does not take")
    if _encoding(head) in (b"8bit", b"binary"):
        head = _with_encoding(head, b"8bit" if is_8bit else b"7bit")
    return head + body


def _convert_leaf(head: bytes, body: bytes, is_8bit: bool, is_root: bool) -> bytes:
    encoding = _encoding(head)
    is_binary = encoding == b"binary"
    if encoding not in _IDENTITY or not (is_binary or (not is_8bit and not body.isascii())):
        if encoding == b"8bit" and not is_8bit:
            head = _with_encoding(head, b"7bit")
        return head + body
    media_type = _media_type(head)
    if media_type.startswith((b"multipart/", b"message/")) and media_type != b"message/delivery-status":
        raise CannotConvert("The message is nested too deeply to be made 7-bit")  # RFC 2045 §6.4
    if is_root and not _VERSION.search(head):
        # RFC 1428 §3: what came without MIME has no charset that could be named.
        head = _with_field(head, b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n")
    if media_type.startswith(b"text/") and body.count(b"\n") == body.count(b"\r") == body.count(b"\r\n"):
        return _with_encoding(head, b"quoted-printable") + _quoted_printable(body)
    return _with_encoding(head, b"base64") + _base64(body)


def _quoted_printable(body: bytes) -> bytes:
    encoded = binascii.b2a_qp(body, istext=True)
    return encoded.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _base64(body: bytes) -> bytes:
    encoded = binascii.b2a_base64(body, newline=False)
    lines = (encoded[start : start + 76] for start in range(0, len(encoded), 76))
    return b"".join(line + b"\r\n" for line in lines)


def _encoding(head: bytes) -> bytes:
    match = _ENCODING.search(head)
    return match[1].split(b";")[0].strip().lower() if match else b""


def _media_type(head: bytes) -> bytes:
    match = _TYPE.search(head)
    return match[1].split(b";")[0].strip().lower() if match else b"text/plain"


def _with_encoding(head: bytes, encoding: bytes) -> bytes:
    field = b"Content-Transfer-Encoding: " + encoding + b"\r\n"
    match = _ENCODING.search(head)
    if match is None:
        return _with_field(head, field)
    return head[: match.start()] + field + head[match.end() :]


def _with_field(head: bytes, field: bytes) -> bytes:
    """The field at the end of the header, before the empty line."""
    if head.endswith(b"\r\n\r\n"):
        return head[:-2] + field + b"\r\n"
    if head == b"\r\n":
        return field + head
    return head + field
