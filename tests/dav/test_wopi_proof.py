# SPDX-License-Identifier: Apache-2.0
"""Proof keys and discovery documents, as parsers."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armgs_server.dav import wopi_discovery, wopi_proof, wopi_tokens
from armgs_server.dav.wopi_proof import Signed
from armgs_server.errors import DomainError, Invalid
from armgs_server.storage import clock
from tests.dav.office import Office, new_key, number

KEY = new_key()
KEYS = wopi_proof.parse_keys(
    {"modulus": number(KEY.public_key().public_numbers().n), "exponent": number(65537)}
)


def test_what_is_signed() -> None:
    """Each part behind its length, the URL in capitals, the time in eight octets."""
    proof = wopi_proof.expected_proof("tok", "https://a/b?c=d", 1)
    assert proof == b"\0\0\0\x03tok\0\0\0\x0fHTTPS://A/B?C=D\0\0\0\x08\0\0\0\0\0\0\0\x01"


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"modulus": "?", "exponent": "AQAB"},
        {"modulus": "AQAB", "exponent": ""},
        {"modulus": base64.b64encode(b"\xff" * 2000).decode(), "exponent": "AQAB"},
    ],
)
def test_keys_that_are_none(attributes: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        wopi_proof.parse_keys(attributes)


@given(st.text(), st.text(), st.text(), st.text(max_size=40))
def test_no_request_is_proven_by_anything(token: str, proof: str, old: str, timestamp: str) -> None:
    signed = Signed(token.encode(errors="replace").decode(), "https://a/", timestamp, proof, old)
    assert not wopi_proof.is_proven(KEYS, signed, clock.now())


@given(st.text(), st.binary(max_size=40))
def test_no_text_is_a_token(text: str, secret: bytes) -> None:
    assert wopi_tokens.parse(text, secret, 0) is None


@settings(max_examples=50)
@given(st.data())
def test_discovery_documents_that_are_damaged(data: st.DataObject) -> None:
    document = bytearray(Office(port=80, key=KEY).discovery())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(document) - 1))
        document[at] = data.draw(st.integers(0, 255))
    try:
        found = wopi_discovery.parse(bytes(document))
    except DomainError:
        return
    assert all(url.startswith("http") for each in found.actions.values() for url in each.values())


def test_what_an_editor_opens() -> None:
    found = wopi_discovery.parse(Office(port=80, key=None).discovery())
    assert found.proof_keys is None
    edit = "http://127.0.0.1:80/browser/4f2/cool.html?"
    assert found.action("a.ODT", may_write=True) == (edit, True)
    assert found.action("a.odt", may_write=False) == (edit, False)
    assert found.action("a.docx", may_write=False) == (edit, False)
    assert found.action("a.pdf", may_write=True) == (edit, False)
    assert found.action("odt", may_write=True)[0] == edit
    assert found.action("a.zip", may_write=True) == ("", False)


def test_placeholders_are_left_out_and_schemes_are_http() -> None:
    action = '<action ext="{}" name="edit" urlsrc="{}"/>'
    actions = action.format("xlsx", "https://o/x?&lt;ui=UI_LLCC&amp;&gt;&lt;rs=DC_LLCC&amp;&gt;")
    actions += action.format("pptx", "javascript:alert(1)")
    found = wopi_discovery.parse(
        f"<wopi-discovery><net-zone><app>{actions}</app></net-zone></wopi-discovery>".encode()
    )
    assert found.actions == {"xlsx": {"edit": "https://o/x?"}}
