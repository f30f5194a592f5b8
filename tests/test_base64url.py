# SPDX-License-Identifier: Apache-2.0
"""RFC 4648 §5 without padding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server import base64url
from armgs_server.errors import Invalid


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"f", "Zg"),  # RFC 4648 §10, without what fills it up
        (b"fo", "Zm8"),
        (b"foobar", "Zm9vYmFy"),
        (bytes([3, 236, 255, 224, 193]), "A-z_4ME"),  # RFC 7515, appendix C
    ],
)
def test_examples(data: bytes, text: str) -> None:
    assert base64url.encode(data) == text
    assert base64url.decode(text) == data


@given(st.binary(max_size=100))
def test_there_and_back(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


@pytest.mark.parametrize("text", ["Zg==", "A+z/4ME", "Zm 8", "Zg\n", "A", "Я"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="not base64url"):
        base64url.decode(text)
