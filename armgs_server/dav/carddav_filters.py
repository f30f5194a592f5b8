# SPDX-License-Identifier: Apache-2.0
"""Filters of addressbook-query (RFC 6352 §10.5): parsed to dataclasses and matched against cards. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from armgs_server.dav.errors import DavError
from armgs_server.dav.filters import ParamFilter, TextMatch, parse_param, parse_text_match
from armgs_server.dav.names import CARDDAV
from armgs_server.dav.xml import Element
from armgs_server.formats.contentline import ContentLine, unescape
from armgs_server.formats.vcard import Card

# Properties whose text the index holds whole, folded and unescaped.
INDEXED = frozenset(("FN", "NICKNAME", "EMAIL", "TITLE", "ROLE"))
MIN_INDEXED, MAX_INDEXED = 2, 1000  # characters; shorter texts are in nearly every card


@dataclass(frozen=True, slots=True)
class PropFilter:
    """§10.5.1."""

    name: str
    absent: bool
    is_any: bool  # test="anyof"
    texts: tuple[TextMatch, ...]
    params: tuple[ParamFilter, ...]

    def matches(self, card: Card) -> bool:
        # A group does not change what a property is (RFC 6350 §3.3).
        lines = card.all(self.name.rpartition(".")[2])
        if self.absent or not lines:
            return self.absent and not lines
        return not (self.texts or self.params) or any(self._is_match(line) for line in lines)

    def _is_match(self, line: ContentLine) -> bool:
        values = [unescape(line[2])]
        tests = [text.matches(values) for text in self.texts] + [param.matches(line) for param in self.params]
        return _combine(self.is_any)(tests)


@dataclass(frozen=True, slots=True)
class CardFilter:
    """§10.5: no prop-filter selects every card."""

    is_any: bool
    props: tuple[PropFilter, ...]

    def matches(self, card: Card) -> bool:
        return not self.props or _combine(self.is_any)(prop.matches(card) for prop in self.props)

    def indexed_texts(self) -> list[str]:
        """Texts of which every selected card holds at least one; empty where the index cannot help."""
        found = []
        for prop in self.props:
            texts = _indexed(prop)
            if texts and not self.is_any:
                return texts
            if not texts and self.is_any:
                return []
            found += texts
        return found if self.is_any else []


def _indexed(prop: PropFilter) -> list[str]:
    """Texts of which a card that matches this filter holds one."""
    if prop.name not in INDEXED or prop.absent:
        return []
    texts = [_needle(text) for text in prop.texts]
    if prop.is_any:
        return [] if prop.params or not all(texts) else texts
    return next(([text] for text in texts if text), [])


def _needle(text: TextMatch) -> str:
    needle = text.needle.casefold().strip()
    is_useful = MIN_INDEXED <= len(needle) <= MAX_INDEXED and not text.negate and "\n" not in needle
    return needle if is_useful else ""


def _combine(is_any: bool) -> Callable[[Iterable[bool]], bool]:
    return any if is_any else all


def parse_filter(root: Element) -> CardFilter:
    """CR:filter of a report."""
    element = root.find(f"{{{CARDDAV}}}filter")
    if element is None:
        raise DavError(400, "CR:filter expected.")
    props = element.findall(f"{{{CARDDAV}}}prop-filter")
    return CardFilter(_is_any(element), tuple(_parse_prop(child) for child in props))


def _is_any(element: Element) -> bool:
    test = element.get("test", "anyof")
    if test not in ("anyof", "allof"):
        raise DavError(400, "test must be anyof or allof.")
    return test == "anyof"


def _parse_prop(element: Element) -> PropFilter:
    name = element.get("name", "").strip().upper()
    if not name:
        raise DavError(400, "A prop-filter needs a name.")
    texts = (parse_text_match(child, CARDDAV) for child in element.findall(f"{{{CARDDAV}}}text-match"))
    return PropFilter(
        name=name,
        absent=element.find(f"{{{CARDDAV}}}is-not-defined") is not None,
        is_any=_is_any(element),
        texts=tuple(text for text in texts if text is not None),
        params=tuple(parse_param(child, CARDDAV) for child in element.findall(f"{{{CARDDAV}}}param-filter")),
    )
