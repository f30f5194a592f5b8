# SPDX-License-Identifier: Apache-2.0
"""What goes to another server, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.smtp.grammar import serialise_xtext


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, and what the other server must know or be able to do."""

    sender: str
    text: bytes
    needs_utf8: bool = False
    is_8bit: bool = False
    is_binary: bool = False
    returned: str = ""  # RET
    envelope_id: str = ""  # ENVID
    needs_tls: bool = False  # REQUIRETLS, RFC 8689
    priority: int = 0  # MT-PRIORITY, RFC 6710
    deliver_by: tuple[int, str] | None = None  # seconds that are left, and the mode (RFC 2852)
    author: int = 0  # the principal who submitted it


@dataclass(frozen=True, slots=True)
class Target:
    """One recipient, with the DSN parameters to pass on where the server knows them (RFC 3461 §5.2.1)."""

    address: str
    notify: tuple[str, ...] = ()
    original: tuple[str, str] | None = None

    @property
    def options(self) -> list[str]:
        """The parameters of RCPT."""
        options = [f"NOTIFY={','.join(self.notify)}"] if self.notify else []
        if self.original and (self.original[0] + self.original[1]).isascii():
            options.append(f"ORCPT={self.original[0]};{serialise_xtext(self.original[1])}")
        return options


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's last word on a recipient; code 250 is a delivery."""

    code: int
    status: str
    text: str
    host: str
    reports: bool = False  # the server has taken over the duty to report success
    knows_time: bool = False  # it has taken over the promise of DELIVERBY

    @property
    def is_delivered(self) -> bool:
        """2xx."""
        return 200 <= self.code < 300

    @property
    def is_permanent(self) -> bool:
        """5xx: no other server and no later attempt will say otherwise."""
        return self.code >= 500

    @property
    def diagnostic(self) -> str:
        """As a report quotes it."""
        return f"{self.code} {self.text}" if self.code else self.text
