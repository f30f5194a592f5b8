# SPDX-License-Identifier: Apache-2.0
"""tag=value lists of RFC 6376 §3.2, as DKIM signatures and keys, ARC sets and DMARC records are written."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping

from armgs_server.errors import Invalid

# Tags of one list.
TAGS = 100

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BLANKS = re.compile(r"[ \t\r\n]+")
_NUMBER = re.compile(r"[0-9]{1,12}")


def parse_tags(text: str) -> Mapping[str, str]:
    """The tags with the blanks around their values taken off, in their order; Invalid."""
    tags: dict[str, str] = {}
    specifications = text.split(";")
    if len(specifications) > TAGS:
        raise Invalid("too many tags")
    if not specifications[-1].strip():  # RFC 6376 §3.2: the last ";" may end the list
        specifications.pop()
    for specification in specifications:
        name, equals, value = specification.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not _NAME.fullmatch(name):
            raise Invalid(f"{specification.strip()[:40]!r} is no tag")
        if name in tags:  # RFC 6376 §3.2: the whole list is invalid
            raise Invalid(f"the tag {name}= is there twice")
        tags[name] = value.strip(" \t\r\n")
    return tags


def without_blanks(value: str) -> str:
    """A value in which folding white space means nothing."""
    return _BLANKS.sub("", value)


def parse_base64(value: str) -> bytes:
    """RFC 6376 §3.2: base64string, which may be folded; Invalid."""
    try:
        return b64decode(without_blanks(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("a value is not base64") from error


def parse_number(value: str) -> int:
    """An unsigned decimal of up to 12 digits (RFC 6376 §3.5); Invalid."""
    if not _NUMBER.fullmatch(value):
        raise Invalid(f"{value[:20]!r} is no number")
    return int(value)


def words(value: str, separator: str = ":") -> list[str]:
    """A colon-separated list."""
    return [word for part in value.split(separator) if (word := without_blanks(part))]
