# SPDX-License-Identifier: Apache-2.0
"""Result codes (RFC 4511 appendix A), and the messages that go to clients as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from armgs_server.ldap.ber import ENUMERATED, OCTET_STRING, SEQUENCE, SET, element, integer, string

SUCCESS = 0
OPERATIONS_ERROR = 1
PROTOCOL_ERROR = 2
TIME_LIMIT_EXCEEDED = 3
SIZE_LIMIT_EXCEEDED = 4
COMPARE_FALSE = 5
COMPARE_TRUE = 6
AUTH_METHOD_NOT_SUPPORTED = 7
ADMIN_LIMIT_EXCEEDED = 11
UNAVAILABLE_CRITICAL_EXTENSION = 12
CONFIDENTIALITY_REQUIRED = 13
SASL_BIND_IN_PROGRESS = 14
NO_SUCH_ATTRIBUTE = 16
UNDEFINED_ATTRIBUTE_TYPE = 17
NO_SUCH_OBJECT = 32
INVALID_DN_SYNTAX = 34
INAPPROPRIATE_AUTHENTICATION = 48
INVALID_CREDENTIALS = 49
INSUFFICIENT_ACCESS_RIGHTS = 50
BUSY = 51
UNAVAILABLE = 52
UNWILLING_TO_PERFORM = 53

BIND_RESPONSE, SEARCH_ENTRY, SEARCH_DONE, COMPARE_RESPONSE, EXTENDED_RESPONSE = 0x61, 0x64, 0x65, 0x6F, 0x78
NOTICE_OF_DISCONNECTION: Final = "1.3.6.1.4.1.1466.20036"  # RFC 4511 §4.4.1
_SASL_CREDENTIALS, _RESPONSE_NAME, _RESPONSE_VALUE, _CONTROLS = 0x87, 0x8A, 0x8B, 0xA0


class LdapError(Exception):
    """An operation that ends with anything but success."""

    def __init__(self, code: int, text: str = "", matched: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.matched = matched


def message(message_id: int, operation: bytes, controls: bytes = b"") -> bytes:
    """An LDAPMessage around an operation."""
    tail = element(_CONTROLS, controls) if controls else b""
    return element(SEQUENCE, integer(message_id) + operation + tail)


def result(
    message_id: int,
    response: int,
    code: int,
    text: str = "",
    matched: str = "",
    *,
    extra: bytes = b"",
    controls: bytes = b"",
) -> bytes:
    """A response that consists of an LDAPResult (RFC 4511 §4.1.9) and perhaps more."""
    contents = integer(code, ENUMERATED) + string(matched) + string(text) + extra
    return message(message_id, element(response, contents), controls)


def bind_result(message_id: int, code: int, text: str = "", credentials: bytes | None = None) -> bytes:
    """A BindResponse, with the server's SASL data where there are any (§4.2.2)."""
    extra = b"" if credentials is None else element(_SASL_CREDENTIALS, credentials)
    return result(message_id, BIND_RESPONSE, code, text, extra=extra)


def extended_result(
    message_id: int, code: int, text: str = "", name: str = "", value: bytes | None = None
) -> bytes:
    """An ExtendedResponse (§4.12)."""
    extra = string(name, _RESPONSE_NAME) if name else b""
    extra += b"" if value is None else element(_RESPONSE_VALUE, value)
    return result(message_id, EXTENDED_RESPONSE, code, text, extra=extra)


def notice(code: int, text: str) -> bytes:
    """The unsolicited notification before the end of a connection (§4.4.1)."""
    return extended_result(0, code, text, NOTICE_OF_DISCONNECTION)


def entry(message_id: int, dn: str, attributes: Iterable[tuple[str, Sequence[str]]]) -> bytes:
    """A SearchResultEntry (§4.5.2)."""
    parts = []
    for name, values in attributes:
        if len(values) == 1:
            encoded = element(OCTET_STRING, values[0].encode())
        else:
            encoded = b"".join([element(OCTET_STRING, value.encode()) for value in values])
        parts.append(element(SEQUENCE, _description(name) + element(SET, encoded)))
    return message(message_id, element(SEARCH_ENTRY, string(dn) + element(SEQUENCE, b"".join(parts))))


@cache  # of names of the schema only
def _description(name: str) -> bytes:
    return string(name)


def control(kind: str, value: bytes) -> bytes:
    """One control of a response."""
    return element(SEQUENCE, string(kind) + string(value))
