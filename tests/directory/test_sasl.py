# SPDX-License-Identifier: Apache-2.0
"""The mechanisms as machines: messages in, what they ask for out."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.directory.sasl import (
    MESSAGE_LIMIT,
    Certified,
    Challenge,
    CheckPassword,
    External,
    Login,
    Plain,
    Proven,
    SaslError,
    Scram,
    WantKeys,
)
from armgs_server.directory.scram import make_keys

KEYS = make_keys("sha1", b"pencil", base64.b64decode("QSXCR+Q6sek8bf92"), 4096)
END_POINT = b"certificate hash"


def scram(*, is_plus: bool = False, is_plus_offered: bool = False) -> Scram:
    binding = {"tls-server-end-point": END_POINT}.get
    return Scram(
        "sha1",
        is_plus=is_plus,
        channel_binding=binding if is_plus_offered else None,
        nonce="3rfcNHYJY1ZVvWVs7j",
    )


def refusal(machine: Plain | Login | External | Scram, data: bytes) -> str:
    with pytest.raises(SaslError) as raised:
        machine.receive(data)
    return raised.value.condition


# RFC 4616


def test_plain_carries_two_identities_and_a_password() -> None:
    assert Plain().receive(b"\0ivanov\0secret") == CheckPassword("", "ivanov", "secret")
    assert Plain().receive("петров\0ivanov\0пароль".encode()) == CheckPassword("петров", "ivanov", "пароль")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ivanov",
        b"\0ivanov",
        b"\0\0secret",
        b"\0ivanov\0",
        b"\0a\0b\0c",
        b"\0\xff\0b",
        b"\0a\0" + b"b" * MESSAGE_LIMIT,
    ],
)
def test_plain_refuses_what_is_no_plain_message(data: bytes) -> None:
    assert refusal(Plain(), data) == "malformed-request"


@given(st.binary())
def test_plain_answers_anything(data: bytes) -> None:
    try:
        step = Plain().receive(data)
    except SaslError as error:
        assert error.condition == "malformed-request"
    else:
        assert data == f"{step.authzid}\0{step.authcid}\0{step.password}".encode()


# LOGIN


def test_login_asks_for_the_password_after_the_name() -> None:
    login = Login()
    assert login.receive(b"ivanov@digital.example") == Challenge(b"Password:")
    assert login.receive(b"secret") == CheckPassword("", "ivanov@digital.example", "secret")


def test_login_refuses_a_nul() -> None:
    assert refusal(Login(), b"ivanov\0") == "malformed-request"


# RFC 4422 appendix A


def test_external_names_whom_to_act_as() -> None:
    assert External().receive(b"") == Certified("")
    assert External().receive(b"ivanov@digital.example") == Certified("ivanov@digital.example")
    assert refusal(External(), b"a\0b") == "malformed-request"


# RFC 5802


def test_scram_follows_the_example_of_the_rfc() -> None:
    machine = scram()
    assert machine.receive(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL") == WantKeys("", "user")
    assert machine.use_keys(KEYS) == Challenge(
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
    )
    final = b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
    assert machine.receive(final) == Proven(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")


def test_scram_unescapes_names() -> None:
    machine = scram()
    assert machine.receive(b"n,a=x=3Dy,n=a=2Cb=3Dc,r=nonce") == WantKeys("x=y", "a,b=c")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"n,,n=user",
        b"x,,n=user,r=nonce",
        b"n,,n=,r=nonce",
        b"n,,n=a=b,r=nonce",
        b"n,,n=a=2,r=nonce",
        b"n,,m=ext,n=user,r=nonce",
        b"n,,n=user,r=no nce",
        b"n,,n=user,r=",
        b"n,,n=\xff,r=nonce",
        b"p=tls-server-end-point,,n=user,r=nonce",
        b"n,,n=user,r=nonce\n",
    ],
)
def test_scram_refuses_a_wrong_first_message(data: bytes) -> None:
    assert refusal(scram(is_plus_offered=True), data) == "malformed-request"


@pytest.mark.parametrize(
    ("final", "condition"),
    [
        (b"", "malformed-request"),
        (b"c=biws,r=nonce3rfcNHYJY1ZVvWVs7j", "malformed-request"),
        (b"c=biws,r=nonce3rfcNHYJY1ZVvWVs7j,p=x", "malformed-request"),
        (b"c=biws,r=nonce3rfcNHYJY1ZVvWVs7j,p=AAAA", "not-authorized"),
        (b"c=biws,r=nonce3rfcNHYJY1ZVvWVs7j,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "not-authorized"),
        (b"c=biws,r=other,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "not-authorized"),
        (b"c=eSws,r=nonce3rfcNHYJY1ZVvWVs7j,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "not-authorized"),
    ],
)
def test_scram_refuses_a_wrong_final_message(final: bytes, condition: str) -> None:
    machine = scram()
    machine.receive(b"n,,n=user,r=nonce")
    machine.use_keys(KEYS)
    assert refusal(machine, final) == condition


def test_who_could_bind_the_channel_but_was_not_offered_it_is_refused() -> None:
    # RFC 5802 §6: flag "y" where the server has offered -PLUS means that the list was tampered with
    assert refusal(scram(is_plus_offered=True), b"y,,n=user,r=nonce") == "not-authorized"
    assert scram().receive(b"y,,n=user,r=nonce") == WantKeys("", "user")


def test_plus_needs_the_flag_and_a_kind_that_the_channel_has() -> None:
    assert refusal(scram(is_plus=True, is_plus_offered=True), b"n,,n=user,r=nonce") == "malformed-request"
    first = b"p=tls-unique,,n=user,r=nonce"
    assert refusal(scram(is_plus=True, is_plus_offered=True), first) == "not-authorized"


@pytest.mark.parametrize("seen", [END_POINT, b"hash of another certificate"])
def test_plus_compares_the_channel(seen: bytes) -> None:
    machine = scram(is_plus=True, is_plus_offered=True)
    machine.receive(b"p=tls-server-end-point,,n=user,r=nonce")
    machine.use_keys(KEYS)
    binding = base64.b64encode(b"p=tls-server-end-point,," + seen)
    final = b"c=%s,r=nonce3rfcNHYJY1ZVvWVs7j,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=" % binding
    with pytest.raises(SaslError) as raised:
        machine.receive(final)
    # with the right channel it gets as far as the proof
    expected = (
        "the name or the password is wrong" if seen == END_POINT else "the channel binding does not match"
    )
    assert raised.value.text == expected


@given(st.binary(), st.binary())
def test_scram_answers_anything(first: bytes, final: bytes) -> None:
    machine = scram()
    try:
        machine.receive(first)
        machine.use_keys(KEYS)
        machine.receive(final)
    except SaslError as error:
        assert error.condition in ("malformed-request", "not-authorized")


@given(
    st.text(
        alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=50
    )
)
def test_every_name_comes_through_scram(name: str) -> None:
    escaped = name.replace("=", "=3D").replace(",", "=2C")
    assert scram().receive(f"n,,n={escaped},r=nonce".encode()) == WantKeys("", name)
