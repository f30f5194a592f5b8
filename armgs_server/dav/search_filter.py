# SPDX-License-Identifier: Apache-2.0
"""DAV:basicsearch (RFC 5323 §5): the query parsed to dataclasses, and its three-valued logic. Pure.

A comparison with a property that a resource does not have is neither true nor false (None, §5.5.3).
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeAlias

from armgs_server.dav.errors import DavError
from armgs_server.dav.headers import Depth, parse_depth
from armgs_server.dav.names import dav
from armgs_server.dav.xml import Element, PropFind, name_of, number_of, parse_propfind_element, text_of

MAX_OPERATORS = 200  # of one query
MAX_DEPTH = 20  # of operators inside operators
Truth: TypeAlias = "bool | None"
Value: TypeAlias = "float | str"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one resource: texts by property name (None: not there), and whether it is a folder."""

    texts: Mapping[str, str | None]
    is_collection: bool


Test: TypeAlias = Callable[[Facts], Truth]


@dataclass(frozen=True, slots=True)
class Order:
    """One DAV:order: by this property, the missing ones first when ascending (§5.6)."""

    name: str
    descending: bool
    caseless: bool


@dataclass(frozen=True, slots=True)
class Search:
    """A query. `names` are the properties that the tests and the order need."""

    asked: PropFind
    scope: str
    depth: Depth
    where: Test
    order: tuple[Order, ...]
    limit: int | None
    names: tuple[str, ...]


def parse_search(root: Element) -> Search:
    """DAV:searchrequest; 422 for a grammar or an operator that is not known (§2.4)."""
    query = root.find(dav("basicsearch"))
    if root.tag != dav("searchrequest") or query is None:
        raise DavError(422, condition=dav("search-grammar-supported"))
    select, scopes = query.find(dav("select")), query.findall(f"{dav('from')}/{dav('scope')}")
    if select is None or not scopes:
        raise DavError(422, "DAV:select and DAV:from expected.")
    if len(scopes) > 1:
        raise DavError(422, condition=dav("search-multiple-scope-supported"))
    href, depth = scopes[0].find(dav("href")), scopes[0].find(dav("depth"))
    if href is None:
        raise DavError(422, "DAV:href expected in DAV:scope.")
    parser = _Parser()
    where = query.find(dav("where"))
    if where is not None and len(where) != 1:
        raise DavError(422, "One operator expected in DAV:where.")
    test = (lambda facts: True) if where is None else parser.parse(where[0], 0)
    order = tuple(_parse_order(each) for each in query.findall(f"{dav('orderby')}/{dav('order')}"))
    names = dict.fromkeys([*parser.names, *(each.name for each in order)])
    return Search(
        parse_propfind_element(select),
        text_of(href),
        parse_depth(text_of(depth) if depth is not None else None, "infinity"),
        test,
        order,
        _parse_limit(query),
        tuple(names),
    )


class _Parser:
    """Operators to tests; counts them and remembers which properties they look at."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self._left = MAX_OPERATORS

    def parse(self, operator: Element, depth: int) -> Test:
        """Any operator of §5.5 but DAV:contains and the language ones, which are optional."""
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise DavError(422, "The query is too large.")
        kind = name_of(operator).removeprefix("{DAV:}")
        if kind in ("and", "or"):
            tests = [self.parse(child, depth + 1) for child in operator]
            return _all(tests) if kind == "and" else _any(tests)
        if kind == "not" and len(operator) == 1:
            return _not(self.parse(operator[0], depth + 1))
        if kind == "is-collection":
            return lambda facts: facts.is_collection
        if kind == "is-defined":
            name = self._property(operator)
            return lambda facts: facts.texts.get(name) is not None
        if kind in _COMPARISONS:
            return self._comparison(operator, kind)
        if kind == "like":
            return self._like(operator)
        raise DavError(422, f"The operator {kind} is not supported.")

    def _property(self, operator: Element) -> str:
        prop = operator.find(dav("prop"))
        if prop is None or len(prop) != 1:
            raise DavError(422, "DAV:prop with one property expected.")
        self.names[name_of(prop[0])] = None
        return name_of(prop[0])

    def _comparison(self, operator: Element, kind: str) -> Test:
        name, caseless = self._property(operator), is_caseless(operator)
        wanted, holds = value_of(name, _literal(operator), caseless=caseless), _COMPARISONS[kind]

        def test(facts: Facts) -> Truth:
            text = facts.texts.get(name)
            if text is None:
                return None
            value = value_of(name, text, caseless=caseless)
            return holds(value, wanted) if isinstance(value, str) == isinstance(wanted, str) else None

        return test

    def _like(self, operator: Element) -> Test:
        name, caseless = self._property(operator), is_caseless(operator)
        pattern = _like_pattern(_fold(_literal(operator), caseless=caseless))

        def test(facts: Facts) -> Truth:
            text = facts.texts.get(name)
            return None if text is None else pattern(_fold(text, caseless=caseless))

        return test


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "lt": lambda a, b: bool(a < b),
    "gt": lambda a, b: bool(a > b),
    "lte": lambda a, b: bool(a <= b),
    "gte": lambda a, b: bool(a >= b),
}


def _all(tests: Sequence[Test]) -> Test:
    def test(facts: Facts) -> Truth:
        found = [each(facts) for each in tests]
        return False if False in found else None if None in found else True

    return test


def _any(tests: Sequence[Test]) -> Test:
    def test(facts: Facts) -> Truth:
        found = [each(facts) for each in tests]
        return True if True in found else None if None in found else False

    return test


def _not(inner: Test) -> Test:
    def test(facts: Facts) -> Truth:
        found = inner(facts)
        return None if found is None else not found

    return test


def _literal(operator: Element) -> str:
    literal = operator.find(dav("literal"))
    if literal is None:
        literal = operator.find(dav("typed-literal"))
    if literal is None:
        raise DavError(422, "DAV:literal expected.")
    return str(literal.text or "")


def is_caseless(element: Element) -> bool:
    """§5.9: the attribute, by default the server's choice: caseless."""
    return element.get("caseless", "yes") != "no"


