# SPDX-License-Identifier: Apache-2.0
"""What a script wants done, as data. Nothing is done before all scripts have ended (RFC 5228 §2.10.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from armgs_server.rules.sieve.letter import Version

INBOX = "INBOX"


@dataclass(frozen=True, slots=True)
class FileInto:
    """keep and fileinto. `special_use`: the mailbox that has it goes before the one named (RFC 8579)."""

    mailbox: str
    flags: tuple[str, ...]
    version: Version
    create: bool = False
    special_use: str = ""


@dataclass(frozen=True, slots=True)
class Redirect:
    """RFC 5228 §4.2"""

    address: str
    version: Version


@dataclass(frozen=True, slots=True)
class Reject:
    """RFC 5429: at the protocol where that is possible, by a report otherwise."""

    reason: str
    is_extended: bool  # ereject


@dataclass(frozen=True, slots=True)
class Vacation:
    """RFC 5230: an answer, if this sender has not had it lately."""

    reason: str
    subject: str
    sender: str  # :from
    handle: str  # what tells answers of one kind from those of another
    seconds: int
    is_mime: bool = False


@dataclass(frozen=True, slots=True)
class Notify:
    """RFC 5435"""

    method: str  # URI
    sender: str
    importance: str
    options: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Remember:
    """RFC 7352: an id that makes the next message with it a duplicate."""

    key: str
    seconds: int
    is_last: bool  # seen again, it is remembered anew


Action: TypeAlias = FileInto | Redirect | Reject | Vacation | Notify


@dataclass(slots=True)
class Outcome:
    """What became of all scripts. `keeps`: nothing has cancelled the implicit keep (RFC 5228 §2.10.2)."""

    actions: list[Action] = field(default_factory=list)
    remembered: dict[str, Remember] = field(default_factory=dict)
    keeps: bool = True
    keep_flags: tuple[str, ...] = ()
    error: str = ""  # the owner is told


@dataclass(frozen=True, slots=True)
class Envelope:
    """RFC 5321: whom the message is from and for, and who brought it."""

    sender: str  # "" for the null reverse-path
    recipient: str
    environment: Mapping[str, str] = field(default_factory=dict)  # RFC 5183, what the server does not know
