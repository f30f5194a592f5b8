# SPDX-License-Identifier: Apache-2.0
"""The forms of XEP-0060 (§16.4) as frozen dataclasses: each field carries how it is written in a form."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar

from armgs_server.errors import DomainError, Invalid
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.xeps.xep_0004_forms import Field, boolean

Kind = Literal["boolean", "choice", "choices", "language", "number", "text", "jids", "jid", "lines", "time"]
Form = TypeVar("Form")

TEXT_LIMIT = 3000  # characters of one value
VALUES_LIMIT = 100  # values of one field
_PREFIX = "pubsub#"
_TYPES: Mapping[Kind, str] = {
    "boolean": "boolean",
    "choice": "list-single",
    "choices": "list-multi",
    "language": "list-single",
    "number": "text-single",
    "text": "text-single",
    "time": "text-single",
    "jids": "jid-multi",
    "jid": "jid-single",
    "lines": "list-multi",
}
_LANGUAGE = re.compile(r"(?:[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*)?")  # RFC 5646 §2.1, loosely


class FieldError(Invalid):
    """A value that the field cannot have."""

    def __init__(self, var: str, text: str) -> None:
        super().__init__(text)
        self.var = var


def field(
    default: Any,
    var: str,
    kind: Kind,
    label: str,
    options: tuple[str, ...] = (),
    *,
    is_shown: bool = True,
    is_fixed: bool = False,
) -> Any:
    """A field `pubsub#VAR`; a fixed one is understood, but can have no other value than its default."""
    name = var if var.startswith("{") else _PREFIX + var
    metadata = {"var": name, "kind": kind, "label": label, "options": options}
    return dataclasses.field(
        default=default, metadata=metadata | {"shown": is_shown and not is_fixed, "fixed": is_fixed}
    )


def serialise(
    values: Any, *, result: bool = False, is_offered: Callable[[str], bool] = lambda name: True
) -> list[Field]:
    """The fields of a form with the present values; of a result without labels and options."""
    made = []
    for each in dataclasses.fields(values):
        data, value = each.metadata, getattr(values, each.name)
        if not data["shown"] or not is_offered(each.name):
            continue
        texts = _texts(value, data["kind"])
        if result:
            made.append(Field(data["var"], values=texts))
            continue
        shown = data["options"] or (texts if data["kind"] in ("lines", "language") else ())
        options = tuple(("", option) for option in dict.fromkeys((*shown, *texts)) if option) if shown else ()
        made.append(Field(data["var"], _TYPES[data["kind"]], data["label"], texts, options))
    return made


def parse(
    form: Form,
    submitted: Mapping[str, tuple[str, ...]],
    *,
    is_strict: bool = False,
    ignored: Iterable[str] = (),
) -> Form:
    """The values after a submitted form; FieldError. What it leaves out stays, unknown fields (unless
    `is_strict`) are passed over."""
    known = {each.metadata["var"]: each for each in dataclasses.fields(form)}  # type: ignore[arg-type]
    changes: dict[str, Any] = {}
    for var, values in submitted.items():
        each = known.get(var)
        if each is None:
            if is_strict and var not in ignored:
                raise FieldError(var, f"{var} is not known here")
            continue
        value = _parse(var, each.metadata, values)
        if each.metadata["fixed"] and value != each.default:
            raise FieldError(var, f"{var} cannot be changed here")
        changes[each.name] = value
    return dataclasses.replace(form, **changes)  # type: ignore[type-var]


def to_data(form: Any) -> dict[str, Any]:
    """What is kept in the store: every value that the form shows."""
    return {
        each.name: getattr(form, each.name) for each in dataclasses.fields(form) if not each.metadata["fixed"]
    }


def from_data(default: Form, data: Mapping[str, Any]) -> Form:
    """The inverse of `to_data`; what is missing is as in `default`."""
    known = {each.name for each in dataclasses.fields(default)}  # type: ignore[arg-type]
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    changes = {name: value for name, value in values.items() if name in known}
    return dataclasses.replace(default, **changes)  # type: ignore[type-var]


def parse_time(text: str) -> int:
    """XEP-0082 §3.2: a DateTime as microseconds; ValueError."""
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if found.tzinfo is None:
        raise ValueError("a time needs its zone")
    return int(found.timestamp() * 1_000_000)


def _texts(value: Any, kind: Kind) -> tuple[str, ...]:
    if isinstance(value, bool):
        return boolean(value)
    if isinstance(value, tuple):
        return value
    if kind == "choice" or value:
        return (str(value),)
    return ()


def _parse(var: str, metadata: Mapping[str, Any], values: tuple[str, ...]) -> Any:
    kind: Kind = metadata["kind"]
    if len(values) > VALUES_LIMIT or any(len(value) > TEXT_LIMIT for value in values):
        raise FieldError(var, f"{var} is too long")
    if kind in ("jids", "lines", "choices"):
        return tuple(_parse_one(var, kind, metadata["options"], value) for value in values if value)
    if len(values) > 1:
        raise FieldError(var, f"{var} has one value")
    return _parse_one(var, kind, metadata["options"], values[0].strip() if values else "")


def _parse_one(var: str, kind: Kind, options: tuple[str, ...], text: str) -> Any:
    if kind == "boolean":
        if text not in ("0", "1", "true", "false"):  # XEP-0004 §3.3
            raise FieldError(var, f"{var} is 0 or 1")
        return text in ("1", "true")
    if kind in ("choice", "choices") and text not in options:
        raise FieldError(var, f"{var} has no option {text}")
    if kind == "number" and text != "max":
        if not (text.isascii() and text.isdecimal() and len(text) <= 12):
            raise FieldError(var, f"{var} is a number, or max")
        return str(int(text))
    if kind == "language" and not _LANGUAGE.fullmatch(text):
        raise FieldError(var, f"{var} is a language tag")
    if kind in ("jid", "jids") and text:
        try:
            return jids.parse(text).bare
        except DomainError as error:
            raise FieldError(var, f"{var}: {error.text}") from error
    if kind == "time" and text:
        try:
            parse_time(text)
        except ValueError as error:
            raise FieldError(var, f"{var} is a time: {error}") from error
    return text
