# SPDX-License-Identifier: Apache-2.0
"""Which right each flag takes: RFC 4314 §4. s for \\Seen, t for \\Deleted, w for all others."""

from __future__ import annotations

from armgs_server.directory import Rights
from armgs_server.storage.items import Flags


def permitted(rights: Rights, flags: int, keywords: str) -> tuple[int, str]:
    """RFC 4314 §4: flags that the person may not set are left out, silently."""
    if Rights.SEEN not in rights:
        flags &= ~Flags.SEEN
    if Rights.DELETE_ITEMS not in rights:
        flags &= ~Flags.DELETED
    if Rights.WRITE not in rights:
        flags &= Flags.SEEN | Flags.DELETED
        keywords = ""
    return int(flags), keywords
