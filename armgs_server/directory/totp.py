# SPDX-License-Identifier: Apache-2.0
"""One-time codes of a key and the time (RFC 6238 over RFC 4226). Pure: the time is passed in.

SHA-1, six digits, thirty seconds: what every app does without being told (RFC 6238 §1.2).
"""

from __future__ import annotations

import base64
import hmac
from typing import Final
from urllib.parse import quote, urlencode

STEP: Final = 30  # seconds (RFC 6238 §5.2)
DIGITS: Final = 6
KEY_SIZE: Final = 20  # bytes: as long as the hash (RFC 4226 §4, R6)
WINDOW: Final = 1  # steps before and behind that are taken, for clocks apart (RFC 6238 §5.2)


def step_at(seconds: int) -> int:
    """T of RFC 6238 §4.2."""
    return seconds // STEP


def code_of(key: bytes, step: int) -> str:
    """HOTP(K, T) (RFC 4226 §5.3)."""
    digest = hmac.digest(key, step.to_bytes(8), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(key: bytes, code: str, now: int, last: int) -> int | None:
    """The time step whose code it is, near `now`; None for a wrong code.

    RFC 6238 §5.2: "The verifier MUST NOT accept the second attempt of the OTP": no step up to `last` counts.
    """
    found = None
    for step in range(step_at(now) - WINDOW, step_at(now) + WINDOW + 1):
        is_code = hmac.compare_digest(code_of(key, step).encode(), code.encode("utf-8", "replace"))
        if is_code and step > last:
            found = step
    return found


def shown(key: bytes) -> str:
    """The key for people to type."""
    return base64.b32encode(key).decode().rstrip("=")


def uri(key: bytes, issuer: str, account: str) -> str:
    """The key for a QR code, as apps read it (otpauth://)."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='@')}"
    return f"otpauth://totp/{label}?{urlencode({'secret': shown(key), 'issuer': issuer})}"
