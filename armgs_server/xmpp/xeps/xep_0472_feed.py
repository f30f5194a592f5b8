# SPDX-License-Identifier: Apache-2.0
"""XEP-0472, XEP-0277: social feeds: items that are Atom entries (RFC 4287), and the text they stand for."""

from __future__ import annotations

from lxml import etree

ATOM = "http://www.w3.org/2005/Atom"
SOCIAL_FEED = "urn:xmpp:pubsub-social-feed:1"
MICROBLOG = "urn:xmpp:microblog:0"
FEATURES = (SOCIAL_FEED,)
_ENTRY = f"{{{ATOM}}}entry"
_TEXT_LIMIT = 5000  # characters of the text made of an entry


def namespace_of(node_type: str) -> str:
    """The namespace of payloads at nodes of that type: social feeds, of whatever profile, carry Atom."""
    is_feed = node_type == MICROBLOG or node_type.startswith("urn:xmpp:pubsub-social-feed:")
    return ATOM if is_feed else node_type


def text_of(payload: etree._Element) -> str:
    """XEP-0060 §12.8, XEP-0472 §4.6.2: an entry as a body: title, summary or content, link."""
    if payload.tag != _ENTRY:
        return ""
    title = _plain(payload, "title")
    rest = _plain(payload, "summary") or _plain(payload, "content")
    parts = [rest] if rest.startswith(title) and rest else [title, rest]
    link = payload.find(f"{{{ATOM}}}link[@rel='alternate']")
    if link is not None:
        parts.append(link.get("href") or "")
    return "\n".join(part for part in parts if part)[:_TEXT_LIMIT]


def _plain(entry: etree._Element, name: str) -> str:
    """RFC 4287 §3.1: a text construct without its markup; plain text where there are several."""
    found = entry.findall(f"{{{ATOM}}}{name}")
    found.sort(key=lambda each: each.get("type", "text") != "text")
    return "".join(str(text) for text in found[0].itertext()).strip() if found else ""
