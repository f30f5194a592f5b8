# SPDX-License-Identifier: Apache-2.0
"""Stanzas that lean on namespace prefixes declared outside their children (RFC 6120 §4.8.5)."""

from __future__ import annotations

from collections.abc import Mapping

from armgs_server.formats import xmltree
from armgs_server.formats.xmltree import quote
from armgs_server.xmpp.stanza import CLIENT, STREAM, XML_LANG, Mark, Stanza

MAX_DEPTH = 128  # elements inside one another in a stanza


def rewritten(stanza: Stanza, prefixes: Mapping[str, str]) -> Stanza:
    """The same stanza with every prefix declared where it is used, children's offsets anew."""
    declarations = "".join(f" xmlns:{prefix}='{quote(uri)}'" for prefix, uri in prefixes.items())
    start = f"<stream xmlns='{CLIENT}' xmlns:stream='{STREAM}'{declarations}>"
    wrapped = b"".join((start.encode(), stanza.raw, b"</stream>"))
    root = xmltree.parse(wrapped, max_size=len(wrapped), max_depth=MAX_DEPTH + 2)[0]
    attributes = "".join(
        f" {'xml:lang' if name == XML_LANG else name}='{quote(value)}'"
        for name, value in stanza.attributes.items()
        if " " not in name or name == XML_LANG
    )
    parts = [f"<{stanza.name} xmlns='{quote(stanza.xmlns)}'{attributes}>", xmltree.escape(root.text or "")]
    marks: list[Mark] = []
    position = len("".join(parts).encode())
    for element in root:
        data = xmltree.serialise(element)
        tail = xmltree.escape(element.tail or "")
        xmlns, _, local = element.tag.rpartition("}")
        marks.append((f"{xmlns[1:]} {local}", position, position + max(data.rfind(b"</"), 0)))
        position += len(data) + len(tail.encode())
        parts.append(data.decode() + tail)
    parts.append(f"</{stanza.name}>")
    return Stanza("".join(parts).encode(), stanza.name, stanza.xmlns, stanza.attributes, marks)
