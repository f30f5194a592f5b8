# SPDX-License-Identifier: Apache-2.0
"""OAUTHBEARER and XOAUTH2 as machines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.directory.bearer import Bearer, CheckToken
from armgs_server.directory.sasl import MESSAGE_LIMIT, SaslError


def refusal(machine: Bearer, data: bytes) -> str:
    with pytest.raises(SaslError) as raised:
        machine.receive(data)
    return raised.value.condition


def test_the_example_of_the_standard() -> None:
    """RFC 7628 §4.1."""
    data = (
        b"n,a=user@example.com,\1host=server.example.com\1port=143\1"
        b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1"
    )
    found = Bearer("OAUTHBEARER").receive(data)
    assert found == CheckToken("user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"n,,\1auth=Bearer abc\1\1", CheckToken("", "abc")),
        (b"y,,\1auth=bearer  abc\1\1", CheckToken("", "abc")),
        (b"n,a=a=2Cb=3D,\1auth=Bearer abc\1\1", CheckToken("a,b=", "abc")),
        (
            "n,a=иванов@пример.example,\1auth=Bearer abc\1\1".encode(),
            CheckToken("иванов@пример.example", "abc"),
        ),
        (b"n,,\1mthd=POST\1path=/\1post=a=b\1auth=Bearer abc\1\1", CheckToken("", "abc")),
        (b"n,,\1\1", CheckToken("", "")),  # §4.3: what is needed?
        (b"n,,\1auth=\1\1", CheckToken("", "")),
        (b"n,,\1auth=Basic abc\1\1", CheckToken("", "")),
        (b"n,,\1auth=Bearer a b\1\1", CheckToken("", "")),
    ],
)
def test_messages_of_oauthbearer(data: bytes, found: CheckToken) -> None:
    assert Bearer("OAUTHBEARER").receive(data) == found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1",
        b"n,,",
        b"n,,\1auth=Bearer abc\1",
        b"n,,\1auth=Bearer abc\1\1x",
        b"p=tls-unique,,\1auth=Bearer abc\1\1",
        b"n,a=,\1auth=Bearer abc\1\1",
        b"n,a=a,b,\1auth=Bearer abc\1\1",
        b"n,a=a=b,\1auth=Bearer abc\1\1",
        b"n,,\1a1=x\1\1",
        b"n,,\1auth\1\1",
        b"n,,\1auth=Bearer \xff\1\1",
        b"n,,\1auth=Bearer " + "ы".encode() + b"\1\1",
        b"n,,\1auth=Bearer a\0b\1\1",
        b"user=ivanov\1auth=Bearer abc\1\1",
        b"n,,\1auth=Bearer " + b"x" * MESSAGE_LIMIT + b"\1\1",
    ],
)
def test_what_is_no_message_of_oauthbearer(data: bytes) -> None:
    assert refusal(Bearer("OAUTHBEARER"), data) == "malformed-request"


def test_messages_of_xoauth2() -> None:
    found = Bearer("XOAUTH2").receive(b"user=ivanov@digital.example\1auth=Bearer abc\1\1")
    assert found == CheckToken("ivanov@digital.example", "abc")
    assert refusal(Bearer("XOAUTH2"), b"n,,\1auth=Bearer abc\1\1") == "malformed-request"
    assert refusal(Bearer("XOAUTH2"), b"auth=Bearer abc\1\1") == "malformed-request"


def test_a_refusal_is_told_in_json_and_the_next_message_ends_it() -> None:
    """RFC 7628 §3.2.3."""
    machine = Bearer("OAUTHBEARER")
    machine.receive(b"n,,\1auth=Bearer abc\1\1")
    told = json.loads(machine.refuse("invalid_token", "mail", "https://mail.example/x").data)
    assert told == {
        "status": "invalid_token",
        "scope": "mail",
        "openid-configuration": "https://mail.example/x",
    }
    assert refusal(machine, b"\1") == "not-authorized"
    old = Bearer("XOAUTH2")
    assert json.loads(old.refuse("invalid_token", "mail", "").data)["status"] == "401"
    assert refusal(old, b"") == "not-authorized"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_token_or_a_refusal(data: bytes) -> None:
    for mechanism in ("OAUTHBEARER", "XOAUTH2"):
        try:
            found = Bearer("OAUTHBEARER" if mechanism == "OAUTHBEARER" else "XOAUTH2").receive(data)
        except SaslError as error:
            assert error.condition == "malformed-request"
        else:
            assert "\0" not in found.authzid + found.token


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\1"), min_size=1, max_size=50),
    st.from_regex(r"[A-Za-z0-9._~+/-]+=*", fullmatch=True),
)
def test_what_is_written_is_read(name: str, token: str) -> None:
    escaped = name.replace("=", "=3D").replace(",", "=2C")
    data = f"n,a={escaped},\1auth=Bearer {token}\1\1".encode()
    if len(data) <= MESSAGE_LIMIT:
        assert Bearer("OAUTHBEARER").receive(data) == CheckToken(name, token)
