# SPDX-License-Identifier: Apache-2.0
"""XEP-0059: Result Set Management."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from armgs_server.xmpp.numbers import whole
from armgs_server.xmpp.stanza import StanzaError, element, text_element

NAMESPACE = "http://jabber.org/protocol/rsm"
FEATURES = (NAMESPACE,)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`before` is "" for the last page (§2.5), None where it was not given; so is `index` (§2.6)."""

    max: int
    after: str | None = None
    before: str | None = None
    index: int | None = None


def parse_set(parent: etree._Element, largest: int, *, by_index: bool = False) -> PageRequest:
    """The `<set/>` in a query; a page is never larger than `largest`.

    Who cannot find a page `by_index` has such a request refused (§2.6).
    """
    found = parent.find(f"{{{NAMESPACE}}}set")
    if found is None:
        return PageRequest(largest)
    most = _number(found, "max")
    if found.find(f"{{{NAMESPACE}}}index") is not None and not by_index:
        raise StanzaError("feature-not-implemented", "no pages by index")
    after = found.find(f"{{{NAMESPACE}}}after")
    before = found.find(f"{{{NAMESPACE}}}before")
    return PageRequest(
        largest if most is None else min(most, largest),
        None if after is None else after.text or "",
        None if before is None else before.text or "",
        _number(found, "index"),
    )


def _number(parent: etree._Element, name: str) -> int | None:
    text = parent.findtext(f"{{{NAMESPACE}}}{name}")
    number = None if text is None else whole(text)
    if text is not None and number is None:
        raise StanzaError("bad-request", f"{name} is a number")
    return number


def serialise_set(
    first: str = "", last: str = "", count: int | None = None, index: int | None = None
) -> bytes:
    """§2.2: what the page covers, and where in the whole it begins."""
    inner = b""
    if first:
        inner += text_element("first", first, {"index": "" if index is None else str(index)})
        inner += text_element("last", last)
    if count is not None:
        inner += text_element("count", str(count))
    return element("set", {"xmlns": NAMESPACE}, inner)
