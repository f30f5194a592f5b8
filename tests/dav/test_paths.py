# SPDX-License-Identifier: Apache-2.0
"""Paths there and back, and names that are no names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.errors import DavError
from armgs_server.dav.paths import Path, join, parse_href, parse_path, parse_target, quote


def test_segments() -> None:
    assert parse_path("/") == Path((), True)
    assert parse_path("/dav/files") == Path(("dav", "files"), False)
    assert parse_path("//dav//a%20b/") == Path(("dav", "a b"), True)
    assert str(Path(("a b", "я"), True)) == "/a%20b/%D1%8F/"


def test_targets() -> None:
    assert parse_target("/a?x=/../b").segments == ("a",)
    assert parse_target("http://host:1/a/b").segments == ("a", "b")
    assert parse_target("https://host").segments == ()
    for target in ("/a#b", "*", "ftp://h/a", "a"):
        with pytest.raises(DavError):
            parse_target(target)


def test_characters_beyond_ascii_without_escapes() -> None:
    assert parse_path("/план").segments == ("план",)  # a DAV:href
    assert parse_path("/план".encode().decode("latin-1")).segments == ("план",)  # a raw request target
    assert parse_href(" http://h/%D0%BF/%70 ").segments == ("п", "p")


def test_nfc() -> None:
    assert parse_path("/%D0%B8%CC%86").segments == ("й",)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "a",
        "/..",
        "/a/../b",
        "/.",
        "/%2e%2e/b",
        "/a%2fb",
        "/%00",
        "/a%0ab",
        "/%7f",
        "/%ff",
        f"/{'a' * 256}",
    ],
)
def test_refused(raw: str) -> None:
    with pytest.raises(DavError) as caught:
        parse_path(raw)
    assert caught.value.status == 400


def test_depth_is_bounded() -> None:
    assert len(parse_path("/a" * 64).segments) == 64
    with pytest.raises(DavError):
        parse_path("/a" * 65)


def test_quoted_names_need_no_escaping_in_xml() -> None:
    assert quote("a&b<c>'\"%/я") == "a%26b%3Cc%3E%27%22%25%2F%D1%8F"
    assert quote("ivanov@digital.example") == "ivanov@digital.example"


@given(st.lists(st.text(min_size=1, max_size=20), max_size=5), st.booleans())
def test_there_and_back(names: list[str], slash: bool) -> None:
    try:
        path = parse_path("/" + "/".join(quote(name) for name in names) + ("/" if slash else ""))
    except (DavError, UnicodeEncodeError):
        return
    assert parse_path(join(path.segments, slash=slash)).segments == path.segments


@given(st.text(max_size=60))
def test_any_text_is_a_path_or_refused(raw: str) -> None:
    for parse in (parse_path, parse_target, parse_href):
        try:
            path = parse(raw)
        except DavError as error:
            assert error.status == 400
        else:
            assert all(name and "/" not in name and name not in (".", "..") for name in path.segments)
