# SPDX-License-Identifier: Apache-2.0
"""Depth, Destination, Overwrite, Timeout, Lock-Token, Prefer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.errors import DavError
from armgs_server.dav.headers import (
    parse_depth,
    parse_destination,
    parse_lock_token,
    parse_overwrite,
    parse_prefer,
    parse_timeout,
    same_host,
)


def test_depth() -> None:
    assert [parse_depth(value, "1") for value in (None, "0", " 1", "Infinity")] == ["1", "0", "1", "infinity"]
    for value in ("", "2", "infinite", "-1"):
        with pytest.raises(DavError):
            parse_depth(value, "0")


def test_overwrite() -> None:
    assert parse_overwrite(None) and parse_overwrite("T") and not parse_overwrite(" f ")
    with pytest.raises(DavError):
        parse_overwrite("yes")


def test_destination() -> None:
    assert parse_destination("/a%20b/c", "h") == "/a%20b/c"
    assert parse_destination("http://user@Host:8080/a", "host:443") == "/a"
    with pytest.raises(DavError) as elsewhere:
        parse_destination("http://other/a", "host")
    assert elsewhere.value.status == 502
    for value in (None, "", "a", "http://host", "/a?b", "/a#b", "http://[/a"):
        with pytest.raises(DavError) as caught:
            parse_destination(value, "host")
        assert caught.value.status == 400


def test_same_host() -> None:
    assert same_host("a", "A:1") and not same_host("a", "b") and not same_host("a", None)
    assert same_host("[::1]:80", "[::1]") and not same_host("[::1]:80", "[::2]:80")


def test_timeout() -> None:
    assert parse_timeout("Second-60", 3600) == 60
    assert parse_timeout("Infinite, Second-4100000000", 3600) == 3600
    assert parse_timeout("Extend, Second-5", 3600) == 5
    assert parse_timeout("Second-0", 3600) == 1
    assert parse_timeout(None, 3600) == parse_timeout("rubbish", 3600) == 3600


def test_lock_token() -> None:
    assert parse_lock_token(" <urn:uuid:x> ") == "urn:uuid:x"
    for value in (None, "", "urn:uuid:x", "<>", "<a> <b>"):
        with pytest.raises(DavError):
            parse_lock_token(value)


def test_prefer() -> None:
    assert parse_prefer('return=minimal, Depth-Noroot;x, wait="10"') == {
        "return": "minimal",
        "depth-noroot": "",
        "wait": "10",
    }
    assert parse_prefer(None) == parse_prefer(" , ;") == {}


@given(st.text(max_size=60))
def test_nothing_but_refusals_leaves(header: str) -> None:
    for parse in (
        lambda: parse_depth(header, "0"),
        lambda: parse_overwrite(header),
        lambda: parse_destination(header, header),
        lambda: parse_lock_token(header),
    ):
        try:
            assert parse() is not None
        except DavError as error:
            assert error.status in (400, 502)
    assert 1 <= parse_timeout(header, 60) <= 60
    assert isinstance(parse_prefer(header), dict)
