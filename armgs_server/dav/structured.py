# SPDX-License-Identifier: Apache-2.0
"""Items of structured fields (RFC 9651 §3.3), as far as they are needed. Pure.

What is none of the type asked for is no value: the fields that use them are ignored then.
"""

import re

_BOOLEAN = re.compile(r" *\?([01]) *(?:;.*)?\Z")
_INTEGER = re.compile(r" *(\d{1,15}) *(?:;.*)?\Z")


def boolean(field: str | None) -> bool | None:
    """RFC 9651 §3.3.6."""
    match = _BOOLEAN.match(field or "")
    return None if match is None else match[1] == "1"


def integer(field: str | None) -> int | None:
    """RFC 9651 §3.3.1, not negative."""
    match = _INTEGER.match(field or "")
    return None if match is None else int(match[1])
