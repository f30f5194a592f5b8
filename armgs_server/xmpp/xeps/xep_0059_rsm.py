# SPDX-License-Identifier: Apache-2.0
"""XEP-0059: Result Set Management."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from armgs_server.xmpp.stanza import StanzaError, element, text_element

NAMESPACE = "http://jabber.org/protocol/rsm"
FEATURES = (NAMESPACE,)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`before` is "" for the last page (§2.5), None where it was not given."""

    max: int
    after: str | None = None
    before: str | None = None


def parse_set(parent: etree._Element, largest: int) -> PageRequest:
    """The `<set/>` in a query; a page is never larger than `largest`."""
    found = parent.find(f"{{{NAMESPACE}}}set")
    if found is None:
        return PageRequest(largest)
    text = found.findtext(f"{{{NAMESPACE}}}max")
    if text is not None and not (text.isascii() and text.isdecimal()):
        raise StanzaError("bad-request", "max is a number")
    after = found.find(f"{{{NAMESPACE}}}after")
    before = found.find(f"{{{NAMESPACE}}}before")
    return PageRequest(
        min(int(text), largest) if text is not None else largest,
        None if after is None else after.text or "",
        None if before is None else before.text or "",
    )


def serialise_set(first: str = "", last: str = "", count: int | None = None) -> bytes:
    """§2.2: what the page covers."""
    inner = b""
    if first:
        inner += text_element("first", first) + text_element("last", last)
    if count is not None:
        inner += text_element("count", str(count))
    return element("set", {"xmlns": NAMESPACE}, inner)
