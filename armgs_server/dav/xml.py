# SPDX-License-Identifier: Apache-2.0
"""Request bodies of WebDAV: bytes to dataclasses (RFC 4918 §14, RFC 5689 §5, RFC 3253 §3.6).

Pure. Documents with a DTD are refused, so there are no entities to expand; unknown elements are
ignored where RFC 4918 §17 says so. Every failure is a DavError 400.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeAlias

from lxml import etree

from armgs_server.dav.errors import DavError
from armgs_server.dav.names import dav
from armgs_server.errors import Invalid
from armgs_server.formats import xmltree

Element: TypeAlias = etree._Element

# Each name asked for is answered for each resource; what clients ask for is below thirty.
MAX_ASKED = 500
ASKED = (dav("prop"), dav("allprop"), dav("propname"))  # the ways to ask for properties
MAX_KEPT = 4096  # bytes of a PROPFIND body that is kept parsed
MAX_HOLDER = 4096  # characters of DAV:owner, which is shown to everybody who may read
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True, slots=True)
class PropFind:
    """DAV:propfind, and DAV:prop of a report: which properties are asked for.

    `elements` holds the asked element itself, for properties that take parameters inside.
    """

    kind: Literal["prop", "allprop", "propname"]
    names: tuple[str, ...] = ()
    elements: Mapping[str, Element] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """One property to set, or to remove where `element` is None."""

    name: str
    element: Element | None


@dataclass(frozen=True, slots=True)
class LockInfo:
    """DAV:lockinfo: what lock is wanted; `holder` is the DAV:owner element as text, or ''."""

    scope: Literal["exclusive", "shared"]
    holder: str


def parse_document(body: bytes) -> Element:
    """The root element of a well-formed document without DTD."""
    try:
        return xmltree.parse(body, max_size=max(len(body), 1))  # the size was bounded when it was read
    except Invalid as error:
        raise DavError(400, f"The body is not acceptable XML: {error}") from error


def parse_propfind(body: bytes) -> PropFind:
    """RFC 4918 §9.1: an empty body asks for all properties."""
    if not body:
        return PropFind("allprop")
    # Clients ask the same question for ever. What is parsed is never changed, so it can be shared.
    return _parse_short_propfind(body) if len(body) <= MAX_KEPT else _parse_propfind(body)


def _parse_propfind(body: bytes) -> PropFind:
    root = parse_document(body)
    if root.tag != dav("propfind"):
        raise DavError(400, "DAV:propfind expected.")
    return parse_propfind_element(root)


_parse_short_propfind = lru_cache(maxsize=256)(_parse_propfind)


def parse_propfind_element(root: Element) -> PropFind:
    """What is asked for: one of DAV:prop, DAV:allprop (with DAV:include), DAV:propname inside `root`."""
    asked = list(root.iterchildren(*ASKED))
    if len(asked) != 1:
        raise DavError(400, "Exactly one of DAV:prop, DAV:allprop and DAV:propname expected.")
    if asked[0].tag == dav("propname"):
        return PropFind("propname")
    if asked[0].tag == dav("prop"):
        elements = _asked_elements(asked[0])
        return PropFind("prop", tuple(elements), elements)
    include = root.find(dav("include"))  # RFC 4918 §14.8
    elements = _asked_elements(include) if include is not None else {}
    return PropFind("allprop", tuple(elements), elements)


def _asked_elements(parent: Element) -> dict[str, Element]:
    elements = {name_of(child): child for child in parent}
    if len(elements) > MAX_ASKED:
        raise DavError(400, "Too many properties are asked for.")
    return elements


def parse_propertyupdate(body: bytes) -> list[PropertyChange]:
    """RFC 4918 §14.19: the changes in document order."""
    root = parse_document(body)
    if root.tag != dav("propertyupdate"):
        raise DavError(400, "DAV:propertyupdate expected.")
    changes = list(parse_property_changes(root))
    if not changes:
        raise DavError(400, "DAV:propertyupdate changes nothing.")
    return changes


def parse_property_changes(root: Element) -> Iterator[PropertyChange]:
    """The DAV:set and DAV:remove elements inside `root`."""
    for instruction in root:
        if instruction.tag not in (dav("set"), dav("remove")):
            continue
        for prop in instruction.findall(dav("prop")):
            for child in prop:
                _inherit_language(child)
                is_set = instruction.tag == dav("set")
                yield PropertyChange(name_of(child), child if is_set else None)


def parse_lockinfo(body: bytes) -> LockInfo | None:
    """RFC 4918 §14.11; None for an empty body, which is a refresh (§9.10.2)."""
    if not body:
        return None
    root = parse_document(body)
    scope = root.find(dav("lockscope"))
    kind = root.find(dav("locktype"))
    if root.tag != dav("lockinfo") or scope is None or kind is None or kind.find(dav("write")) is None:
        raise DavError(400, "DAV:lockinfo with DAV:lockscope and DAV:locktype expected.")
    holder = root.find(dav("owner"))
    text = standalone(holder) if holder is not None else ""
    if len(text) > MAX_HOLDER:
        raise DavError(400, "DAV:owner is too long.")
    if scope.find(dav("exclusive")) is not None:
        return LockInfo("exclusive", text)
    if scope.find(dav("shared")) is not None:
        return LockInfo("shared", text)
    raise DavError(400, "DAV:exclusive or DAV:shared expected.")


def parse_mkcol(body: bytes, root_name: str) -> list[PropertyChange]:
    """RFC 5689 §3 and RFC 4791 §5.3.1: the properties of the new collection, DAV:resourcetype included."""
    root = parse_document(body)
    if root.tag != root_name:
        raise DavError(415, "This body is not understood.")  # RFC 4918 §9.3.1
    return list(parse_property_changes(root))


def name_of(child: Element) -> str:
    """The name of an element that stands for a property."""
    if not isinstance(child.tag, str):
        raise DavError(400, "An entity reference is not accepted.")
    return child.tag


def standalone(child: Element) -> str:
    """The element as text that declares every namespace in scope, so that it can be put anywhere."""
    # Not method="c14n": libxml2 2.x writes an & in a namespace name without escaping it.
    text: str = etree.tostring(child, encoding="unicode", with_tail=False)
    return text


def text_of(child: Element) -> str:
    """All text inside an element, trimmed."""
    return "".join(str(part) for part in child.itertext()).strip()


def number_of(child: Element) -> int | None:
    """A number of up to nine digits; None for anything else, as `int` takes no text of any length."""
    text = text_of(child)
    return int(text) if text.isdecimal() and len(text) < 10 else None


def hrefs_of(root: Element) -> list[str]:
    """The DAV:href children's text, in order."""
    return [(child.text or "").strip() for child in root.findall(dav("href"))]


def _inherit_language(child: Element) -> None:
    # RFC 4918 §4.3: xml:lang in scope belongs to the property.
    if child.get(XML_LANG) is not None:
        return
    for ancestor in child.iterancestors():
        language = ancestor.get(XML_LANG)
        if language is not None:
            child.set(XML_LANG, language)
            return
