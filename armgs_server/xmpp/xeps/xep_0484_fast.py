# SPDX-License-Identifier: Apache-2.0
"""XEP-0484: Fast Authentication Streamlining Tokens, as elements; the tokens are the directory's."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from armgs_server.directory.tokens import Given
from armgs_server.errors import Invalid
from armgs_server.xmpp.stanza import element, text_element
from armgs_server.xmpp.xeps.xep_0160_offline import timestamp

NAMESPACE = "urn:xmpp:fast:0"
_NS = f"{{{NAMESPACE}}}"
_COUNT_LIMIT = 1 << 31  # §9: xs:int
_TRUE = ("true", "1")


@dataclass(frozen=True, slots=True)
class Use:
    """§3.4, §3.6: a `<fast/>`: the log-in is by token."""

    count: int | None
    invalidate: bool


def parse_use(authenticate: etree._Element) -> Use | None:
    """The `<fast/>` of an `<authenticate/>`, if it has one. Invalid."""
    found = authenticate.find(f"{_NS}fast")
    if found is None:
        return None
    text = found.get("count")
    if text is None:
        count = None
    elif text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) < _COUNT_LIMIT:
        count = int(text)
    else:
        raise Invalid("the count of a token is a number")
    return Use(count, found.get("invalidate") in _TRUE)


def parse_request(authenticate: etree._Element) -> str:
    """§3.2: the mechanism for which a token is asked; "" where none is."""
    found = authenticate.find(f"{_NS}request-token")
    return "" if found is None else found.get("mechanism") or ""


def inline_feature(mechanisms: tuple[str, ...]) -> bytes:
    """§3.1. TLS 0-RTT is not taken, so it is not offered."""
    names = b"".join(text_element("mechanism", name) for name in mechanisms)
    return element("fast", {"xmlns": NAMESPACE}, names)


def token(given: Given) -> bytes:
    """§3.3."""
    return element("token", {"xmlns": NAMESPACE, "expiry": timestamp(given.expires), "token": given.token})
