# SPDX-License-Identifier: Apache-2.0
"""On what somebody reads the page, so that its programs stand first: a guess, the others are folded up."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from armgs_server.net.http import Request

PLATFORMS: Final = ("android", "ios", "windows", "macos", "linux")
_DEFAULT: Final = "windows"
# Words of User-Agent, the first that is found decides: Android says Linux too, and an iPhone Mac OS X.
_MARKS: Final = (
    ("android", "android"),
    ("iphone", "ios"),
    ("ipad", "ios"),
    ("windows", "windows"),
    ("macintosh", "macos"),
    ("mac os", "macos"),
    ("linux", "linux"),
    ("x11", "linux"),
)


def platform_of(request: Request) -> str:
    """`?device=`, else what the browser says of itself."""
    chosen = parse_qs(request.query).get("device", [""])[0]
    if chosen in PLATFORMS:
        return chosen
    agent = (request.header("user-agent") or "").lower()
    return next((name for mark, name in _MARKS if mark in agent), _DEFAULT)
