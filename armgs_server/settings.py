# SPDX-License-Identifier: Apache-2.0
"""How settings are declared, read from TOML, checked and described.

A section is a frozen dataclass; each of its fields is made by `setting()`, which carries the text,
the bounds and the choices beside the default. An unknown key, a wrong type and a value out of
bounds are errors that name the key; nothing is guessed or silently ignored.
"""

import dataclasses
import difflib
import json
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from armgs_server.errors import Invalid

Section = TypeVar("Section")


def setting(
    default: Any,
    *,
    doc: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    restart: bool = False,
) -> Any:
    """Declares one field of a section: its default, its documentation and what it may be.

    A reload leaves a `restart` setting as it is: something was built from it that cannot be rebuilt under
    the clients. All others are read where they are used, so that their new value counts from then on.
    """
    return dataclasses.field(
        default=default,
        metadata={"doc": doc, "minimum": minimum, "maximum": maximum, "choices": choices, "restart": restart},
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Reads one TOML file; Invalid names the file and what is wrong with it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Invalid(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path}: {error}") from error


def parse_section(section: type[Section], name: str, values: Any) -> Section:
    """Turns one TOML table into its dataclass."""
    if not isinstance(values, dict):
        raise Invalid(f"[{name}] must be a table")
    fields = {field.name: field for field in _fields(section)}
    types = typing.get_type_hints(section)
    given = {}
    for key, value in values.items():
        if key not in fields:
            raise unknown_key(key, list(fields), f"{name}.")
        given[key] = _check_value(f"{name}.{key}", value, types[key], fields[key].metadata)
    return section(**given)


def adopt(live: Any, loaded: Any, name: str) -> tuple[list[str], list[str]]:
    """Puts the values of a newly loaded section in place in the one that is used; both are of one class.

    Returns the names of the settings that are changed, and of those that wait for a restart. The sections
    are frozen for everybody else: this is the one place that changes them, between two turns of the loop.
    """
    changed, waiting = [], []
    for field in _fields(type(live)):
        value = getattr(loaded, field.name)
        if value == getattr(live, field.name):
            continue
        if field.metadata["restart"]:
            waiting.append(f"{name}.{field.name}")
        else:
            object.__setattr__(live, field.name, value)
            changed.append(f"{name}.{field.name}")
    return changed, waiting


def unknown_key(key: str, known: list[str], prefix: str = "") -> Invalid:
    """The error for a key nobody declared, with the nearest one that exists."""
    near = difflib.get_close_matches(key, known, n=1)
    suggestion = f"; did you mean {prefix}{near[0]}?" if near else ""
    return Invalid(f"unknown setting {prefix}{key}{suggestion}")


def describe_section(name: str, section: Any) -> str:
    """One section as commented TOML, every setting with its text, bounds and present value."""
    lines = [f"# {_summary(type(section))}", f"[{name}]"]
    for field in _fields(type(section)):
        lines += [f"# {line}" for line in _explain(field.metadata)]
        lines += [f"{field.name} = {toml_value(getattr(section, field.name))}", ""]
    return "\n".join(lines)


def differences(name: str, section: Any, default: Any) -> str:
    """One section as TOML, but only the settings that are not the default's."""
    values = {field.name: getattr(section, field.name) for field in _fields(type(section))}
    changed = [key for key, value in values.items() if value != getattr(default, key)]
    return "\n".join([f"[{name}]", *(f"{key} = {toml_value(values[key])}" for key in changed)])


def toml_value(value: Any) -> str:
    """Writes a value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml_value(element) for element in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def _fields(section: Any) -> tuple["dataclasses.Field[Any]", ...]:
    return dataclasses.fields(section)


def _summary(section: type[Any]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _explain(metadata: Mapping[str, Any]) -> list[str]:
    lines = metadata["doc"].splitlines()
    bounds = []
    if metadata["minimum"] is not None:
        bounds.append(f"at least {metadata['minimum']}")
    if metadata["maximum"] is not None:
        bounds.append(f"at most {metadata['maximum']}")
    if metadata["choices"]:
        bounds.append("one of " + ", ".join(metadata["choices"]))
    if metadata["restart"]:
        bounds.append("needs a restart")
    return [*lines, f"({'; '.join(bounds)})"] if bounds else list(lines)


def _check_value(key: str, value: Any, expected: Any, metadata: Mapping[str, Any]) -> Any:
    if typing.get_origin(expected) is tuple:
        value = _check_list(key, value, expected)
    elif expected is float and type(value) is int:
        value = float(value)
    elif type(value) is not expected:  # exact: a TOML boolean must not pass for a number
        raise Invalid(f"{key} must be {_TYPE_NAMES[expected]}, not {toml_value(value)}")
    minimum, maximum, choices = metadata["minimum"], metadata["maximum"], metadata["choices"]
    if minimum is not None and value < minimum:
        raise Invalid(f"{key} must be at least {minimum}, not {value}")
    if maximum is not None and value > maximum:
        raise Invalid(f"{key} must be at most {maximum}, not {value}")
    for element in (value if isinstance(value, tuple) else (value,)) if choices else ():
        if element not in choices:
            raise Invalid(f"{key} must be one of {', '.join(choices)}, not {toml_value(element)}")
    return value


def _check_list(key: str, value: Any, expected: Any) -> tuple[Any, ...]:
    element = typing.get_args(expected)[0]
    if not isinstance(value, list) or any(type(member) is not element for member in value):
        raise Invalid(f"{key} must be a list of {_TYPE_NAMES[element]} values")
    return tuple(value)


_TYPE_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
