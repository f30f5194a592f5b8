# SPDX-License-Identifier: Apache-2.0
"""Header fields of WebDAV (RFC 4918 §10, RFC 7240): text to values. Pure."""

import re
from typing import Literal
from urllib.parse import urlsplit

from armgs_server.dav.errors import DavError

Depth = Literal["0", "1", "infinity"]

_TIMEOUT = re.compile(r"\s*(?:(?P<infinite>infinite)|second-(?P<seconds>\d{1,10}))\s*\Z", re.IGNORECASE)
_CODED_URL = re.compile(r"\s*<(?P<url>[^<>\s]+)>\s*\Z")


def parse_depth(header: str | None, default: Depth) -> Depth:
    """RFC 4918 §10.2."""
    if header is None:
        return default
    value = header.strip().lower()
    if value == "0":
        return "0"
    if value == "1":
        return "1"
    if value == "infinity":
        return "infinity"
    raise DavError(400, "Depth must be 0, 1 or infinity.")


def parse_overwrite(header: str | None) -> bool:
    """RFC 4918 §10.6: T unless it says F."""
    value = "T" if header is None else header.strip().upper()
    if value not in ("T", "F"):
        raise DavError(400, "Overwrite must be T or F.")
    return value == "T"


def parse_destination(header: str | None, host: str | None) -> str:
    """RFC 4918 §10.3: the raw path of the Destination; 502 where it is on another server."""
    if not header:
        raise DavError(400, "A Destination header is needed.")
    try:
        parts = urlsplit(header.strip())
    except ValueError as error:
        raise DavError(400, "The Destination header is malformed.") from error
    if parts.query or parts.fragment or not parts.path.startswith("/"):
        raise DavError(400, "The Destination header is malformed.")
    if parts.netloc and not same_host(parts.netloc, host):
        raise DavError(502, "The destination is on another server.")  # RFC 4918 §9.8.5
    return parts.path


def same_host(authority: str, host: str | None) -> bool:
    """Whether an authority names the host the request was sent to; ports are left to proxies."""
    return host is not None and _host_of(authority) == _host_of(host)


def _host_of(authority: str) -> str:
    host = authority.rpartition("@")[2].strip().lower()
    # COMPAT: clients behind a proxy or NAT leave the port out, or name the one they know.
    return re.sub(r":\d*\Z", "", host)


def parse_timeout(header: str | None, longest: int) -> int:
    """RFC 4918 §10.7: seconds, the first value understood, at most `longest`."""
    for value in (header or "").split(","):
        match = _TIMEOUT.match(value)
        if match and match["seconds"]:
            return max(1, min(int(match["seconds"]), longest))
        if match:
            return longest
    return longest


def parse_lock_token(header: str | None) -> str:
    """RFC 4918 §10.5: the token of an UNLOCK."""
    match = _CODED_URL.match(header or "")
    if match is None:
        raise DavError(400, "A Lock-Token header is needed.")
    return match["url"]


def parse_prefer(header: str | None) -> dict[str, str]:
    """RFC 7240 §2: preference to value, names in lower case; the first of a name counts."""
    preferences: dict[str, str] = {}
    for item in (header or "").split(","):
        name, _, value = item.partition(";")[0].partition("=")
        if name.strip():
            preferences.setdefault(name.strip().lower(), value.strip().strip('"').lower())
    return preferences
