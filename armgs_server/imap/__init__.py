# SPDX-License-Identifier: Apache-2.0
"""IMAP server: IMAP4rev1 (RFC 3501) with the extensions that commands/__init__.py announces.

A command: bytes → `protocol` (framing) → `session` (state, table) → one handler in `commands` → one store
transaction → untagged lines → updates from `view` → tagged line.
"""

from __future__ import annotations

from armgs_server.imap.service import ImapService
from armgs_server.service import Core

__all__ = ["service"]


def service(core: Core) -> ImapService:
    """The service over an open store and directory."""
    return ImapService(core)
