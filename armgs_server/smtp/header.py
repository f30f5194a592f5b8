# SPDX-License-Identifier: Apache-2.0
"""What SMTP reads from a message's header and writes above it.

Read: hop count (RFC 5321 §6.3), From: and List-Id: fields. Written: Return-Path: and Received:
(RFC 5321 §4.4), List-Id: and List-Post: (RFC 2919, RFC 2369), and what a submitted message lacks of Date:,
Message-ID: and From: (RFC 6409 §8). Nothing of the client's bytes is changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from functools import lru_cache
from urllib.parse import quote

from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.formats.addresses import Address
from armgs_server.formats.mime_address import parse_address_list
from armgs_server.formats.mime_header import decode_text, unfold

# The longest From: that is looked at (and trusted).
AUTHORS_LIMIT = 8192
SUBJECT_LIMIT = 2000

_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)
_LIST_ID = re.compile(rb"<([^<>\s]+)>")
_NOT_IN_NAME = re.compile(r"[^\w.:\[\]-]")


@dataclass(frozen=True, slots=True)
class Trace:
    """What the Received: field of a message tells."""

    helo: str
    peer: str
    hostname: str
    protocol: str  # RFC 3848
    id: str
    recipient: str  # where there is only one; else nobody learns of the others

    def field(self, moment: datetime) -> bytes:
        """The Received: field, RFC 5321 §4.4."""
        name = _NOT_IN_NAME.sub("?", self.helo)
        literal = f"[IPv6:{self.peer}]" if ":" in self.peer else f"[{self.peer}]"
        target = f"\r\n\tfor <{self.recipient}>" if self.recipient else ""
        return (
            f"Received: from {name} ({literal})\r\n\tby {self.hostname} with {self.protocol} id {self.id}"
            f"{target};\r\n\t{date_of(moment)}\r\n"
        ).encode()


def return_path(sender: str) -> bytes:
    """RFC 5321 §4.4: added when a message is delivered; empty for the null path."""
    return f"Return-Path: <{sender}>\r\n".encode()


def list_fields(address: str, name: str) -> bytes:
    """List-Id: (RFC 2919 §3) and List-Post: (RFC 2369 §3.4) of a mail list."""
    local, _, domain = address.rpartition("@")
    phrase = Header(name, "utf-8" if not name.isascii() else None, header_name="List-Id").encode(
        linesep="\r\n"
    )
    if name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        phrase = f'"{escaped}"'
    domain = addresses.to_ascii(domain)
    return (
        f"List-Id: {phrase} <{list_id(address)}>\r\nList-Post: <mailto:{quote(local)}@{domain}>\r\n"
    ).encode()


def subject(head: bytes) -> str:
    """The text of Subject:, decoded; empty where there is none."""
    values = fields(head, "subject")
    return decode_text(values[0][:SUBJECT_LIMIT]).strip() if values else ""


def is_automatic_reply(head: bytes) -> bool:
    """RFC 3834 §5: a program answers a message, as vacation and reports do."""
    return any(value.strip().lower().startswith(b"auto-replied") for value in fields(head, "auto-submitted"))


def list_id(address: str) -> str:
    """RFC 2919 §2: the list's local part as a label under its domain."""
    local, _, domain = address.rpartition("@")
    return f"{quote(local)}.{addresses.to_ascii(domain)}"


def missing_fields(header: bytes, author: str, moment: datetime, identifier: str, hostname: str) -> bytes:
    """RFC 6409 §8.2 and §8.3: what a message must have when it leaves its author."""
    added = ""
    if not fields(header, "from"):
        added += f"From: <{author}>\r\n"
    if not fields(header, "date"):
        added += f"Date: {date_of(moment)}\r\n"
    if not fields(header, "message-id"):
        added += f"Message-ID: <{identifier}@{hostname}>\r\n"
    return added.encode()


def hops(header: bytes) -> int:
    """How many servers the message has passed."""
    return len(_RECEIVED.findall(header))


def list_ids(header: bytes) -> frozenset[str]:
    """The lists that a message has passed."""
    found = (_LIST_ID.search(value) for value in fields(header, "list-id"))
    return frozenset(match[1].decode("ascii", "replace").lower() for match in found if match)


def authors(header: bytes, name: str = "from") -> Sequence[Address] | None:
    """The addresses of From: or Sender:, none where there is no such field; None where it cannot be trusted.

    RFC 5322 §3.6 allows the field once: two of them would let the reader see another one than was checked.
    So would a bare CR or NUL, which §2.2 forbids: others take them for the end of a line.
    """
    if header.count(b"\r") != header.count(b"\r\n") or b"\0" in header:
        return None
    values = fields(header, name)
    if len(values) > 1 or sum(map(len, values)) > AUTHORS_LIMIT:
        return None
    found: list[Address] = []
    for mailbox in parse_address_list(values[0]) if values else ():
        if mailbox.host is None:  # the name or the end of a group
            continue
        try:
            found.append(
                addresses.parse(
                    str(Address((mailbox.mailbox or b"").decode("utf-8"), mailbox.host.decode("utf-8")))
                )
            )
        except (Invalid, UnicodeDecodeError):
            return None
    return None if values and not found else found


def message_id(header: bytes) -> str:
    """The first Message-ID, or "" (RFC 5322 §3.6.4)."""
    found = fields(header, "message-id")
    return found[0].decode("utf-8", "replace").strip() if found else ""


def fields(header: bytes, name: str) -> list[bytes]:
    """The unfolded values of all fields of that name."""
    return [unfold(match[1]) for match in _field_pattern(name).finditer(header)]


@lru_cache(maxsize=32)
def _field_pattern(name: str) -> re.Pattern[bytes]:
    pattern = rf"^{re.escape(name)}[ \t]*:((?:[^\n]*\n(?=[ \t]))*[^\n]*)"
    return re.compile(pattern.encode(), re.IGNORECASE | re.MULTILINE)


@lru_cache(maxsize=4)
def date_of(moment: datetime) -> str:
    """date-time of RFC 5322 §3.3; many messages come in one second."""
    return format_datetime(moment)


def moment_of(microseconds: int) -> datetime:
    """A time of the store as header fields write it: UTC, whole seconds."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC)
