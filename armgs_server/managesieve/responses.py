# SPDX-License-Identifier: Apache-2.0
"""What the server says: OK, NO, BYE with their codes (RFC 5804 §1.2, §1.3), and strings (RFC 5804 §4)."""

from __future__ import annotations

from typing import Final

# quoted = <"> 0*1024QUOTED-CHAR <">, without line ends and NUL
QUOTED_LIMIT: Final = 1024
QUOTA: Final = "QUOTA"
MAX_SCRIPTS: Final = "QUOTA/MAXSCRIPTS"
MAX_SIZE: Final = "QUOTA/MAXSIZE"
ACTIVE: Final = "ACTIVE"
NONEXISTENT: Final = "NONEXISTENT"
ALREADY_EXISTS: Final = "ALREADYEXISTS"
TRY_LATER: Final = "TRYLATER"
ENCRYPT_NEEDED: Final = "ENCRYPT-NEEDED"
WARNINGS: Final = "WARNINGS"


class No(Exception):
    """The command is refused."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def string(data: bytes) -> bytes:
    """A string as the server sends one: quoted, or a literal."""
    if len(data) <= QUOTED_LIMIT and not any(octet in data for octet in b"\r\n\0"):
        return b'"' + data.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return b"{%d}\r\n" % len(data) + data


def response(word: str, text: str, code: str = "") -> bytes:
    """`OK (CODE) "text"`; the code as it stands."""
    middle = f" ({code})" if code else ""
    return f"{word}{middle} ".encode() + string(text.encode()) + b"\r\n"


def ok(text: str, code: str = "") -> bytes:
    return response("OK", text, code)


def no(text: str, code: str = "") -> bytes:
    return response("NO", text, code)


def bye(text: str, code: str = "") -> bytes:
    """The connection ends."""
    return response("BYE", text, code)


def line(name: str, value: str | None = None) -> bytes:
    """A line of CAPABILITY."""
    quoted = string(name.encode())
    return quoted + (b"" if value is None else b" " + string(value.encode())) + b"\r\n"
