# SPDX-License-Identifier: Apache-2.0
"""One-time codes: the values of RFC 4226 and RFC 6238, the window, and that none is good twice."""

from __future__ import annotations

import pytest

from armgs_server.directory import totp

KEY = b"12345678901234567890"


@pytest.mark.parametrize(
    ("count", "code"), list(enumerate(("755224", "287082", "359152", "969429", "338314", "254676", "287922")))
)
def test_values_of_rfc_4226(count: int, code: str) -> None:
    """Appendix D."""
    assert totp.code_of(KEY, count) == code


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_values_of_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B, SHA-1; ours are the last six digits."""
    assert totp.code_of(KEY, totp.step_at(seconds)) == code[-6:]


def test_clocks_may_be_a_step_apart_and_no_code_is_good_twice() -> None:
    now = 1111111111
    step = totp.step_at(now)
    for apart, found in ((-2, None), (-1, step - 1), (0, step), (1, step + 1), (2, None)):
        assert totp.step_of(KEY, totp.code_of(KEY, step + apart), now, 0) == found
    assert totp.step_of(KEY, totp.code_of(KEY, step), now, step) is None
    assert totp.step_of(KEY, totp.code_of(KEY, step - 1), now, step) is None
    assert totp.step_of(KEY, "", now, 0) is None
    assert totp.step_of(KEY, "١٢٣٤٥٦", now, 0) is None


def test_the_key_as_apps_read_it() -> None:
    assert totp.shown(KEY) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert totp.uri(KEY, "Our office", "ivanov@digital.example") == (
        "otpauth://totp/Our%20office:ivanov@digital.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        "&issuer=Our+office"
    )
