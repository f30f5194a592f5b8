# SPDX-License-Identifier: Apache-2.0
"""Answers of authenticators: those that are right, each way to be wrong, and what is no answer at all."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats import webauthn
from armgs_server.formats.webauthn import CREATE, GET, Registration, RelyingParty
from tests.authenticator import BE, EDDSA, ES256, RS256, UP, Authenticator, decode, encode

PARTY = RelyingParty("portal.example", "https://portal.example:8443")
ASKED, AGAIN = b"c" * 56, b"d" * 56
USER = (b"u" * 16, "ivanov@digital.example", "Иванов")


def creation() -> dict[str, Any]:
    return webauthn.creation_options(PARTY, ASKED, 60_000, user=USER, known=[(b"other", "usb nfc")])


def request(known: list[tuple[bytes, str]], verified: bool = False) -> dict[str, Any]:
    return webauthn.request_options(PARTY, AGAIN, 60_000, known=known, verified=verified)


def registered(key: Authenticator, fmt: str = "none") -> Registration:
    answer = webauthn.parse_answer(json.dumps(key.create(creation(), fmt)), PARTY, CREATE)
    assert answer.challenge == ASKED
    return webauthn.check_registration(answer, PARTY)


def test_what_is_asked() -> None:
    asked = creation()
    assert asked["rp"] == {"id": "portal.example", "name": "portal.example"}
    assert decode(asked["user"]["id"]) == USER[0] and decode(asked["challenge"]) == ASKED
    assert [each["alg"] for each in asked["pubKeyCredParams"]] == [EDDSA, ES256, RS256]
    assert asked["excludeCredentials"] == [
        {"type": "public-key", "id": encode(b"other"), "transports": ["usb", "nfc"]}
    ]
    assert asked["attestation"] == "none"
    assert request([], verified=True)["userVerification"] == "required"
    assert request([(b"x", "")])["allowCredentials"] == [{"type": "public-key", "id": encode(b"x")}]


@pytest.mark.parametrize(
    ("origin", "party"),
    [
        ("https://portal.example:8443", PARTY),
        ("https://192.0.2.1", None),
        ("https://[2001:db8::1]:443", None),
        ("https://", None),
    ],
)
def test_keys_are_bound_to_names(origin: str, party: RelyingParty | None) -> None:
    assert webauthn.relying_party(origin) == party


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
@pytest.mark.parametrize("fmt", ["none", "packed"])
def test_right_answers(algorithm: int, fmt: str) -> None:
    key = Authenticator(PARTY.origin, algorithm=algorithm, synced=algorithm == EDDSA)
    made = registered(key, fmt)
    assert made.credential_id == key.credentials[0].id and made.transports == ("nfc", "usb")
    assert made.is_backup_eligible == (algorithm == EDDSA)
    answer = webauthn.parse_answer(json.dumps(key.get(request([(made.credential_id, "")]))), PARTY, GET)
    assert (answer.challenge, answer.user_handle) == (AGAIN, b"")
    found = webauthn.check_assertion(answer, PARTY, made.public_key)
    assert (found.sign_count, found.is_verified, found.is_backup_eligible) == (1, True, algorithm == EDDSA)
    whole = webauthn.parse_answer(json.dumps(key.get(request([]))), PARTY, GET)
    assert whole.user_handle == USER[0]


@pytest.mark.parametrize(
    "client",
    [
        {"origin": "https://portal.example"},
        {"origin": "https://portal.example.evil.example:8443"},
        {"origin": None},
        {"crossOrigin": True},
        {"crossOrigin": "false"},
        {"topOrigin": PARTY.origin},
        {"type": "webauthn.create"},
        {"type": "payment.get"},
        {"challenge": "no/base64url"},
        {"challenge": 5},
    ],
)
def test_what_the_browser_says_must_be_right(client: dict[str, Any]) -> None:
    key = Authenticator(PARTY.origin)
    registered(key)
    key.client = client
    with pytest.raises(Invalid):
        webauthn.parse_answer(json.dumps(key.get(request([]))), PARTY, GET)


def test_what_the_authenticator_says_must_be_right() -> None:
    key, other = Authenticator(PARTY.origin), Authenticator(PARTY.origin)
    made, others = registered(key), registered(other)

    def check(document: dict[str, Any], public_key: bytes = made.public_key) -> None:
        webauthn.check_assertion(webauthn.parse_answer(json.dumps(document), PARTY, GET), PARTY, public_key)

    right = key.get(request([]))
    check(right)
    with pytest.raises(Invalid):  # another key
        check(right, others.public_key)
    for name, value in (("signature", b"x"), ("authenticatorData", b""), ("authenticatorData", b"x" * 37)):
        with pytest.raises(Invalid):
            check({**right, "response": {**right["response"], name: encode(value)}})
    with pytest.raises(Invalid):  # signed for another challenge
        again = key.get({**request([]), "challenge": encode(b"e" * 56)})
        check(
            {
                **right,
                "response": {**right["response"], "clientDataJSON": again["response"]["clientDataJSON"]},
            }
        )
    key.flags = 0
    with pytest.raises(Invalid):  # nobody was there
        check(key.get(request([])))
    key.flags = None
    key.credentials[0].rp_id = "elsewhere.example"
    with pytest.raises(Invalid):  # for another site
        check(key.get({**request([]), "rpId": "elsewhere.example"}))
    key.credentials[0].rp_id = PARTY.id
    key.flags = UP
    answer = webauthn.parse_answer(json.dumps(key.get(request([]))), PARTY, GET)
    assert not webauthn.check_assertion(answer, PARTY, made.public_key).is_verified
    key.flags = UP | BE
    answer = webauthn.parse_answer(json.dumps(key.get(request([]))), PARTY, GET)
    assert webauthn.check_assertion(answer, PARTY, made.public_key).is_backup_eligible


def test_statements_of_makers_are_not_read() -> None:
    key = Authenticator(PARTY.origin)
    for fmt, statement in (
        ("packed", {"alg": ES256, "sig": b"x", "x5c": [b"certificate"]}),
        ("packed", {"alg": ES256, "sig": b"x"}),
        ("tpm", {"ver": "2.0", "alg": ES256, "sig": b"x", "certInfo": b"x", "pubArea": b"x", "x5c": []}),
        ("fido-u2f", {"sig": b"x", "x5c": [b"x"]}),
        ("none", {"sig": b"x"}),
        ("unheard-of", {}),
    ):
        text = json.dumps(key.create(creation(), fmt, statement))
        with pytest.raises(Invalid):
            webauthn.check_registration(webauthn.parse_answer(text, PARTY, CREATE), PARTY)


def test_a_registration_is_for_the_credential_it_names() -> None:
    document = Authenticator(PARTY.origin).create(creation())
    document["id"] = document["rawId"] = encode(b"another")
    with pytest.raises(Invalid):
        webauthn.check_registration(webauthn.parse_answer(json.dumps(document), PARTY, CREATE), PARTY)


@pytest.mark.parametrize(
    "attestation",
    [
        b"",
        b"\x9f" * 8000,
        b"\x81" * 8000 + b"\x00",
        cbor2.dumps({"fmt": "none"}),
        cbor2.dumps({"fmt": ["none"], "attStmt": {}, "authData": b""}),
        cbor2.dumps({"fmt": "none", "attStmt": 5, "authData": b"x" * 200}),
        cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": "text"}),
    ],
)
def test_what_is_no_attestation(attestation: bytes) -> None:
    document = Authenticator(PARTY.origin).create(creation())
    document["response"]["attestationObject"] = encode(attestation)
    with pytest.raises(Invalid):
        webauthn.check_registration(webauthn.parse_answer(json.dumps(document), PARTY, CREATE), PARTY)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "rawId", "type", "response"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.text(max_size=200) | _JSON.map(json.dumps))
def test_what_is_no_answer(text: str) -> None:
    with pytest.raises(Invalid):
        webauthn.parse_answer(text, PARTY, GET)


@pytest.mark.parametrize("text", ["[" * 30_000, "x" * 40_000, '"\\ud800"', "null"])
def test_what_is_too_much(text: str) -> None:
    with pytest.raises(Invalid):
        webauthn.parse_answer(text, PARTY, GET)


KEY = Authenticator(PARTY.origin, counts=False)
MADE = registered(KEY)
RIGHT = KEY.get(request([]))
NEW = KEY.create({**creation(), "excludeCredentials": []})


@settings(max_examples=300)
@given(st.sampled_from(["authenticatorData", "signature"]), st.integers(0, 200), st.integers(1, 255))
def test_a_changed_byte_makes_it_wrong(name: str, place: int, change: int) -> None:
    data = bytearray(decode(RIGHT["response"][name]))
    data[place % len(data)] ^= change
    document = {**RIGHT, "response": {**RIGHT["response"], name: encode(bytes(data))}}
    with pytest.raises(Invalid):
        webauthn.check_assertion(
            webauthn.parse_answer(json.dumps(document), PARTY, GET), PARTY, MADE.public_key
        )


@settings(max_examples=300)
@given(st.integers(0, 400), st.integers(1, 255))
def test_a_changed_registration_is_invalid_or_whole(place: int, change: int) -> None:
    """Nothing but Invalid comes out; a key that is another point, or another flag, may be as good."""
    data = bytearray(decode(NEW["response"]["attestationObject"]))
    data[place % len(data)] ^= change
    document = {**NEW, "response": {**NEW["response"], "attestationObject": encode(bytes(data))}}
    try:
        found = webauthn.check_registration(webauthn.parse_answer(json.dumps(document), PARTY, CREATE), PARTY)
    except Invalid:
        return
    assert encode(found.credential_id) == document["rawId"] and found.public_key
