# SPDX-License-Identifier: Apache-2.0
"""Scopes of OAuth 2.0 (RFC 6749 §3.3): which of a person's things a program may reach.

Short names of our own; the URNs of draft-ietf-mailmaint-oauth-public mean the same; those of OpenID Connect
Core §5.4 say what a service that signs somebody in is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_URN: Final = "urn:ietf:params:oauth:scope:"
OFFLINE: Final = "offline_access"
OPENID: Final = "openid"
# What gives a program access to something, in the order in which people are told.
ACCESS: Final = ("mail", "chat", "calendars", "contacts", "files")
KNOWN: Final = (
    OPENID,
    "profile",
    "email",
    OFFLINE,
    *ACCESS,
    *(_URN + name for name in ("mail", "calendars", "contacts")),
)
# A protocol, and of which scopes one is needed for it.
SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "imap": ("mail",),
    "pop3": ("mail",),
    "smtp": ("mail",),
    "sieve": ("mail",),
    "xmpp": ("chat",),
    "dav": ("calendars", "contacts", "files"),
    "calendars": ("calendars",),
    "contacts": ("contacts",),
    "files": ("files",),
}


def known(text: str) -> str:
    """Those of the scopes asked for that there are; others are left out (OpenID Connect Core §3.1.2.1)."""
    return " ".join(name for name in dict.fromkeys(text.split(" ")) if name in KNOWN)


def of(text: str) -> frozenset[str]:
    """The scopes of a text, by our own names."""
    return frozenset(name.removeprefix(_URN) for name in text.split())


def is_within(asked: str, granted: str) -> bool:
    """Whether nothing is asked for beyond what was granted (RFC 6749 §6)."""
    return of(asked) <= of(granted)


def permits(text: str, service: str) -> bool:
    """Whether these scopes are enough for a protocol."""
    return not of(text).isdisjoint(SERVICES[service])


def needs_refresh(text: str) -> bool:
    """Whether whoever has this stays, and so needs refresh tokens; who only signs somebody in does not."""
    return OFFLINE in of(text) or not of(text).isdisjoint(ACCESS)
