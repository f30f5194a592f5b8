# SPDX-License-Identifier: Apache-2.0
"""The If header against RFC 4918's own examples, against WsgiDAV, and against random bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsgidav import util

from armgs_server.dav.conditions import (
    Condition,
    ConditionList,
    ResourceState,
    evaluate_if,
    evaluate_preconditions,
    if_match_holds,
    if_none_match_holds,
    parse_entity_tags,
    parse_http_date,
    parse_if,
    submitted_tokens,
)
from armgs_server.dav.errors import DavError

TOKEN = "urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2"
OTHER = "urn:uuid:58f202ac-22cf-11d1-b12d-002035b29092"


def test_untagged_lists() -> None:
    # RFC 4918 §10.4.6
    assert parse_if(f'(<{TOKEN}> ["I am an ETag"]) (["I am another ETag"])') == [
        ConditionList(None, (Condition("token", TOKEN), Condition("etag", '"I am an ETag"'))),
        ConditionList(None, (Condition("etag", '"I am another ETag"'),)),
    ]


def test_not_and_no_lock() -> None:
    # §10.4.7, §10.4.8
    assert parse_if(f"(Not <{TOKEN}> <{OTHER}>)") == [
        ConditionList(None, (Condition("token", TOKEN, negated=True), Condition("token", OTHER)))
    ]
    lists = parse_if(f"(<{TOKEN}>)(Not <DAV:no-lock>)")
    assert evaluate_if(lists, lambda tag: ResourceState("", ()))
    assert submitted_tokens(lists) == {TOKEN, "DAV:no-lock"}


def test_tagged_lists() -> None:
    # §10.4.10
    lists = parse_if(f'</resource1>(<{TOKEN}>[W/"A weak ETag"])(["strong"])</r2> (["x"])')
    assert [each.resource for each in lists] == ["/resource1", "/resource1", "/r2"]
    states = {"/resource1": ResourceState('"strong"', ()), "/r2": ResourceState("", ())}
    assert evaluate_if(lists, lambda tag: states[tag or ""])
    states["/resource1"] = ResourceState('"A weak ETag"', (TOKEN,))
    assert not evaluate_if(lists, lambda tag: states[tag or ""])  # a weak tag never matches strongly


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "()",
        "(",
        ")",
        f"<{TOKEN}>",
        f"(<{TOKEN}>",
        f"(<{TOKEN}>) x",
        f"(Not)(<{TOKEN}>)",
        f"(Not Not <{TOKEN}>)",
        "(unquoted)",
        '(["open)',
        "([unquoted])",
        f"(<{TOKEN}>) </tagged> (<{TOKEN}>)",
        f"</a> </b> (<{TOKEN}>)",
        f"</a> (<{TOKEN}>) </b>",
        "(< >)",
    ],
)
def test_malformed(header: str) -> None:
    with pytest.raises(DavError) as caught:
        parse_if(header)
    assert caught.value.status == 400


@given(st.text(alphabet='()<>[]"Not abc:/W,-', max_size=60) | st.text(max_size=60))
def test_any_text_parses_or_is_refused(header: str) -> None:
    try:
        lists = parse_if(header)
    except DavError as error:
        assert error.status == 400
    else:
        assert lists and all(each.conditions for each in lists)


tokens = st.sampled_from([TOKEN, OTHER, "opaquelocktoken:abc"])
etags = st.sampled_from(['"a"', '"bc"'])
conditions = st.builds(Condition, kind=st.just("token"), value=tokens, negated=st.booleans()) | st.builds(
    Condition, kind=st.just("etag"), value=etags, negated=st.booleans()
)
condition_lists = st.lists(conditions, min_size=1, max_size=4).map(tuple)


def spell(conditions: tuple[Condition, ...]) -> str:
    return " ".join(
        ("Not " if each.negated else "") + (f"<{each.value}>" if each.kind == "token" else f"[{each.value}]")
        for each in conditions
    )


class HasEtag:
    """What WsgiDAV asks of a resource here."""

    def support_etag(self) -> bool:
        return True


@given(st.lists(condition_lists, min_size=1, max_size=4), st.sampled_from(['"a"', '"bc"', '"x"']), tokens)
def test_untagged_lists_hold_as_in_wsgidav(lists: list[tuple[Condition, ...]], etag: str, held: str) -> None:
    header = " ".join(f"({spell(each)})" for each in lists)
    parsed = parse_if(header)
    assert parsed == [ConditionList(None, each) for each in lists]
    environ = {"HTTP_IF": header}
    util.parse_if_header_dict(environ)
    theirs = util.test_if_header_dict(
        HasEtag(), environ["wsgidav.conditions.if"], "/r", [held], etag.strip('"')
    )
    assert evaluate_if(parsed, lambda tag: ResourceState(etag, (held,))) == theirs


def test_if_match() -> None:
    assert if_match_holds("*", '"a"') and if_match_holds("*", "") and not if_match_holds("*", None)
    assert if_match_holds('"b", "a"', '"a"') and not if_match_holds('"b"', '"a"')
    assert not if_match_holds('W/"a"', '"a"') and not if_match_holds('"a"', None)


def test_if_none_match() -> None:
    assert if_none_match_holds("*", None) and not if_none_match_holds("*", "")
    assert not if_none_match_holds('"x", W/"a"', '"a"') and if_none_match_holds('"x"', '"a"')


@pytest.mark.parametrize("header", ["a", '"a" "b', '"a"b', "'a'"])
def test_malformed_entity_tags(header: str) -> None:
    with pytest.raises(DavError):
        parse_entity_tags(header)


def test_dates() -> None:
    assert parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777
    assert parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT") == 784111777
    assert parse_http_date("yesterday") is None and parse_http_date("") is None


@given(st.text(max_size=40))
def test_any_date_is_a_number_or_none(header: str) -> None:
    assert isinstance(parse_http_date(header), int | None)


def outcome(*, reading: bool = True, etag: str | None = '"a"', **header: str) -> str:
    fields = {name.replace("_", "-"): value for name, value in header.items()}
    return evaluate_preconditions(fields.get, reading=reading, etag=etag, modified=784111777)


def test_the_order_of_rfc_9110() -> None:
    before, same = "Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"
    assert outcome() == "proceed"
    assert outcome(if_match='"a"', if_unmodified_since=before) == "proceed"  # If-Match decides alone
    assert outcome(if_unmodified_since=before) == "failed"
    assert outcome(if_unmodified_since=same) == "proceed"
    assert outcome(if_none_match='"a"') == "not modified"
    assert outcome(if_none_match='"a"', reading=False) == "failed"
    assert outcome(if_none_match='"b"', if_modified_since=same) == "proceed"
    assert outcome(if_modified_since=same) == "not modified"
    assert outcome(if_modified_since=before) == "proceed"
    assert outcome(if_modified_since=same, reading=False) == "proceed"
    assert outcome(if_modified_since="rubbish") == "proceed"
