# SPDX-License-Identifier: Apache-2.0
"""Which generations of a backup are kept: `7d,4w,12m` is the last one of each of the seven newest days that
have one, of four weeks, and of twelve months. The newest generation is always kept. Periods are those of UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from armgs_server.errors import Invalid

_RULE = re.compile(r"([1-9][0-9]{0,3})([hdwmy])")
_PERIODS = {"h": "%Y-%m-%dT%H", "d": "%Y-%m-%d", "w": "%G-%V", "m": "%Y-%m", "y": "%Y"}


@dataclass(frozen=True, slots=True)
class Rule:
    """The last generation of each of the `count` newest periods."""

    count: int
    period: str  # h d w m y


def parse_keep(text: str) -> tuple[Rule, ...]:
    """The rules of a text; none for an empty one, which keeps everything. Invalid."""
    if not text.strip():
        return ()
    rules = []
    for part in text.split(","):
        found = _RULE.fullmatch(part.strip())
        if found is None:
            raise Invalid(f"{part.strip()!r} is no rule like 24h, 7d, 4w, 12m or 5y")
        rules.append(Rule(int(found[1]), found[2]))
    return tuple(rules)


def kept(moments: Iterable[datetime], rules: Sequence[Rule]) -> set[datetime]:
    """Those of the moments whose generations stay."""
    newest_first = sorted(moments, reverse=True)
    if not rules:
        return set(newest_first)
    stay = set(newest_first[:1])
    for rule in rules:
        last: dict[str, datetime] = {}
        for moment in newest_first:
            last.setdefault(moment.strftime(_PERIODS[rule.period]), moment)
        stay.update(list(last.values())[: rule.count])
    return stay
