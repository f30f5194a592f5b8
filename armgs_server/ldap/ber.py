# SPDX-License-Identifier: Apache-2.0
"""The Basic Encoding Rules as LDAP restricts them (RFC 4511 §5.1): definite lengths, primitive strings.

Reading never goes beyond the bytes there are, takes lengths of at most four octets and nothing that nests by
itself: how deep a structure is, is up to who calls `enter`. Trailing components that nobody reads are passed
over, as RFC 4511 §4 asks of everybody.
"""

from __future__ import annotations

from armgs_server.errors import Invalid

BOOLEAN, INTEGER, OCTET_STRING, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31
_LENGTH_OCTETS = 4
_INTEGER_OCTETS = 8
_MAX_INT = 2147483647  # RFC 4511 §4.1.1
# Identifier and length of short elements of the kinds that entries are made of.
_HEADS = {tag: [bytes((tag, length)) for length in range(0x80)] for tag in (OCTET_STRING, SEQUENCE, SET)}


class Reader:
    """The elements between two places of some bytes, one after the other. Invalid where they are not BER."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._position = start
        self._end = len(data) if end is None else end

    def peek(self) -> int:
        """The next element's identifier octet; -1 at the end."""
        return self._data[self._position] if self._position < self._end else -1

    def read(self, tag: int) -> bytes:
        """The contents of the next element, which must have this identifier."""
        start, end = self._next(tag)
        return self._data[start:end]

    def enter(self, tag: int) -> Reader:
        """The elements within the next one."""
        return Reader(self._data, *self._next(tag))

    def skip(self) -> None:
        """Passes over one element."""
        self._next(self.peek())

    def integer(self, tag: int = INTEGER, minimum: int = 0, maximum: int = _MAX_INT) -> int:
        """A whole number between the bounds."""
        contents = self.read(tag)
        if not 1 <= len(contents) <= _INTEGER_OCTETS:
            raise Invalid("a number of a size that none has")
        value = int.from_bytes(contents, "big", signed=True)
        if not minimum <= value <= maximum:
            raise Invalid(f"{value} is not between {minimum} and {maximum}")
        return value

    def boolean(self, tag: int = BOOLEAN) -> bool:
        """COMPAT: RFC 4511 §5.1 (3) has FF for true; older clients send 01."""
        contents = self.read(tag)
        if len(contents) != 1:
            raise Invalid("a truth value is one octet")
        return contents != b"\0"

    def text(self, tag: int = OCTET_STRING) -> str:
        """An LDAPString: UTF-8 (RFC 4511 §4.1.2)."""
        try:
            return self.read(tag).decode("utf-8")
        except UnicodeDecodeError:
            raise Invalid("a string that is not UTF-8") from None

    def _next(self, tag: int) -> tuple[int, int]:
        found = self.peek()
        if found != tag or found < 0:
            raise Invalid(f"element {tag:#04x} expected")
        header = parse_header(self._data, self._position, self._end)
        if header is None or header[0] + header[1] > self._end:
            raise Invalid("an element longer than what holds it")
        start, length = header
        self._position = start + length
        return start, self._position


def parse_header(data: bytes | bytearray, position: int, end: int) -> tuple[int, int] | None:
    """Where the contents of the element begin and how long they are; None while that cannot be seen."""
    if end - position < 2:
        return None
    if data[position] & 0x1F == 0x1F:
        raise Invalid("LDAP has no identifiers of several octets")
    length = data[position + 1]
    start = position + 2
    if length < 0x80:
        return start, length
    octets = length & 0x7F
    # RFC 4511 §5.1 (1): the indefinite form, 80, is not used.
    if not 1 <= octets <= _LENGTH_OCTETS:
        raise Invalid("a length that LDAP does not have")
    if end - start < octets:
        return None
    return start + octets, int.from_bytes(data[start : start + octets], "big")


def element(tag: int, contents: bytes) -> bytes:
    """One element."""
    length = len(contents)
    if length < 0x80:
        head = _HEADS.get(tag)
        return (head[length] if head is not None else bytes((tag, length))) + contents
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + contents


def integer(value: int, tag: int = INTEGER) -> bytes:
    """A whole number."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def string(text: str | bytes, tag: int = OCTET_STRING) -> bytes:
    """An octet string."""
    return element(tag, text.encode() if isinstance(text, str) else text)
