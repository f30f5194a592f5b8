# SPDX-License-Identifier: Apache-2.0
"""Claims of an ID token: what must be there, and what each wrong one is called."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats.id_token import Expected, address_of, check_claims

NOW: Final = 1_800_000_000.0
EXPECTED: Final = Expected("https://login.example", "armgs", "a nonce", 60.0)
GOOD: Final[dict[str, Any]] = {
    "iss": "https://login.example",
    "aud": "armgs",
    "nonce": "a nonce",
    "sub": "17",
    "exp": 1_800_000_300,
    "iat": 1_800_000_000,
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"aud": ["armgs"]},
        {"azp": "armgs"},
        {"exp": 1_799_999_941},  # within what clocks may differ by
        {"iat": 1_800_000_060.5 - 0.5, "nbf": 1_800_000_060},
    ],
)
def test_what_is_good(change: dict[str, Any]) -> None:
    claims = {**GOOD, **change}
    check_claims(claims, EXPECTED, NOW)
    with pytest.raises(Invalid):  # and it is the time that it is good for
        check_claims(claims, EXPECTED, NOW + 3600)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"iss": "https://login.example/"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "other"}, "not for us"),
        ({"aud": ["armgs", "other"]}, "not for us alone"),
        ({"aud": []}, "not for us"),
        ({"aud": None}, "not for us"),
        ({"azp": "other"}, "another client"),
        ({"nonce": "another"}, "another question"),
        ({"nonce": None}, "another question"),
        ({"sub": ""}, "nobody"),
        ({"sub": 17}, "nobody"),
        ({"sub": "x" * 256}, "nobody"),
        ({"exp": 1_799_999_940}, "expired"),
        ({"exp": "1800000300"}, "no moment"),
        ({"exp": True}, "no moment"),
        ({"exp": float("nan")}, "no moment"),
        ({"exp": 1e300}, "no moment"),
        ({"exp": None}, "no moment"),
        ({"iat": 1_800_000_061}, "in the future"),
        ({"iat": None}, "no moment"),
        ({"nbf": 1_800_000_061}, "not good yet"),
        ({"nbf": "now"}, "no moment"),
    ],
)
def test_what_is_wrong(change: dict[str, Any], text: str) -> None:
    with pytest.raises(Invalid, match=text):
        check_claims({**GOOD, **change}, EXPECTED, NOW)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_what_must_be_there(name: str) -> None:
    with pytest.raises(Invalid):
        check_claims({key: value for key, value in GOOD.items() if key != name}, EXPECTED, NOW)


def test_the_address() -> None:
    claims = {"email": "ivanov@digital.example", "email_verified": True, "upn": "petrova@digital.example"}
    assert address_of(claims, "email", is_verified=True) == "ivanov@digital.example"
    assert address_of(claims, "upn", is_verified=True) == "petrova@digital.example"
    for verified in (False, None, "true", 1):
        told = {**claims, "email_verified": verified}
        with pytest.raises(Invalid, match="not verified"):
            address_of(told, "email", is_verified=True)
        assert address_of(told, "email", is_verified=False) == "ivanov@digital.example"
    for address in (None, 1, "", "ivanov", ["ivanov@digital.example"], "x" * 250 + "@a.example"):
        with pytest.raises(Invalid, match="no address"):
            address_of({**claims, "email": address}, "email", is_verified=True)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.none() | st.booleans() | st.floats() | st.text()))
def test_any_claims_are_judged(change: dict[str, Any]) -> None:
    claims = {**GOOD, **change, "iss": "https://elsewhere.example"}
    with pytest.raises(Invalid):
        check_claims(claims, EXPECTED, NOW)
