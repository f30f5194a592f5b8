# SPDX-License-Identifier: Apache-2.0
"""spamtest, virustest: RFC 5235, from what the filters in front of us have written into the header."""

from __future__ import annotations

import re
from typing import Final

from armgs_server.rules.sieve.language import MATCHING, Extension, Option, Spec, Type
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node

_SCORE: Final = re.compile(r"(?:score=|\A\s*)(-?[0-9]{1,6}(?:\.[0-9]{1,6})?)")
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
    score = spam_score(run.letter.values(run.limits.spam_header))
    if "percent" in node.arguments:
        values = [] if score is None else [str(_scaled(score, run.limits.spam_threshold, 0, 100))]
        if not values and run.word(node, "match") == "count":
            return await run.is_match(node, [], [run.text(node, "value")])
        return await run.is_match(node, values or ["0"], [run.text(node, "value")])
    if run.word(node, "match") == "count":  # RFC 5235 §3.2: how it is asked whether there was a test
        return await run.is_match(node, [] if score is None else ["1"], [run.text(node, "value")])
    value = 0 if score is None else _scaled(score, run.limits.spam_threshold, 1, 10)
    return await run.is_match(node, [str(value)], [run.text(node, "value")])


async def test_virustest(run: Run, node: Node) -> bool:
    """RFC 5235 §3.3"""
    words = " ".join(run.letter.values(run.limits.virus_header)).lower()
    value = next((number for word, number in _VIRUS if word in words), "0")
    return await run.is_match(node, [value], [run.text(node, "value")])


def spam_score(values: list[str]) -> float | None:
    """The first score that stands in the fields."""
    for value in values:
        if (found := _SCORE.search(value)) is not None:
            return float(found[1])
    return None


def _scaled(score: float, threshold: float, least: int, most: int) -> int:
    return round(min(max(least + score / threshold * (most - least), least), most))


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
