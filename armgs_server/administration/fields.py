# SPDX-License-Identifier: Apache-2.0
"""Arguments of verbs: one description from which they are checked, documented and asked for in forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from armgs_server.errors import Invalid

Type: TypeAlias = Literal["string", "integer", "boolean", "addresses", "texts", "object", "steps"]

LONGEST: Final = 1000  # characters of a text
MOST: Final = (1 << 53) - 1  # what every JSON reader keeps exact
LIST_LIMIT: Final = 1000
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_LISTS: Final = ("addresses", "texts", "steps")


@dataclass(frozen=True, slots=True)
class Field:
    """One argument. `doc` is for people; a secret one is never kept in a journal."""

    type: Type
    doc: str
    required: bool = False
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = MOST
    length: int = LONGEST
    is_secret: bool = False

    def schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12."""
        schema: dict[str, Any]
        if self.type in _LISTS:
            element: dict[str, Any] = {"type": "string", "maxLength": self.length}
            if self.type == "steps":
                element = {
                    "type": "object",
                    "required": ["verb"],
                    "properties": {"verb": {"type": "string"}, "arguments": {"type": "object"}},
                    "additionalProperties": False,
                }
            schema = {"type": "array", "items": element, "maxItems": LIST_LIMIT}
        elif self.type == "integer":
            schema = {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
        elif self.type == "string":
            schema = {"type": "string", "maxLength": self.length}
            if self.required:
                schema["minLength"] = 1
            if self.choices:
                schema["enum"] = list(self.choices)
        elif self.type == "object":
            schema = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
        else:
            schema = {"type": self.type}
        return {**schema, "description": self.doc}


def check(fields: Mapping[str, Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, each of its type; Invalid says what is wrong. What is not given is left out."""
    for name in given:
        if name not in fields:
            raise Invalid(f"there is no argument {name[:80]!r}")
    checked = {}
    for name, field in fields.items():
        value = given.get(name)
        if value is None or (field.required and value == ""):
            if field.required:
                raise Invalid(f"{name} is missing")
            continue
        checked[name] = _checked(name, field, value)
    return checked


def parse_text(field: Field, text: str) -> Any:
    """A value from a query or a form; lists are separated by commas or lines. Invalid."""
    if field.type == "integer":
        # Not int() alone: it takes digits of any script, underscores and any length.
        if not re.fullmatch(r"-?[0-9]{1,17}", text.strip()):
            raise Invalid(f"{text[:40]!r} is no number")
        return int(text)
    if field.type == "boolean":
        if text not in ("true", "false", "1", "0", "on", ""):
            raise Invalid(f"{text[:40]!r} is neither true nor false")
        return text in ("true", "1", "on")
    if field.type in _LISTS:
        return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]
    return text


def _checked(name: str, field: Field, value: Any) -> Any:
    if field.type == "string":
        return _text(name, field, value)
    if field.type == "boolean":
        if not isinstance(value, bool):
            raise Invalid(f"{name} is neither true nor false")
    elif field.type == "integer":
        if not isinstance(value, int) or isinstance(value, bool):
            raise Invalid(f"{name} is no whole number")
        if not field.minimum <= value <= field.maximum:
            raise Invalid(f"{name} is not between {field.minimum} and {field.maximum}")
    elif field.type in _LISTS:
        if not isinstance(value, list) or len(value) > LIST_LIMIT:
            raise Invalid(f"{name} is no list of at most {LIST_LIMIT}")
        if field.type != "steps":
            return [_text(name, field, each) for each in value]
    elif not isinstance(value, dict):
        raise Invalid(f"{name} is no object")
    else:
        for key, each in value.items():
            _text(name, field, key)
            if each is not None:
                _text(f"{name}.{key[:80]}", field, each)
    return value


def _text(name: str, field: Field, value: Any) -> str:
    if not isinstance(value, str) or len(value) > field.length or _CONTROL.search(value):
        raise Invalid(f"{name} is no text of at most {field.length} characters without control characters")
    if field.choices and value not in field.choices:
        raise Invalid(f"{name} is none of {', '.join(field.choices)}")
    return value
