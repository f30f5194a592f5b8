# SPDX-License-Identifier: Apache-2.0
"""Header fields of a message or part: RFC 5322 §2.2, RFC 2045 §5, RFC 2047, RFC 6532.

Everything here takes any bytes at all and never raises: mail is full of broken fields, and a message
that cannot be understood must still be stored, listed and read.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache
from typing import NamedTuple

# fields = *(field-name ":" unstructured CRLF), folded lines included (RFC 5322 §2.2).
# Deviation: white space before the colon (obs-fields) and bare LF are taken.
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:(.*(?:\n[ \t].*)*)", re.MULTILINE)
# type "/" subtype (RFC 2045 §5.1)
_MEDIA_TYPE = re.compile(rb"\s*([!#$%&'*+.^_`{|}~0-9A-Za-z-]+)[ \t]*/[ \t]*([!#$%&'*+.^_`{|}~0-9A-Za-z-]+)")
_TOKEN = re.compile(rb"\s*([!#$%&'*+.^_`{|}~0-9A-Za-z-]+)")
# parameter = attribute "=" value. Deviation: an unquoted value reaches to the next ";" (Outlook Express
# and others leave file names with blanks unquoted).
_PARAMETER = re.compile(rb';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
# encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?=" (RFC 2047 §2, RFC 2231 §5)
_ENCODED_WORD = re.compile(rb"=\?([^?*\s]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")
# date-time (RFC 5322 §3.3, §4.3). Deviation: the day's name, the seconds and the zone may be missing.
_DATE = re.compile(
    rb"\s*(?:[A-Za-z]{2,9}[.,]*\s*)?(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]*[\s,-]+(\d{4}|\d{2})"
    rb"[\s,]+(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\s*([+-]\d{4}|[A-Za-z]+))?"
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}
# obs-zone (RFC 5322 §4.3), minutes east of UTC; every other name means UTC of unknown zone.
_ZONES = {b"EST": -300, b"EDT": -240, b"CST": -360, b"CDT": -300, b"MST": -420, b"MDT": -360} | {
    b"PST": -480,
    b"PDT": -420,
}
_EPOCH_DAY = date(1970, 1, 1).toordinal()
# Python knows these as text encodings, but they are no charsets: slow, or able to raise anything.
_NOT_CHARSETS = frozenset(
    {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"}
)


class MediaType(NamedTuple):
    """Content-Type: or Content-Disposition: as it stands (`subtype` is empty for the latter)."""

    type: bytes
    subtype: bytes
    parameters: tuple[tuple[bytes, bytes], ...]

    def parameter(self, name: bytes) -> bytes | None:
        for key, value in self.parameters:
            if key.lower() == name:
                return value
        return None


def parse_fields(header: bytes) -> dict[bytes, bytes]:
    """The first field of each name, names in lower case, values still folded."""
    fields: dict[bytes, bytes] = {}
    for name, value in _FIELD.findall(header):
        fields.setdefault(name.lower(), value)
    return fields


def iterate_fields(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every field in order, names as written, values still folded."""
    return ((found[1], found[2]) for found in _FIELD.finditer(header))


def unfold(value: bytes) -> bytes:
    """RFC 5322 §2.2.3: take the line ends out; white space around the value goes too."""
    value = value.strip()
    if b"\n" in value or b"\r" in value:
        value = value.replace(b"\r", b"").replace(b"\n", b"")
    return value


def parse_media_type(value: bytes) -> MediaType | None:
    """Content-Type:, or None where it has no type/subtype."""
    found = _MEDIA_TYPE.match(value)
    return MediaType(found[1], found[2], parse_parameters(value)) if found else None


def parse_disposition(value: bytes) -> MediaType | None:
    """Content-Disposition: (RFC 2183), or None where it has no token."""
    found = _TOKEN.match(value)
    return MediaType(found[1], b"", parse_parameters(value)) if found else None


def parse_token(value: bytes) -> bytes | None:
    """The leading token: Content-Transfer-Encoding: is one (RFC 2045 §6.1)."""
    found = _TOKEN.match(value)
    return found[1] if found else None


