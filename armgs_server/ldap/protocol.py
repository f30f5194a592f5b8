# SPDX-License-Identifier: Apache-2.0
"""LDAP framing without I/O: bytes in, requests out (RFC 4511 §5.1, §4.1.1).

Invariants:
- At most `message_size` bytes are kept, and a message that says it is larger ends the connection at once.
- After bytes that are no LDAPMessage nothing is read any more: where the next one begins cannot be known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from armgs_server.errors import Invalid
from armgs_server.ldap.ber import SEQUENCE, parse_header
from armgs_server.ldap.filters import FilterLimits
from armgs_server.ldap.messages import BadRequest, Message, parse_message


@dataclass(frozen=True, slots=True)
class Broken:
    """What came is not LDAP: the connection ends."""

    text: str


Event: TypeAlias = Message | BadRequest | Broken


class LdapProtocol:
    """See the module's docstring."""

    __slots__ = ("_buffer", "_is_broken", "_limits", "_message_size")

    def __init__(self, message_size: int, limits: FilterLimits) -> None:
        self._message_size = message_size
        self._limits = limits
        self._buffer = bytearray()
        self._is_broken = False

    def receive_data(self, data: bytes) -> None:
        """Takes bytes as they came."""
        if not self._is_broken:
            self._buffer += data

    @property
    def has_input(self) -> bool:
        """Whether bytes are here that no event has told of yet."""
        return bool(self._buffer)

    def events(self) -> Iterator[Event]:
        """The requests that are complete."""
        while self._buffer and not self._is_broken:
            try:
                data = self._take()
                if data is None:
                    return
                event: Event = parse_message(data, self._limits)
            except Invalid as error:
                self._is_broken = True
                self._buffer.clear()
                event = Broken(error.text)
            yield event

    def _take(self) -> bytes | None:
        if self._buffer[0] != SEQUENCE:
            raise Invalid("not an LDAP message")
        header = parse_header(self._buffer, 0, len(self._buffer))
        if header is None:
            return None
        size = header[0] + header[1]
        if size > self._message_size:
            raise Invalid(f"a message of more than {self._message_size} bytes")
        if len(self._buffer) < size:
            return None
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data
