# SPDX-License-Identifier: Apache-2.0
"""Octets in the letters of URLs, file names and tokens: base64url without padding (RFC 4648 §5)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from armgs_server.errors import Invalid

_LETTERS: Final = re.compile(r"[A-Za-z0-9_-]*")


def encode(data: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    """The other way; Invalid where there is padding, or anything else."""
    if not _LETTERS.fullmatch(text):
        raise Invalid("not base64url")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise Invalid("not base64url") from error
