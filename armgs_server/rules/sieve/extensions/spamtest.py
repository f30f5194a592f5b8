# SPDX-License-Identifier: Apache-2.0
"""spamtest, virustest: RFC 5235, from what the filters in front of us have written into the header."""

from __future__ import annotations

import re
from typing import Final

from armgs_server.rules.sieve.language import MATCHING, Extension, Option, Spec, Type
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node

_NUMBER: Final = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
_SCORE: Final = re.compile(rf"(?:score=|\A\s*)(-?{_NUMBER})(?:\s*/\s*({_NUMBER}))?")
# RFC 5235 §3.3: 1 clean, 2 replaced or removed, 3 cured, 4 may be infected, 5 is.
_VIRUS: Final = (
    ("clean", "1"),
    ("not infected", "1"),
    ("cured", "3"),
    ("suspicious", "4"),
    ("infected", "5"),
)


async def test_spamtest(run: Run, node: Node) -> bool:
    """RFC 5235 §3.2: 0 not tested, 1 to 10; with :percent 0 to 100 (spamtestplus)."""
    share = spam_share(run.letter.values(run.limits.spam_header), run.limits.spam_threshold)
    if "percent" in node.arguments:
        values = [] if share is None else [str(_scaled(share, 0, 100))]
        if not values and run.word(node, "match") == "count":
            return await run.is_match(node, [], [run.text(node, "value")])
        return await run.is_match(node, values or ["0"], [run.text(node, "value")])
    if run.word(node, "match") == "count":  # RFC 5235 §3.2: how it is asked whether there was a test
        return await run.is_match(node, [] if share is None else ["1"], [run.text(node, "value")])
    value = 0 if share is None else _scaled(share, 1, 10)
    return await run.is_match(node, [str(value)], [run.text(node, "value")])


async def test_virustest(run: Run, node: Node) -> bool:
    """RFC 5235 §3.3"""
    words = " ".join(run.letter.values(run.limits.virus_header)).lower()
    value = next((number for word, number in _VIRUS if word in words), "0")
    return await run.is_match(node, [value], [run.text(node, "value")])


def spam_share(values: list[str], threshold: float) -> float | None:
    """The first score that stands in the fields, by the threshold given with it ("3.4 / 15"), or by ours."""
    for value in values:
        if (found := _SCORE.search(value)) is not None:
            return float(found[1]) / (float(found[2] or 0) or threshold)
    return None


def _scaled(share: float, least: int, most: int) -> int:
    return round(min(max(least + share * (most - least), least), most))


_VALUE = (("value", Type.STRING),)

EXTENSION = Extension(
    capabilities={"spamtest": (), "spamtestplus": ("spamtest",), "virustest": ()},
    tests=(
        Spec(
            "spamtest",
            test_spamtest,
            _VALUE,
            (*MATCHING, Option("percent", capability="spamtestplus")),
            "spamtest",
        ),
        Spec("virustest", test_virustest, _VALUE, MATCHING, "virustest"),
    ),
)
