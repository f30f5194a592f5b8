# SPDX-License-Identifier: Apache-2.0
"""Basic (RFC 7617) and Bearer (RFC 6750) authentication: what a request says, and how it is asked for."""

from __future__ import annotations

import base64
import binascii

CHALLENGE = ("WWW-Authenticate", 'Basic realm="armgs_server", charset="UTF-8"')
MAX_CREDENTIALS = 4096  # characters


def parse_basic(header: str | None) -> tuple[str, str] | None:
    """User-id and password of RFC 7617, in UTF-8; None where there are none."""
    scheme, _, encoded = (header or "").strip().partition(" ")
    if scheme.lower() != "basic" or len(encoded) > MAX_CREDENTIALS:
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    username, colon, password = decoded.partition(":")
    return (username, password) if colon and username else None


def parse_bearer(header: str | None) -> str | None:
    """The token of RFC 6750 §2.1; None where there is none."""
    scheme, _, token = (header or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" and len(token) <= MAX_CREDENTIALS else None


def bearer_challenge(error: str, scope: str) -> tuple[str, str]:
    """RFC 6750 §3."""
    return "WWW-Authenticate", f'Bearer realm="armgs_server", error="{error}", scope="{scope}"'
