# SPDX-License-Identifier: Apache-2.0
"""POP3 server (RFC 1939) over a person's INBOX, for devices that know nothing better.

A command: bytes → `protocol` (framing) → `session` (state, table) → one handler in `commands` or `login` →
`maildrop`. Messages leave byte for byte as they came, in the pieces in which they are read.
"""

from __future__ import annotations

from armgs_server.pop3.service import Pop3Service
from armgs_server.service import Core

__all__ = ["service"]


def service(core: Core) -> Pop3Service:
    """The service over an open store and directory."""
    return Pop3Service(core)
