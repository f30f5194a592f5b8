# SPDX-License-Identifier: Apache-2.0
"""XEP-0124 §6: the `<body/>` of a BOSH request and of its answer, as pure functions of bytes.

What must always hold: only Invalid and TooLarge leave `parse_body`; each payload is one whole element that
declares every namespace it uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from xml.parsers import expat

from lxml import etree

from armgs_server.errors import Invalid
from armgs_server.formats import xmltree
from armgs_server.xmpp.faults import Broken, on_restricted, on_xml_declaration
from armgs_server.xmpp.framing import declared
from armgs_server.xmpp.prefixes import MAX_DEPTH
from armgs_server.xmpp.stanza import CLIENT, STANZA_NAMES, STREAM, element

HTTPBIND = "http://jabber.org/protocol/httpbind"
XBOSH = "urn:xmpp:xbosh"  # XEP-0206 §3
MAX_RID = (1 << 53) - 1  # §14.1
_NUMBER = re.compile(r"[0-9]{1,16}")
_SUSPECT = re.compile(rb"<!|<\?")  # a comment, a processing instruction, or mere text that looks like one
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_TRUE = ("true", "1")


@dataclass(frozen=True, slots=True)
class Body:
    """One request; numbers that were not given are None."""

    rid: int
    sid: str
    type: str
    to: str
    from_: str
    lang: str
    wait: int | None
    hold: int | None
    pause: int | None
    ack: int | None
    version: str  # of XMPP
    is_restart: bool
    key: str
    new_key: str
    payloads: tuple[bytes, ...]


def parse_body(data: bytes, max_size: int) -> Body:
    """A request; Invalid where it is none, TooLarge."""
    root = xmltree.parse(data, max_size=max_size, max_depth=MAX_DEPTH + 2)
    if _SUSPECT.search(data):
        _check_restricted(data)
    if root.tag != f"{{{HTTPBIND}}}body":
        raise Invalid("the root is no body element")
    if (root.text or "").strip() or any((child.tail or "").strip() for child in root):
        raise Invalid("text between payloads")
    rid = _number(root, "rid")
    if rid is None or not 0 < rid <= MAX_RID:
        raise Invalid("no valid rid")
    return Body(
        rid=rid,
        sid=root.get("sid", ""),
        type=root.get("type", ""),
        to=root.get("to", ""),
        from_=root.get("from", ""),
        lang=root.get(_LANG, ""),
        wait=_number(root, "wait"),
        hold=_number(root, "hold"),
        pause=_number(root, "pause"),
        ack=_number(root, "ack"),
        version=root.get(f"{{{XBOSH}}}version", "1.0"),
        is_restart=root.get(f"{{{XBOSH}}}restart") in _TRUE,
        key=root.get("key", "").lower(),
        new_key=root.get("newkey", "").lower(),
        payloads=tuple(_payload(child) for child in root),
    )


def serialise_body(attributes: dict[str, str], payloads: Iterable[bytes] = ()) -> bytes:
    """An answer; attributes with an empty value are left out."""
    inner = b"".join(map(declared, payloads))
    declarations = {"xmlns": HTTPBIND}
    if any(name.startswith("xmpp:") for name in attributes):
        declarations["xmlns:xmpp"] = XBOSH
    if b"<stream:" in inner:
        declarations["xmlns:stream"] = STREAM  # XEP-0206 §2
    return element("body", {**declarations, **attributes}, inner)


def _number(root: etree._Element, name: str) -> int | None:
    text = root.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise Invalid(f"{name} is no number")
    return int(text)


def _payload(child: etree._Element) -> bytes:
    data = xmltree.serialise(child)
    namespace, _, name = child.tag.rpartition("}")
    if namespace == f"{{{HTTPBIND}" and name in STANZA_NAMES:
        # COMPAT XEP-0206 §2: many clients leave the namespace of their stanzas out.
        data = data.replace(f'xmlns="{HTTPBIND}"'.encode(), f'xmlns="{CLIENT}"'.encode(), 1)
    return data


def _check_restricted(data: bytes) -> None:
    """§6: neither comments nor processing instructions."""
    parser = expat.ParserCreate(encoding="UTF-8")
    parser.XmlDeclHandler = on_xml_declaration
    parser.ProcessingInstructionHandler = on_restricted
    parser.CommentHandler = on_restricted
    try:
        parser.Parse(data, True)
    except Broken as error:
        raise Invalid(error.fault.condition) from error
    except expat.ExpatError as error:
        raise Invalid(str(error)) from error
