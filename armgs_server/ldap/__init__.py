# SPDX-License-Identifier: Apache-2.0
"""LDAP server (RFC 4511), read-only, over the directory: for address books, and for programs that ask who
may log in.

A request: bytes → `protocol` (framing) → `messages` (BER to data) → `session` (order, limits) → one handler
in `bind`, `search` or `extended`. A search: `tree` (what the base reaches) → `matching` (the filter, ready) →
`directory.candidates` (who may fit, from memory) → `entries` → `results` (data to BER).
"""

from __future__ import annotations

from armgs_server.ldap.service import LdapService
from armgs_server.service import Core

__all__ = ["service"]


def service(core: Core) -> LdapService:
    """The service over an open store and directory."""
    return LdapService(core)
