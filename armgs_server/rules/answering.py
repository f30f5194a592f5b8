# SPDX-License-Identifier: Apache-2.0
"""Which messages may be answered by a program: RFC 3834 §2, RFC 5230 §4.5 and §4.6."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.rules.sieve.actions import Envelope
from armgs_server.rules.sieve.letter import Letter, addresses_in

_RECIPIENTS: Final = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")
_LIST_FIELDS: Final = frozenset(
    {
        b"list-id",
        b"list-help",
        b"list-subscribe",
        b"list-unsubscribe",
        b"list-post",
        b"list-owner",
        b"list-archive",
    }
)
# RFC 5230 §4.6: senders that are no people.
_NOBODY: Final = re.compile(
    r"(?:mailer-daemon|listserv|majordomo|postmaster|no-?reply|do-?not-?reply|owner-.*|.*-owner|.*-request"
    r"|.*-bounces?(?:\+.*)?)",
    re.IGNORECASE,
)


def is_answerable(letter: Letter, envelope: Envelope, own: Collection[str]) -> bool:
    """Whether a person has written to one of these addresses, and would like an answer."""
    if not envelope.sender or _NOBODY.fullmatch(envelope.sender.rpartition("@")[0]):
        return False
    try:
        if addresses.normalise(envelope.sender) in own:
            return False
    except Invalid:
        return False
    if any(field.name in _LIST_FIELDS for field in letter.header):
        return False
    if any(value.split(";")[0].strip().lower() != "no" for value in letter.values("auto-submitted")):
        return False
    if any(value.lower() in ("bulk", "list", "junk") for value in letter.values("precedence")):
        return False
    if letter.values("x-auto-response-suppress"):  # COMPAT Exchange: its own out-of-office answers
        return False
    return is_addressed_to(letter, own)


def is_addressed_to(letter: Letter, own: Collection[str]) -> bool:
    """RFC 5230 §4.5: one of the addresses stands in a field of recipients."""
    values = [value for name in _RECIPIENTS for value in letter.raw(name)]
    for local, domain in (address for value in values for address in addresses_in(value)):
        for candidate in (local, addresses.split_detail(local)[0]):
            try:
                if addresses.normalise(f"{candidate}@{domain}") in own:
                    return True
            except Invalid:
                continue
    return False
