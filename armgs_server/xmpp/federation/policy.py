# SPDX-License-Identifier: Apache-2.0
"""Which department may talk to which other server: `[federation] allow` and `deny`, pure.

A rule is `OURS=THEIRS`; it holds in both directions. OURS is any domain of the department, THEIRS a domain
with all below it, `*` on either side any. What is denied is denied whatever is allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from armgs_server.errors import Invalid
from armgs_server.xmpp.jid import parse_domain

ANY = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of either list."""

    ours: str
    theirs: str

    def matches(self, ours: Collection[str], theirs: str) -> bool:
        if self.ours != ANY and self.ours not in ours:
            return False
        return self.theirs in (ANY, theirs) or theirs.endswith("." + self.theirs)


class Policy:
    """Both lists; Invalid where a rule is not one."""

    def __init__(self, allow: Iterable[str], deny: Iterable[str]) -> None:
        self._allow = [_parse(text, "allow") for text in allow]
        self._deny = [_parse(text, "deny") for text in deny]

    @property
    def allows_nobody(self) -> bool:
        return not self._allow

    def allows(self, ours: Collection[str], theirs: str) -> bool:
        """`ours` are all domains of one department."""
        if any(rule.matches(ours, theirs) for rule in self._deny):
            return False
        return any(rule.matches(ours, theirs) for rule in self._allow)


def _parse(text: str, setting: str) -> Rule:
    ours, equals, theirs = (part.strip() for part in text.partition("="))
    if not equals or not ours or not theirs:
        raise Invalid(f"federation.{setting}: {text!r} is not OURS=THEIRS")
    try:
        return Rule(*(part if part == ANY else parse_domain(part) for part in (ours, theirs)))
    except Invalid as error:
        raise Invalid(f"federation.{setting}: {text!r}: {error.text}") from error
