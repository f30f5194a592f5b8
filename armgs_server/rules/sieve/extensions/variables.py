# SPDX-License-Identifier: Apache-2.0
"""set and string: RFC 5229; :encodeurl (RFC 5435 §6) and :quoteregex (draft-ietf-sieve-regex §6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

from armgs_server.errors import Invalid
from armgs_server.rules.sieve import strings
from armgs_server.rules.sieve.language import MATCHING, Extension, Option, Spec, Type
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node, Value

_WILDCARDS: Final = re.compile(r"([*?\\])")
_REGEX: Final = re.compile(r"([][\\^$.|?*+(){}])")

# RFC 5229 §4.1: by precedence, the highest first; those of one precedence exclude one another.
MODIFIERS: Final[tuple[Mapping[str, Callable[[str], str]], ...]] = (
    {"lower": str.lower, "upper": str.upper},
    {
        "lowerfirst": lambda text: text[:1].lower() + text[1:],
        "upperfirst": lambda text: text[:1].upper() + text[1:],
    },
    {
        "quotewildcard": lambda text: _WILDCARDS.sub(r"\\\1", text),
        "quoteregex": lambda text: _REGEX.sub(r"\\\1", text),
    },
    {"encodeurl": lambda text: quote(text, safe="-._~")},
    {"length": lambda text: str(len(text))},
)
_NEEDS: Final = {"encodeurl": "enotify", "quoteregex": "regex"}

MODIFIER_OPTIONS: Final = tuple(
    Option(name, slot=f"modifier{level}", value=name, capability=_NEEDS.get(name, ""))
    for level, group in enumerate(MODIFIERS)
    for name in group
)


def modified(run: Run, node: Node, value: str) -> str:
    """The value after all modifiers of a command."""
    for level, group in enumerate(MODIFIERS):
        name = run.word(node, f"modifier{level}")
        if name:
            value = group[name](value)
    return value


def check_name(arguments: Mapping[str, Value]) -> None:
    """RFC 5229 §4: the name is a constant that may be the name of a variable."""
    name = arguments["name"]
    if not isinstance(name, str):
        raise Invalid("the name of a variable is a constant")
    strings.check_variable(name)


async def run_set(run: Run, node: Node) -> None:
    """RFC 5229 §4"""
    run.set_variable(run.text(node, "name"), modified(run, node, run.text(node, "value")))


async def test_string(run: Run, node: Node) -> bool:
    """RFC 5229 §5; for :count empty strings are none."""
    values = run.texts(node, "source")
    if run.word(node, "match") == "count":
        values = [value for value in values if value]
    return await run.is_match(node, values, run.texts(node, "keys"))


EXTENSION = Extension(
    capabilities={"variables": ()},
    commands=(
        Spec(
            "set",
            run_set,
            (("name", Type.STRING), ("value", Type.STRING)),
            MODIFIER_OPTIONS,
            "variables",
            check=check_name,
        ),
    ),
    tests=(
        Spec(
            "string",
            test_string,
            (("source", Type.STRINGS), ("keys", Type.STRINGS)),
            MATCHING,
            "variables",
        ),
    ),
)
