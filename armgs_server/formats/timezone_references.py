# SPDX-License-Identifier: Apache-2.0
"""Calendar data with and without the definitions of well-known time zones (RFC 7809 §3.1.3).

Only whole VTIMEZONE components are put in or taken out; every other octet stays as it was.
"""

from __future__ import annotations

import re

from armgs_server.formats import timezone_data


def _foldable(text: str) -> bytes:
    """The pattern of a text between whose characters lines may be folded (RFC 5545 §3.1)."""
    return rb"(?:\r?\n[ \t])*".join(each.encode() for each in text)


# What lies between is matched in one way only: no input makes the search try it in others.
_VTIMEZONE = re.compile(
    rb"^%s[ \t]*\r?\n(?:[^\n]*\n)*?%s[ \t]*(?:\r?\n|\Z)"
    % (_foldable("BEGIN:VTIMEZONE"), _foldable("END:VTIMEZONE")),
    re.MULTILINE | re.IGNORECASE,
)
_FOLD = re.compile(rb"\r?\n[ \t]")
_TZID = re.compile(rb"^TZID(?:;[^:\r\n]*)?:([^\r\n]*)", re.MULTILINE | re.IGNORECASE)
_USED = re.compile(rb';TZID=(?:"([^"\r\n]*)"|([^":;,\r\n]*))', re.IGNORECASE)
_COMPONENT = re.compile(rb"^BEGIN:(?!VCALENDAR)", re.MULTILINE | re.IGNORECASE)
MAX_ZONES = 50  # put into one object


def without_known(data: bytes) -> bytes:
    """The data less the definitions of zones that the time zone service has."""
    return _VTIMEZONE.sub(lambda found: b"" if _is_known(found[0]) else found[0], data)


def with_all(data: bytes) -> bytes:
    """The data with a definition for each zone that they name and that is known here."""
    plain = _FOLD.sub(b"", data)
    if b"TZID=" not in plain.upper():
        return data
    defined = {_tzid(found[0]) for found in _VTIMEZONE.finditer(data)}
    used = dict.fromkeys((quoted or bare).strip() for quoted, bare in _USED.findall(plain))
    names = [name.decode("utf-8", "replace") for name in used if name not in defined]
    made = b"".join(
        timezone_data.vtimezone(name) for name in names[:MAX_ZONES] if timezone_data.is_known(name)
    )
    first = _COMPONENT.search(data)
    return data if first is None or not made else data[: first.start()] + made + data[first.start() :]


def _tzid(component: bytes) -> bytes:
    found = _TZID.search(_FOLD.sub(b"", component))
    return found[1].strip() if found else b""


def _is_known(component: bytes) -> bool:
    return timezone_data.is_known(_tzid(component).decode("utf-8", "replace"))
