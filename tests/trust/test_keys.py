# SPDX-License-Identifier: Apache-2.0
"""Keys made, published, read back; and what is no key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.trust import keys


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ed25519-sha256"])
def test_a_key_signs_and_its_record_verifies(algorithm: str) -> None:
    private = keys.load_private(keys.generate(algorithm))
    record = keys.parse_key_record(keys.dns_record(private))
    assert keys.algorithm_of(private) == algorithm
    assert record.key is not None and keys.is_of_fitting_size(record.key)
    signature = keys.sign(private, b"data")
    assert keys.verify(record.key, signature, b"data")
    assert not keys.verify(record.key, signature, b"date")
    assert not keys.verify(record.key, b"", b"data")


def test_flags_of_a_record() -> None:
    record = keys.parse_key_record("v=DKIM1; k=ed25519; t=y : s; p=")
    assert (record.key, record.is_testing, record.is_strict) == (None, True, True)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"no key",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        # X25519: it cannot sign
        b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIAgZ4bUzpFNKNyVZ0QkMtZlgLrF2zV2cFZ0cYNPCqx5E\n"
        b"-----END PRIVATE KEY-----\n",
    ],
)
def test_what_is_no_private_key(pem: bytes) -> None:
    with pytest.raises(Invalid):
        keys.load_private(pem)


@given(
    st.text(max_size=100)
    | st.from_regex(r"v=DKIM1; (k=[a-z0-9]{0,8}; )?p=[A-Za-z0-9+/=]{0,60}", fullmatch=True)
)
def test_any_text_is_a_record_or_none(text: str) -> None:
    try:
        record = keys.parse_key_record(text)
    except Invalid:
        return
    assert record.key is None or record.key_type in keys.KEY_TYPES.values()
