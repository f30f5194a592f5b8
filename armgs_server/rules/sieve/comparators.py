# SPDX-License-Identifier: Apache-2.0
"""Comparators (RFC 4790, RFC 5051) and match types: RFC 5228 §2.7, relational (RFC 5231), regex.

Patterns are run by RE2: time linear in the text, whatever the pattern.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any, Final, TypeAlias

import re2

from armgs_server.errors import Invalid
from armgs_server.formats.stream_safe import stream_safe
from armgs_server.rules.sieve.program import Template, Value

DEFAULT: Final = "i;ascii-casemap"
MANDATORY: Final = (DEFAULT, "i;octet")  # RFC 5228 §2.7.3: no require
RELATIONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
}
PATTERN_SIZE: Final = 4096  # characters of a pattern
PATTERNS: Final = 500  # compiled ones remembered
_NUMBER: Final = re.compile(r"[0-9]+")
_UPPER: Final = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}

Captured: TypeAlias = Sequence[str]


@dataclass(frozen=True, slots=True)
class Comparator:
    """`map` makes of a text what is compared; a number comparator has neither substrings nor patterns.

    `folds`: regular expressions do not regard case. `keeps_length`: what matches in a mapped text lies at the
    same place in the text itself.
    """

    name: str
    map: Callable[[str], Any]
    is_text: bool = True
    folds: bool = False
    keeps_length: bool = True


def _ascii_casemap(text: str) -> str:
    """RFC 4790 §9.2"""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def _octet(text: str) -> str:
    """RFC 4790 §9.3. UTF-8 sorts as its code points do."""
    return text


def _numeric(text: str) -> float:
    """RFC 4790 §9.1: leading digits; what has none is more than every number."""
    found = _NUMBER.match(text)
    return int(found[0][:300]) if found else inf


def _unicode_casemap(text: str) -> str:
    """RFC 5051 §2: each character's title case where that is one, then decomposed."""
    if text.isascii():
        return text.upper()
    titled = [title if len(title := character.title()) == 1 else character for character in text]
    return unicodedata.normalize("NFKD", stream_safe("".join(titled)))


COMPARATORS: Final[Mapping[str, Comparator]] = {
    each.name: each
    for each in (
        Comparator("i;octet", _octet),
        Comparator("i;ascii-casemap", _ascii_casemap, folds=True),
        Comparator("i;ascii-numeric", _numeric, is_text=False),
        Comparator("i;unicode-casemap", _unicode_casemap, folds=True, keeps_length=False),
    )
}


def check_matching(arguments: Mapping[str, Value], capabilities: Collection[str]) -> None:
    """Invalid where comparator, match type and keys of one use do not fit together."""
    name = arguments.get("comparator", DEFAULT)
    if isinstance(name, Template) or not isinstance(name, str):
        raise Invalid("a comparator is a constant")
    comparator = COMPARATORS.get(name)
    if comparator is None:
        raise Invalid(f"unknown comparator {name[:60]!r}")
    if name not in MANDATORY and f"comparator-{name}" not in capabilities:
        raise Invalid(f'needs require "comparator-{name}"')
    match = arguments.get("match", "is")
    kind = match[0] if isinstance(match, tuple) else match
    if isinstance(match, tuple) and isinstance(match[1], str) and match[1].lower() not in RELATIONS:
        raise Invalid(f"{match[1][:20]!r} is no relation")
    if not comparator.is_text and kind in ("contains", "matches", "regex"):
        raise Invalid(f":{kind} does not go with {name}")  # RFC 5228 §2.7.3
    if kind == "regex":
        keys: Value = list(arguments.values())[-1]  # the positional arguments stand behind the tagged ones
        for key in keys if isinstance(keys, list) else [keys]:
            if isinstance(key, str):
                compiled(key, comparator.folds)


def test(comparator: Comparator, kind: str, value: str, key: str, memory: int) -> Captured | None:
    """What the match captured, () for kinds that capture nothing; None where it does not match."""
    if kind == "is":
        return () if comparator.map(value) == comparator.map(key) else None
    if kind == "contains":
        return () if comparator.map(key) in comparator.map(value) else None
    if kind == "regex":
        found = compiled(key, comparator.folds, memory).search(value)
        return None if found is None else [group or "" for group in (found[0], *found.groups())]
    if not comparator.keeps_length:
        found = compiled(_from_wildcards(key), comparator.folds, memory, is_posix=False).search(value)
        return None if found is None else [found[0], *found.groups()]
    mapped = comparator.map(key)
    spans = _spans(mapped, comparator.map(value), memory)
    return None if spans is None else [value, *(value[start:end] for start, end in spans)]


def _spans(key: str, value: str, memory: int) -> Sequence[tuple[int, int]] | None:
    """What each wildcard of a key takes of a value, as little as it can; None where it does not match."""
    if "?" in key or "\\" in key:
        found = compiled(_from_wildcards(key), False, memory, is_posix=False).search(value)
        return None if found is None else [found.span(group + 1) for group in range(len(found.groups()))]
    # Nothing but stars, as nearly always: each literal where it first occurs, the last one at the end.
    first, *rest = key.split("*")
    if not rest:
        return () if key == value else None
    if not value.startswith(first) or len(first) + len(rest[-1]) > len(value) or not value.endswith(rest[-1]):
        return None
    spans = []
    position, end = len(first), len(value) - len(rest[-1])
    for literal in rest[:-1]:
        at = value.find(literal, position, end)
        if at < 0:
            return None
        spans.append((position, at))
        position = at + len(literal)
    return [*spans, (position, end)]


def relates(comparator: Comparator, relation: str, value: str, key: str) -> bool:
    """RFC 5231 §3"""
    return RELATIONS[relation](comparator.map(value), comparator.map(key))


@lru_cache(maxsize=PATTERNS)
def compiled(pattern: str, is_folding: bool, memory: int = 1 << 20, is_posix: bool = True) -> Any:
    """The pattern; Invalid. POSIX extended syntax, leftmost and longest (regex); or our own of wildcards."""
    if len(pattern) > PATTERN_SIZE:
        raise Invalid("a pattern is too long")
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    options.case_sensitive = not is_folding
    options.posix_syntax = options.longest_match = is_posix
    options.one_line = is_posix
    options.dot_nl = True
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        raise Invalid(f"not a regular expression: {error}") from error


@lru_cache(maxsize=PATTERNS)
def _from_wildcards(key: str) -> str:
    """`*` and `?` of :matches (RFC 5228 §2.7.1) as a pattern, each a group that takes as little as it can
    (RFC 5229 §3.2); a backslash takes their meaning."""
    pieces = []
    characters = iter(key)
    for character in characters:
        if character == "*":
            pieces.append("(.*?)")
        elif character == "?":
            pieces.append("(.)")
        else:
            pieces.append(re2.escape(next(characters, "\\") if character == "\\" else character))
    return rf"\A(?s:{''.join(pieces)})\z"
