# SPDX-License-Identifier: Apache-2.0
"""A checked script as plain data: what is kept beside its text, and what the machine runs.

`serialise` makes JSON of it, `load` the same program again, with the functions that run it looked up. A
program of another VERSION is not loaded: it is made anew from the text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from armgs_server.rules.sieve.language import Handle

# Grows whenever the meaning of what is kept changes.
VERSION = 1
# Programs in memory: many people have the same one, their department's or their client's.
LOADED = 2000


@dataclass(frozen=True, slots=True)
class Variable:
    """`${name}`; a number means a match variable (RFC 5229 §3)."""

    name: str


@dataclass(frozen=True, slots=True)
class Template:
    """A string with variables in it."""

    pieces: tuple[str | Variable, ...]


Text: TypeAlias = str | Template
# A tag alone is its word, a tag that has an argument and a word of its own a (word, argument).
Value: TypeAlias = int | Text | list[Text] | tuple[str, Text]


@dataclass(frozen=True, slots=True)
class Node:
    """One command or test. `if` has a block for each test, and perhaps one more, its `else`."""

    name: str
    line: int
    arguments: Mapping[str, Value]
    tests: tuple[Node, ...]
    blocks: tuple[tuple[Node, ...], ...]
    handle: Handle


@dataclass(frozen=True, slots=True)
class Program:
    """A whole script."""

    nodes: tuple[Node, ...]
    capabilities: frozenset[str]


def serialise(program: Program) -> str:
    """JSON."""
    return json.dumps(
        {
            "version": VERSION,
            "requires": sorted(program.capabilities),
            "nodes": [_dump(node) for node in program.nodes],
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


@lru_cache(maxsize=LOADED)
def load(text: str) -> Program | None:
    """What `serialise` wrote; None for another version's."""
    from armgs_server.rules.sieve.catalogue import handles  # which knows the extensions, which know us

    data = json.loads(text)
    if data["version"] != VERSION:
        return None
    nodes = tuple(_load(node, handles()) for node in data["nodes"])
    return Program(nodes, frozenset(data["requires"]))


def _dump(node: Node) -> list[Any]:
    return [
        node.name,
        node.line,
        {key: _dump_value(value) for key, value in node.arguments.items()},
        [_dump(test) for test in node.tests],
        [[_dump(inner) for inner in block] for block in node.blocks],
    ]


def _dump_value(value: Value) -> Any:
    if isinstance(value, Template):
        return {"t": [[piece.name] if isinstance(piece, Variable) else piece for piece in value.pieces]}
    if isinstance(value, list):
        return [_dump_value(each) for each in value]
    if isinstance(value, tuple):
        return {"w": value[0], "v": _dump_value(value[1])}
    return value


def _load(data: list[Any], known: Mapping[str, Handle]) -> Node:
    name, line, arguments, tests, blocks = data
    return Node(
        name,
        line,
        {key: _load_value(value) for key, value in arguments.items()},
        tuple(_load(test, known) for test in tests),
        tuple(tuple(_load(inner, known) for inner in block) for block in blocks),
        known[name],
    )


def _load_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_load_value(each) for each in value]
    if isinstance(value, dict):
        if "t" in value:
            return Template(
                tuple(Variable(piece[0]) if isinstance(piece, list) else piece for piece in value["t"])
            )
        return value["w"], _load_value(value["v"])
    return value
