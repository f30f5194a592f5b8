# SPDX-License-Identifier: Apache-2.0
"""Hardened XML: what is refused, and that text survives."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid, TooLarge
from armgs_server.formats.xmltree import escape, parse, quote, serialise


def test_parse_and_serialise() -> None:
    root = parse("<?xml version='1.0'?><a xmlns='urn:a' b='1'>да<!-- c --><?p?><c/>tail</a>".encode())
    assert root.tag == "{urn:a}a"
    assert [child.tag for child in root] == ["{urn:a}c"]
    assert serialise(root) == '<a xmlns="urn:a" b="1">да<c/>tail</a>'.encode()


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"<!DOCTYPE a><a/>", 1),
        (b"<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY x 'y'>]>\n<a>&x;</a>", 2),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", 1),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>".encode("utf-16"), 1),
        (b"<a>\n<b></a>", 2),
        (b"<a>&undefined;</a>", 1),
        (b"", 0),
        (b"<a>\xff\xfe</a>", 1),
        (b"<x:a/>", 1),
        (b"<a>" * 260 + b"</a>" * 260, 1),
        (b"<a>" * 5000 + b"</a>" * 5000, 1),
    ],
)
def test_refused(data: bytes, line: int) -> None:
    with pytest.raises(Invalid) as error:
        parse(data)
    if line:
        assert error.value.line == line


def test_depth() -> None:
    assert parse(b"<a>" * 20 + b"</a>" * 20, max_depth=20).tag == "a"
    with pytest.raises(Invalid):
        parse(b"<a>" * 21 + b"</a>" * 21, max_depth=20)


def test_size_is_checked_first() -> None:
    with pytest.raises(TooLarge):
        parse(b"<a>" + b"x" * 100, max_size=50)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    try:
        parse(data)
    except Invalid:
        return
    assert data


@given(st.text(max_size=50))
def test_escape_and_quote_survive_a_parser(text: str) -> None:
    tree = ElementTree.fromstring(f"<a b='{quote(text)}' c=\"{quote(text)}\">{escape(text)}</a>")
    expected = "".join("\ufffd" if _is_forbidden(char) else char for char in text)
    assert tree.get("b") == expected
    assert tree.get("c") == expected
    assert (tree.text or "") == expected


def _is_forbidden(char: str) -> bool:
    code = ord(char)
    return (code < 0x20 and char not in "\t\n\r") or 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF)
