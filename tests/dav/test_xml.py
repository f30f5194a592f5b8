# SPDX-License-Identifier: Apache-2.0
"""Request bodies: what they mean, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.errors import DavError
from armgs_server.dav.xml import (
    LockInfo,
    hrefs_of,
    parse_document,
    parse_lockinfo,
    parse_mkcol,
    parse_propertyupdate,
    parse_propfind,
    standalone,
)

PARSERS = (parse_propfind, parse_propertyupdate, parse_lockinfo, parse_document)


def test_propfind() -> None:
    asked = parse_propfind(
        b'<p:propfind xmlns:p="DAV:"><p:prop><p:getetag/><x xmlns="u:x"/><p:getetag/><plain/></p:prop>'
        b"</p:propfind>"
    )
    assert (asked.kind, asked.names) == ("prop", ("{DAV:}getetag", "{u:x}x", "plain"))
    assert parse_propfind(b"").kind == "allprop"
    assert parse_propfind(b'<propfind xmlns="DAV:"><propname/></propfind>').kind == "propname"
    asked = parse_propfind(b'<propfind xmlns="DAV:"><unknown/><allprop/><include><acl/></include></propfind>')
    assert (asked.kind, asked.names) == ("allprop", ("{DAV:}acl",))


def test_propertyupdate_keeps_order_and_language() -> None:
    changes = parse_propertyupdate(
        '<D:propertyupdate xmlns:D="DAV:" xml:lang="ru">'
        '<D:set><D:prop><a xmlns="u:">я &lt;</a></D:prop></D:set>'
        '<D:remove><D:prop><b xmlns="u:"/></D:prop></D:remove></D:propertyupdate>'.encode()
    )
    assert [(change.name, change.element is None) for change in changes] == [
        ("{u:}a", False),
        ("{u:}b", True),
    ]
    assert changes[0].element is not None
    text = standalone(changes[0].element)
    assert text == '<a xmlns="u:" xmlns:D="DAV:" xml:lang="ru">я &lt;</a>'
    assert standalone(parse_document(b'<x:n xmlns:x="u:&amp;"/>')) == '<x:n xmlns:x="u:&amp;"/>'


def test_lockinfo() -> None:
    body = (
        b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:%s/></D:lockscope><D:locktype><D:write/></D:locktype>'
        b"<D:owner><D:href>http://x/</D:href></D:owner></D:lockinfo>"
    )
    owner = '<D:owner xmlns:D="DAV:"><D:href>http://x/</D:href></D:owner>'
    assert parse_lockinfo(body % b"exclusive") == LockInfo("exclusive", owner)
    assert parse_lockinfo(body % b"shared") == LockInfo("shared", owner)
    assert parse_lockinfo(b"") is None
    with pytest.raises(DavError):
        parse_lockinfo(body % b"other")
    with pytest.raises(DavError):
        parse_lockinfo(body.replace(b"http://x/", b"x" * 5000) % b"shared")


def test_mkcol() -> None:
    body = (
        b'<mkcol xmlns="DAV:"><set><prop><resourcetype><collection/></resourcetype>'
        b"<displayname>x</displayname></prop></set></mkcol>"
    )
    assert [change.name for change in parse_mkcol(body, "{DAV:}mkcol")] == [
        "{DAV:}resourcetype",
        "{DAV:}displayname",
    ]
    with pytest.raises(DavError) as caught:
        parse_mkcol(b"<other/>", "{DAV:}mkcol")
    assert caught.value.status == 415


def test_hrefs() -> None:
    assert hrefs_of(parse_document(b'<r xmlns="DAV:"><href> /a </href><x/><href>/b</href></r>')) == [
        "/a",
        "/b",
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<open>",
        b"text",
        b"<a/><b/>",
        b"\xff\xfe\x00",
        b'<D:propfind xmlns:D="DAV:"><D:prop><b:x xmlns:b=""/></D:prop></D:propfind>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b"<a>&x;</a>",
        b"<a>" * 300 + b"</a>" * 300,
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>'.encode("utf-16"),
    ],
)
def test_refused_documents(body: bytes) -> None:
    with pytest.raises(DavError) as caught:
        parse_document(body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"<propfind/>",
        b'<propfind xmlns="DAV:"/>',
        b'<propfind xmlns="DAV:"><prop/><allprop/></propfind>',
        b'<other xmlns="DAV:"><prop/></other>',
        b'<propfind xmlns="DAV:"><prop>'
        + b"".join(b"<p%d/>" % n for n in range(501))
        + b"</prop></propfind>",
    ],
)
def test_refused_propfinds(body: bytes) -> None:
    with pytest.raises(DavError):
        parse_propfind(body)


@given(st.sampled_from(PARSERS), st.binary(max_size=200))
def test_any_bytes_parse_or_are_refused(parse: object, body: bytes) -> None:
    assert callable(parse)
    try:
        result = parse(body)
    except DavError as error:
        assert error.status == 400
    else:
        assert body == b"" or result is not None


names = st.sampled_from(["propfind", "prop", "set", "remove", "lockinfo", "lockscope", "exclusive", "x"])
trees = st.recursive(
    names.map(lambda name: f'<{name} xmlns="DAV:"/>'),
    lambda inner: st.builds(
        lambda name, parts: f'<{name} xmlns="DAV:">{"".join(parts)}</{name}>',
        names,
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


@given(st.sampled_from(PARSERS), trees)
def test_any_document_is_understood_or_refused(parse: object, body: str) -> None:
    assert callable(parse)
    try:
        assert parse(body.encode()) is not None
    except DavError as error:
        assert error.status == 400
