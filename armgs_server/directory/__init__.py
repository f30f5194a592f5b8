# SPDX-License-Identifier: Apache-2.0
"""The one user directory: departments, units, people, groups, rooms; log-in and rights.

RFC 4422 (SASL), RFC 4616 (PLAIN), RFC 5802, 7677 and 9266 (SCRAM, channel binding), RFC 4013 (SASLprep),
RFC 4314 (rights), RFC 2426 (cards of the department's address book).

Invariants:
- Whatever is derived from the tree (members, rosters, rights, cards) is computed from it, never kept by
  hand beside it; cards are written in the transaction that changes their subject.
- No password, key or token is ever logged or shown, but a new app password once to who asked for it.
"""

from armgs_server.directory.access import Access, Rights
from armgs_server.directory.auth import Auth
from armgs_server.directory.directory import Directory
from armgs_server.directory.model import Principal
from armgs_server.directory.people import Change

__all__ = ["Access", "Auth", "Change", "Directory", "Principal", "Rights"]
