# SPDX-License-Identifier: Apache-2.0
"""Paths of the URL space: raw request targets to decoded segments and back (RFC 3986 §3.3). Pure.

A segment is one name: it never holds "/", control characters or "." and "..", is at most MAX_NAME
bytes of UTF-8, and is in NFC, so that a name typed on macOS (NFD) and on Windows (NFC) is one name.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote as _quote
from urllib.parse import unquote_to_bytes

from armgs_server.dav.errors import DavError
from armgs_server.formats.stream_safe import stream_safe

MAX_NAME = 255  # bytes of UTF-8; what file systems of the clients can hold
MAX_DEPTH = 64  # segments of one path

_CONTROL = re.compile("[\x00-\x1f\x7f]")
# RFC 3986 §3.3 pchar without what XML or clients would need escaped
_SAFE = "!$*+,;=:@-._~()"
_PLAIN = re.compile(r"[A-Za-z0-9!$*+,;=:@\-._~()]*\Z")


@dataclass(frozen=True, slots=True)
class Path:
    """The decoded segments, and whether a slash stood at the end."""

    segments: tuple[str, ...]
    slash: bool

    def __str__(self) -> str:
        return join(self.segments, slash=self.slash)


def parse_path(raw: str) -> Path:
    """A raw path (percent-encoded, no query) to its segments; empty ones are dropped."""
    if not raw.startswith("/"):
        raise DavError(400, "The path must begin with a slash.")
    segments = tuple(_parse_segment(part) for part in raw.split("/") if part)
    if len(segments) > MAX_DEPTH:
        raise DavError(400, "The path has too many segments.")
    return Path(segments, raw.endswith("/"))


@lru_cache(maxsize=1024)  # clients ask for the same few collections all day
def parse_target(target: str) -> Path:
    """The path of a request target in origin-form or absolute-form (RFC 9112 §3.2)."""
    if "#" in target:
        raise DavError(400, "A request target has no fragment.")
    path = target.partition("?")[0]
    if not path.startswith("/"):
        scheme, separator, rest = path.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            raise DavError(400, "The request target is malformed.")
        path = "/" + rest.partition("/")[2]
    return parse_path(path)


def parse_href(text: str) -> Path:
    """A DAV:href of a request body: an absolute URI or an absolute path."""
    return parse_target(text.strip())


def _parse_segment(part: str) -> str:
    try:
        name = unquote_to_bytes(part).decode() if "%" in part else part.encode("latin-1").decode()
    except (UnicodeDecodeError, UnicodeEncodeError):
        name = _parse_unescaped(part)
    if not name.isascii():
        name = unicodedata.normalize("NFC", stream_safe(name))
    if name in (".", "..") or "/" in name or _CONTROL.search(name) or len(name.encode()) > MAX_NAME:
        raise DavError(400, "A name in the path is not acceptable.")
    return name


def _parse_unescaped(part: str) -> str:
    # COMPAT: Windows' redirector and DAV:href of some clients hold characters beyond ASCII unescaped.
    try:
        return unquote_to_bytes(part.encode()).decode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise DavError(400, "A name in the path is no UTF-8.") from error


@lru_cache(maxsize=4096)
def _quote_slow(name: str) -> str:
    return _quote(name, safe=_SAFE)


def quote(name: str) -> str:
    """One segment as it stands in an href: needs no further escaping in XML."""
    return name if _PLAIN.match(name) else _quote_slow(name)


def join(segments: tuple[str, ...], *, slash: bool) -> str:
    """The href of a path."""
    if not segments:
        return "/"
    return "/" + "/".join(map(quote, segments)) + ("/" if slash else "")
