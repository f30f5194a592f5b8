# SPDX-License-Identifier: Apache-2.0
"""How an extension declares what it adds to the language: commands, tests, tagged arguments.

`catalogue` puts all extensions together; `checking` holds a script against it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from armgs_server.rules.sieve.machine import Run
    from armgs_server.rules.sieve.program import Node, Value


class Type(Enum):
    """Of an argument."""

    NUMBER = "a number"
    STRING = "a string"
    STRINGS = "a string list"


# What a command does, or whether a test is true. A command's answer is not looked at.
Handle: TypeAlias = Callable[["Run", "Node"], Awaitable[Any]]
# Looks at the constant arguments of one use: Invalid (its line is filled in).
Check: TypeAlias = Callable[[Mapping[str, "Value"]], None]


@dataclass(frozen=True, slots=True)
class Option:
    """A tagged argument. Those of one `slot` exclude one another; a tag alone puts `value` there."""

    name: str
    type: Type | None = None
    capability: str = ""
    slot: str = ""
    value: str = ""

    @property
    def key(self) -> str:
        """Where its value is found."""
        return self.slot or self.name


@dataclass(frozen=True, slots=True)
class Spec:
    """A command or test: its arguments, and what runs it. `may_skip`: the first argument may be left out;
    `may_drop`: the last."""

    name: str
    handle: Handle
    positional: tuple[tuple[str, Type], ...] = ()
    options: tuple[Option, ...] = ()
    capability: str = ""
    tests: int = 0  # how many stand behind it; MANY: one or more in parentheses
    block: bool = False
    may_skip: bool = False
    may_drop: bool = False
    check: Check | None = None


MANY = -1


@dataclass(frozen=True, slots=True)
class Extension:
    """`capabilities` are the words of `require`, each with those it contains. `widens`: options for commands
    and tests of others."""

    capabilities: Mapping[str, tuple[str, ...]]
    commands: tuple[Spec, ...] = ()
    tests: tuple[Spec, ...] = ()
    widens: Mapping[str, tuple[Option, ...]] | None = None


COMPARATOR = Option("comparator", Type.STRING)
MATCH_TYPES = (
    Option("is", slot="match", value="is"),
    Option("contains", slot="match", value="contains"),
    Option("matches", slot="match", value="matches"),
    Option("regex", slot="match", value="regex", capability="regex"),
    Option("list", slot="match", value="list", capability="extlists"),
    Option("count", Type.STRING, slot="match", value="count", capability="relational"),
    Option("value", Type.STRING, slot="match", value="value", capability="relational"),
)
ADDRESS_PARTS = (
    Option("all", slot="part", value="all"),
    Option("localpart", slot="part", value="localpart"),
    Option("domain", slot="part", value="domain"),
    Option("user", slot="part", value="user", capability="subaddress"),
    Option("detail", slot="part", value="detail", capability="subaddress"),
)
MATCHING = (COMPARATOR, *MATCH_TYPES)
