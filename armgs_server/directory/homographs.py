# SPDX-License-Identifier: Apache-2.0
"""Addresses that look like others: a Cyrillic `а` for a Latin `a`.

No name mixes scripts, so a single foreign letter is refused (the "single script" level of UTS 39). A name
wholly of letters that another script has too may be given once, in one of its spellings.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from armgs_server.errors import Invalid

# Letters of the same shape, small ones: all names are kept that way.
_LATIN: Final = "aceopxyisjhkmtunrdqwl"
_CYRILLIC: Final = "асеорхуіѕјһкмтипгԁԛԝӏ"
_TO_LATIN: Final = dict(zip(_CYRILLIC, _LATIN, strict=True))
_TO_CYRILLIC: Final = dict(zip(_LATIN, _CYRILLIC, strict=True))
_SHAPES: Final = str.maketrans(_CYRILLIC, _LATIN)
_EAST_ASIAN: Final = frozenset(("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"))


def check_scripts(name: str) -> None:
    """Invalid for a name of an address, or a label of a domain, with letters of two scripts."""
    if name.isascii():
        return
    scripts = {_script(letter) for letter in name if letter.isalpha()}
    if len(scripts) > 1 and not scripts <= _EAST_ASIAN:
        raise Invalid(
            f"{name}: letters of {' and '.join(sorted(each.title() for each in scripts))} in one name"
        )


def twin(name: str) -> str:
    """The same to the eye in the other script; "" where there is no such thing."""
    letters = [letter for letter in name if letter.isalpha()]
    for table in (_TO_LATIN, _TO_CYRILLIC):
        if letters and all(letter in table for letter in letters):
            return "".join(table.get(letter, letter) for letter in name)
    return ""


def skeleton(name: str) -> str:
    """The same for all names of one shape."""
    return name.translate(_SHAPES)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").partition(" ")[0]
