# SPDX-License-Identifier: Apache-2.0
"""Who a message says has written it: the domains of From: (RFC 5322 §3.6.2), as the DNS spells them."""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.formats.mime_address import parse_address_list
from armgs_server.trust.fields import Field

# The longest From: that is looked at.
LONGEST = 8192


def is_ambiguous(head: Sequence[Field]) -> bool:
    """RFC 5322 §3.6: From: is there once. Of two, a reader may see another one than was checked; so may
    who takes a bare CR or a NUL for the end of a line."""
    found = [field.raw for field in head if field.name == b"from"]
    if len(found) > 1 or sum(map(len, found)) > LONGEST:
        return True
    return any(raw.count(b"\r") != raw.count(b"\r\n") or b"\0" in raw for raw in found)


def domains(head: Sequence[Field]) -> list[str]:
    """The domains of the authors, each once, normalised; what is no address is left out."""
    found: dict[str, None] = {}
    for field in head:
        if field.name != b"from" or len(field.raw) > LONGEST:
            continue
        for mailbox in parse_address_list(field.value.replace(b"\r\n", b"")):
            if mailbox.host is None:  # the name or the end of a group
                continue
            try:
                found.setdefault(addresses.normalise_domain(mailbox.host.decode("utf-8")))
            except (Invalid, UnicodeDecodeError):
                continue
    return list(found)
