# SPDX-License-Identifier: Apache-2.0
"""DAV:basicsearch: operators, three-valued logic, order."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from armgs_server.dav.errors import DavError
from armgs_server.dav.names import dav
from armgs_server.dav.search_filter import Facts, Search, Truth, compare, parse_search, sort_key

QUERY = (
    '<D:searchrequest xmlns:D="DAV:"><D:basicsearch><D:select><D:prop><D:getetag/></D:prop></D:select>'
    "<D:from><D:scope><D:href>/dav/</D:href>{depth}</D:scope></D:from>{rest}</D:basicsearch></D:searchrequest>"
)
NAME = "<D:prop><D:displayname/></D:prop>"
SIZE = "<D:prop><D:getcontentlength/></D:prop>"
UNKNOWN = "<D:prop><D:missing/></D:prop>"


def parse(rest: str, depth: str = "") -> Search:
    return parse_search(etree.fromstring(QUERY.format(rest=rest, depth=depth)))


def literal(text: str) -> str:
    return f"<D:literal>{text}</D:literal>"


def truth(where: str, **texts: str) -> Truth:
    facts = Facts({dav(name): text for name, text in texts.items()}, is_collection=False)
    return parse(f"<D:where>{where}</D:where>").where(facts)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (f"<D:eq>{NAME}{literal('ОТЧЁТ')}</D:eq>", True),
        (f'<D:eq caseless="no">{NAME}{literal("ОТЧЁТ")}</D:eq>', False),
        (f"<D:gt>{SIZE}{literal('9')}</D:gt>", True),  # as numbers, not as texts
        (f"<D:lte>{SIZE}{literal('100')}</D:lte>", True),
        (f"<D:lt>{SIZE}{literal('100')}</D:lt>", False),
        (f"<D:gte>{SIZE}{literal('some')}</D:gte>", None),
        (f"<D:like>{NAME}{literal('от%т')}</D:like>", True),
        (f"<D:like>{NAME}{literal('от_т')}</D:like>", False),
        (f"<D:eq>{UNKNOWN}{literal('1')}</D:eq>", None),
        (f"<D:not><D:eq>{UNKNOWN}{literal('1')}</D:eq></D:not>", None),
        (f"<D:is-defined>{UNKNOWN}</D:is-defined>", False),
        (f"<D:not><D:is-defined>{UNKNOWN}</D:is-defined></D:not>", True),
        ("<D:is-collection/>", False),
        (f"<D:or><D:eq>{UNKNOWN}{literal('1')}</D:eq><D:not><D:is-collection/></D:not></D:or>", True),
        (f"<D:or><D:eq>{UNKNOWN}{literal('1')}</D:eq><D:is-collection/></D:or>", None),
        (f"<D:and><D:eq>{UNKNOWN}{literal('1')}</D:eq><D:is-collection/></D:and>", False),
        (f"<D:and><D:eq>{UNKNOWN}{literal('1')}</D:eq><D:not><D:is-collection/></D:not></D:and>", None),
    ],
)
def test_operators(where: str, expected: Truth) -> None:
    assert truth(where, displayname="Отчёт", getcontentlength="100") is expected


def test_dates() -> None:
    later = f"<D:gt><D:prop><D:getlastmodified/></D:prop>{literal('2026-11-01T00:00:00Z')}</D:gt>"
    assert truth(later, getlastmodified="Sun, 22 Nov 2026 07:00:00 GMT") is True
    assert truth(later, getlastmodified="Sun, 25 Oct 2026 07:00:00 GMT") is False


@given(st.text("ab%_.*[", max_size=8), st.text("ab.*[", max_size=10))
def test_like_is_what_a_slow_matcher_says(pattern: str, text: str) -> None:
    escaped = re.escape(pattern).replace("%", ".*").replace("_", ".")
    where = f"<D:like>{NAME}{literal(pattern)}</D:like>"
    assert truth(where, displayname=text) is bool(re.fullmatch(escaped, text, re.DOTALL))


def test_like_takes_the_escaped_as_it_is() -> None:
    where = f"<D:like>{NAME}{literal(chr(92) + '%')}</D:like>"
    assert truth(where, displayname="%") is True and truth(where, displayname="x") is False


def test_order() -> None:
    search = parse(
        f"<D:orderby><D:order>{SIZE}<D:descending/></D:order><D:order>{NAME}</D:order></D:orderby>"
    )
    sizes = (("b", "10"), ("a", "10"), ("c", "9"), ("d", None))
    rows = [
        Facts({dav("displayname"): name, dav("getcontentlength"): size}, is_collection=False)
        for name, size in sizes
    ]
    ordered = sorted(rows, key=sort_key(search.order))
    assert [each.texts[dav("displayname")] for each in ordered] == ["a", "b", "c", "d"]
    assert compare(search.order, rows[0], rows[0]) == 0


def test_what_is_needed_and_the_limits() -> None:
    search = parse(
        f"<D:where><D:eq>{NAME}{literal('x')}</D:eq></D:where><D:limit><D:nresults>3</D:nresults></D:limit>",
        "<D:depth>1</D:depth>",
    )
    assert (search.names, search.depth, search.limit, search.scope) == (
        ("{DAV:}displayname",),
        "1",
        3,
        "/dav/",
    )
    assert parse("").where(Facts({}, is_collection=True)) is True


@pytest.mark.parametrize(
    "rest",
    [
        "<D:where/>",
        "<D:where><D:contains>x</D:contains></D:where>",
        f"<D:where><D:eq>{NAME}</D:eq></D:where>",
        f"<D:where><D:eq>{literal('x')}</D:eq></D:where>",
        f"<D:where>{'<D:not>' * 30}<D:is-collection/>{'</D:not>' * 30}</D:where>",
        f"<D:where><D:or>{'<D:is-collection/>' * 300}</D:or></D:where>",
        "<D:orderby><D:order/></D:orderby>",
        "<D:limit><D:nresults>-1</D:nresults></D:limit>",
        "<D:from><D:scope><D:href>/</D:href></D:scope></D:from>",
    ],
)
def test_what_is_not_understood(rest: str) -> None:
    with pytest.raises(DavError) as refused:
        parse(rest)
    assert refused.value.status == 422


def test_another_grammar() -> None:
    for text in ('<x xmlns="DAV:"/>', '<searchrequest xmlns="DAV:"><sql xmlns="u:"/></searchrequest>'):
        with pytest.raises(DavError) as refused:
            parse_search(etree.fromstring(text))
        assert refused.value.condition == "{DAV:}search-grammar-supported"