def parse_parameters(value: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Parameters as sent: RFC 2231 pieces (`filename*0*`) stay apart, as IMAP gives them to clients."""
    if b";" not in value:
        return ()
    result = []
    for name, quoted, plain in _PARAMETER.findall(value):
        if plain:
            plain = plain.partition(b" (")[0].strip().strip(b'"')
        elif b"\\" in quoted:
            quoted = _ESCAPED.sub(rb"\1", quoted)
        result.append((name, unfold(plain or quoted)))
    return tuple(result)


def parse_date(value: bytes) -> tuple[int, int] | None:
    """Date: as (microseconds since 1970 UTC, day number of the date as written)."""
    found = _DATE.match(value)
    if found is None:
        return None
    day, month_name, year_text, hour, minute, second, zone = found.groups()
    year = int(year_text)
    if len(year_text) == 2:  # RFC 5322 §4.3: obs-year
        year += 2000 if year < 50 else 1900
    month = _MONTHS.get(month_name.lower(), 0)
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 60:
        return None
    try:
        written = date(year, month, int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    seconds = ((written * 24 + int(hour)) * 60 + int(minute)) * 60 + int(second or 0)
    return (seconds - _zone_minutes(zone or b"") * 60) * 1_000_000, written


def _zone_minutes(zone: bytes) -> int:
    if zone[:1] in (b"+", b"-"):
        minutes = int(zone[1:3]) * 60 + int(zone[3:5])
        return -minutes if zone[:1] == b"-" else minutes
    return _ZONES.get(zone.upper(), 0)


def decode_text(value: bytes) -> str:
    """Unstructured text for people and searches: unfolded, RFC 2047 words and raw 8-bit decoded."""
    value = unfold(value)
    if b"=?" not in value:
        return decode_bytes(value, "utf-8") if not value.isascii() else clean(value.decode("ascii"))
    return clean("".join(_decoded_pieces(value)))


def _decoded_pieces(value: bytes) -> Iterable[str]:
    """Pieces in order; the bytes of adjacent words of one charset are joined before decoding."""
    position, charset = 0, b""
    pending: list[bytes] = []
    for word in _ENCODED_WORD.finditer(value):
        between = value[position : word.start()]
        position = word.end()
        adjacent = pending and not between.strip()  # RFC 2047 §6.2: white space between words is dropped
        if pending and not (adjacent and word[1].lower() == charset):
            yield decode_bytes(b"".join(pending), charset.decode("latin-1"))
            pending = []
        if not adjacent and between:
            yield decode_bytes(between, "utf-8")
        charset = word[1].lower()
        pending.append(_word_bytes(word[2], word[3]))
    if pending:
        yield decode_bytes(b"".join(pending), charset.decode("latin-1"))
    yield decode_bytes(value[position:], "utf-8")


def _word_bytes(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"qQ":
        return binascii.a2b_qp(text, header=True)
    return decode_base64(text)


def decode_base64(text: bytes) -> bytes:
    """As much as can be read: foreign characters are skipped, missing padding is added."""
    text = re.sub(rb"[^A-Za-z0-9+/]+", b"", text)
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def decode_bytes(value: bytes, charset: str) -> str:
    """Text in the charset; what does not decode so is UTF-8 or else ISO 8859-1."""
    try:
        return clean(value.decode(_codec(charset)))
    except (UnicodeError, ValueError):
        pass  # mislabelled, as much of old mail is
    try:
        return clean(value.decode("utf-8"))
    except UnicodeError:
        return clean(value.decode("latin-1"))


@lru_cache(maxsize=256)
def _codec(charset: str) -> str:
    """Python's codec for a MIME charset name; UTF-8 for those it does not know."""
    name = charset.strip().strip("\"'").lower()
    if name in ("ks_c_5601-1987", "euc-kr"):
        return "cp949"  # COMPAT Outlook: labels its superset so
    if name in ("gb2312", "gbk"):
        return "gb18030"  # COMPAT Foxmail, Outlook: likewise
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return "utf-8"
    # codecs that turn bytes into bytes (hex, zlib) are not text encodings
    return (
        info.name if getattr(info, "_is_text_encoding", True) and info.name not in _NOT_CHARSETS else "utf-8"
    )


def clean(text: str) -> str:
    """Without NUL (which PostgreSQL's text refuses) and lone surrogates (which no UTF-8 can hold)."""
    if "\0" in text:
        text = text.replace("\0", "")
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text
