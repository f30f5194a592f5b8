# SPDX-License-Identifier: Apache-2.0
"""What a request to the API says: the verb by method and path, its arguments from path, query and body."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_to_bytes

from armgs_server.administration import Verb
from armgs_server.administration.fields import Field, parse_text
from armgs_server.errors import Invalid, NotFound

QUERY_FIELDS: Final = 50
_DEEPEST: Final = "the JSON is nested too deeply"


class Routes:
    """Verbs by the shape of their paths: a literal segment is looked for before a named one."""

    def __init__(self, verbs: Iterable[Verb]) -> None:
        self._shapes: dict[tuple[str, ...], dict[str, Verb]] = {}
        for verb in verbs:
            shape = tuple("{}" if part.startswith("{") else part for part in verb.path.strip("/").split("/"))
            methods = self._shapes.setdefault(shape, {})
            assert verb.method not in methods, f"two verbs for {verb.method} {verb.path}"
            methods[verb.method] = verb

    def find(self, segments: list[str]) -> Mapping[str, Verb]:
        """The verbs of a path by method; NotFound."""
        shapes = [(part, "{}") for part in segments]
        found = [shape for shape in self._shapes if len(shape) == len(segments) and _fits(shape, shapes)]
        if not found:
            raise NotFound("there is nothing at this path")
        return self._shapes[min(found, key=lambda shape: [part == "{}" for part in shape])]


def _fits(shape: tuple[str, ...], choices: list[tuple[str, str]]) -> bool:
    return all(part in choice for part, choice in zip(shape, choices, strict=True))


def parse_segments(target: str, prefix: str) -> list[str]:
    """The decoded segments of a request target behind the prefix; a decoded slash divides nothing."""
    path = target.partition("?")[0]
    if not path.startswith(prefix):
        raise NotFound("there is nothing at this path")
    return [_decoded(part) for part in path[len(prefix) :].strip("/").split("/")]


def parse_query(query: str) -> dict[str, str]:
    """Each field once. Invalid."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=QUERY_FIELDS)
    except ValueError as error:
        raise Invalid("the query is not UTF-8, or too long") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid("a field stands twice in the query")
    return found


def parse_body(data: bytes) -> dict[str, Any]:
    """A JSON object (RFC 8259), without the numbers that are none; Invalid."""
    if not data.strip():
        return {}
    try:
        value = json.loads(data.decode(), parse_constant=_refuse)
    except RecursionError as error:
        raise Invalid(_DEEPEST) from error
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are, and too many digits
        raise Invalid(f"the body is not JSON: {error}"[:200]) from error
    if not isinstance(value, dict):
        raise Invalid("the body is no JSON object")
    return value


def arguments_of(
    verb: Verb, segments: list[str], query: Mapping[str, str], body: Mapping[str, Any]
) -> dict[str, Any]:
    """What the verb is given; a name that stands twice is refused."""
    given: dict[str, Any] = {}
    for part, text in zip(verb.path.strip("/").split("/"), segments, strict=True):
        if part.startswith("{"):
            name = part[1:-1]
            given[name] = parse_text(verb.arguments[name], text)
    for name, text in query.items():
        if name not in verb.arguments or name in given:
            raise Invalid(f"there is no argument {name[:80]!r} in the query")
        given[name] = parse_text(verb.arguments[name], text)
    for name, value in body.items():
        if name in given:
            raise Invalid(f"{name} is given twice")
        given[name] = value
    return given


def is_true(query: dict[str, str], name: str) -> bool:
    """A switch of the query, taken out of it."""
    return bool(parse_text(Field("boolean", ""), query.pop(name, "false")))


def _decoded(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise Invalid("the path is not UTF-8") from error


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number")
