# SPDX-License-Identifier: Apache-2.0
"""Hardened XML: bytes from a client to an lxml tree, for XMPP payloads and DAV request bodies.

What must always hold: no DTD of any kind is accepted (so no entity can be defined, no file or network
address be named), the size limit is checked before the first byte is parsed, and only `Invalid` and
`TooLarge` leave this file. Comments and processing instructions are dropped: they mean nothing to any
protocol served here.
"""

from __future__ import annotations

import re

from lxml import etree

from armgs_server.errors import Invalid, TooLarge

MAX_SIZE = 1 << 20  # callers with a smaller or larger budget say so
MAX_DEPTH = 256  # where libxml2 itself stops, without huge_tree

# One for all documents: making it costs more than most of them; it keeps nothing between them.
_PARSER = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    dtd_validation=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)
# XML 1.0 §2.2 Char: what may not appear even as a character reference.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_TEXT_SPECIAL = re.compile("[&<>\r]")
_ATTRIBUTE_SPECIAL = re.compile("[&<>\"'\t\n\r]")
_PLAIN_ATTRIBUTE = re.compile(r"[ !#-%(-;=?-~]*")  # printable ASCII without & < > and quotes
_ENTITIES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&apos;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}


def parse(data: bytes, *, max_size: int = MAX_SIZE, max_depth: int = MAX_DEPTH) -> etree._Element:
    """Parse one document; the root element. Raises Invalid (with the line) or TooLarge."""
    if len(data) > max_size:
        raise TooLarge(f"XML of {len(data)} bytes; the limit is {max_size}")
    if b"<!DOCTYPE" in data:
        raise Invalid("a DTD is not allowed", data[: data.index(b"<!DOCTYPE")].count(b"\n") + 1)
    root = parse_again(data)
    # A document in UTF-16 hides its DOCTYPE from the scan above.
    if root.getroottree().docinfo.internalDTD is not None:
        raise Invalid("a DTD is not allowed", 1)
    if max_depth < MAX_DEPTH:
        _check_depth(root, max_depth)
    return root


def parse_again(data: bytes) -> etree._Element:
    """The same for what another parser has passed: UTF-8, without DTD, of known size and depth. Invalid."""
    try:
        return etree.fromstring(data, _PARSER)
    except etree.XMLSyntaxError as error:
        raise Invalid(error.msg or "not well-formed", error.lineno or 0) from error
    except ValueError as error:
        raise Invalid(str(error)) from error


def serialise(element: etree._Element) -> bytes:
    """One element as UTF-8, without XML declaration and without the text that follows it."""
    data: bytes = etree.tostring(element, encoding="utf-8", xml_declaration=False, with_tail=False)
    return data


def escape(text: str) -> str:
    """Character data; what XML 1.0 cannot carry becomes U+FFFD."""
    if text.isascii() and text.isprintable() and not _TEXT_SPECIAL.search(text):
        return text
    text = _FORBIDDEN.sub("\ufffd", text)
    return _TEXT_SPECIAL.sub(lambda match: _ENTITIES[match[0]], text)


def quote(text: str) -> str:
    """The inside of an attribute value, for either kind of quotes."""
    if _PLAIN_ATTRIBUTE.fullmatch(text):
        return text
    text = _FORBIDDEN.sub("\ufffd", text)
    return _ATTRIBUTE_SPECIAL.sub(lambda match: _ENTITIES[match[0]], text)


def _check_depth(root: etree._Element, max_depth: int) -> None:
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            depth += 1
            if depth > max_depth:
                raise Invalid(f"nested deeper than {max_depth} elements")
        else:
            depth -= 1