def _fold(text: str, *, caseless: bool) -> str:
    return text.casefold() if caseless else text


def value_of(name: str, text: str, *, caseless: bool) -> Value:
    """A text as it is compared: sizes as numbers, dates as moments."""
    try:
        if name == dav("getcontentlength"):
            return float(int(text))
        if name == dav("getlastmodified") and "," in text:
            return parsedate_to_datetime(text).timestamp()
        if name in (dav("creationdate"), dav("getlastmodified")):
            return datetime.fromisoformat(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return text  # compared with a number or a moment it is neither true nor false
    return _fold(text, caseless=caseless)


def _like_pattern(text: str) -> Callable[[str], bool]:
    r"""§5.16: "%" any characters, "_" one, "\" takes the next as it is. Without backtracking."""
    pieces: list[list[str | None]] = [[]]
    for match in re.finditer(r"\\(.)|(%)|(_)|(.)", text, re.DOTALL):
        if match[2]:
            pieces.append([])
        else:
            pieces[-1].append(None if match[3] else match[1] or match[4])

    def fits(piece: Sequence[str | None], value: str, at: int) -> bool:
        return all(want is None or want == value[at + place] for place, want in enumerate(piece))

    def test(value: str) -> bool:
        first, last = pieces[0], pieces[-1]
        if len(pieces) == 1:
            return len(value) == len(first) and fits(first, value, 0)
        if len(value) < len(first) + len(last) or not fits(first, value, 0):
            return False
        at, end = len(first), len(value) - len(last)
        for piece in pieces[1:-1]:
            found = next((at for at in range(at, end - len(piece) + 1) if fits(piece, value, at)), None)
            if found is None:
                return False
            at = found + len(piece)
        return fits(last, value, end)

    return test


def _parse_order(element: Element) -> Order:
    prop = element.find(dav("prop"))
    if prop is None or len(prop) != 1:
        raise DavError(422, "DAV:order needs one property.")
    return Order(name_of(prop[0]), element.find(dav("descending")) is not None, is_caseless(element))


def _parse_limit(query: Element) -> int | None:
    results = query.find(f"{dav('limit')}/{dav('nresults')}")
    if results is None:
        return None
    number = number_of(results)
    if number is None:
        raise DavError(422, "DAV:nresults must be a number.")
    return number


def compare(order: Sequence[Order], first: Facts, second: Facts) -> Literal[-1, 0, 1]:
    """Which of two comes first."""
    for each in order:
        one, other = first.texts.get(each.name), second.texts.get(each.name)
        if one == other:
            continue
        if one is None or other is None:
            is_less = one is None
        else:
            left, right = (value_of(each.name, text, caseless=each.caseless) for text in (one, other))
            if left == right:
                continue
            is_less = (
                str(left) < str(right) if isinstance(left, str) or isinstance(right, str) else left < right
            )
        return -1 if is_less != each.descending else 1
    return 0


def sort_key(order: Sequence[Order]) -> Callable[[Facts], Any]:
    """For sorted()."""
    return functools.cmp_to_key(functools.partial(compare, order))
