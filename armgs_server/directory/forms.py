# SPDX-License-Identifier: Apache-2.0
"""Self-service forms, as `[http] forms` defines them in TOML: fields, who decides, where the result goes.

    [trip]
    title = {ru = "Командировка", en = "Business trip"}
    route = ["head", "accounts@digital.example"]
    folder = "Заявления"
    file = "Командировка {place} {first}"
    fields = [
      {name = "place", title = {ru = "Куда", en = "Where"}, kind = "text"},
      {name = "first", title = {ru = "С какого дня", en = "First day"}, kind = "date"},
      {name = "why", title = {ru = "Зачем", en = "Purpose"}, kind = "long", required = false},
    ]

The route names principals by address, or `head`: who leads the asker's unit, or the next one above. With an
`address`, a local part, the form is filled in and decided by mail, too (directory.form_letters); with a table
`event` it becomes an event of the asker's calendar (directory.form_events).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from armgs_server.config import Config
from armgs_server.directory import form_events
from armgs_server.directory.form_events import FormEvent
from armgs_server.directory.model import check_address
from armgs_server.errors import Invalid
from armgs_server.formats.addresses import normalise_local
from armgs_server.settings import read_toml

KINDS: Final = ("text", "long", "date", "number", "choice", "yes")
LANGUAGES: Final = ("ru", "en")
HEAD: Final = "head"
FIELDS: Final = 50
FORMS: Final = 100
CHOICES: Final = 200
ROUTE: Final = 20
TEXT_LIMIT: Final = 500  # characters of a line
LONG_LIMIT: Final = 5000
TOTAL_LIMIT: Final = 40_000  # bytes of one form that is filled in: its result lies in the database
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_NUMBER: Final = re.compile(r"-?\d{1,15}(?:[.,]\d{1,6})?")
_PLACE: Final = re.compile(r"\{([a-z0-9_-]+)\}")
_FORM_KEYS: Final = frozenset({"title", "text", "route", "folder", "file", "fields", "address", "event"})
_FIELD_KEYS: Final = frozenset({"name", "title", "kind", "required", "choices"})


class WrongField(Invalid):
    """What was filled in will not do; `field` is its name."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field} is not filled in rightly")
        self.field = field


@dataclass(frozen=True, slots=True)
class FormField:
    """One question."""

    name: str
    title: Mapping[str, str]  # by language
    kind: str
    required: bool
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """One form; `route` as it is written, `file` with fields in braces."""

    name: str
    title: Mapping[str, str]
    text: Mapping[str, str]
    fields: tuple[FormField, ...]
    route: tuple[str, ...]
    folder: str
    file: str
    address: str = ""  # the local part to which mail goes; "" = none
    event: FormEvent | None = None


class Forms:
    """The forms of a configuration; the file is read again when it was changed."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._known: tuple[Path, int, int] | None = None
        self._forms: Mapping[str, Form] = {}

    def all(self) -> Mapping[str, Form]:
        """By name, in the order of the file. A file that has become wrong changes nothing."""
        if not self._config.http.forms:
            return {}
        path = self._config.path(self._config.http.forms)
        try:
            state = path.stat()
            known = (path, state.st_mtime_ns, state.st_size)
            if known != self._known:
                self._forms = load(path)
                self._known = known
        except (OSError, Invalid):
            return self._forms
        return self._forms

    def addressed(self, local: str) -> Form | None:
        """The form that has the local part of an address."""
        wanted = normalise_local(local)
        return next((form for form in self.all().values() if form.address and form.address == wanted), None)


def check(config: Config) -> None:
    """What the configuration cannot know of the file it names. Invalid."""
    if config.http.forms:
        load(config.path(config.http.forms))


def load(path: Path) -> Mapping[str, Form]:
    """The forms of a file. Invalid names what is wrong."""
    data = read_toml(path)
    if len(data) > FORMS:
        raise Invalid(f"{path}: more than {FORMS} forms")
    try:
        made = {name: _form(name, values) for name, values in data.items()}
        reached = [form.address for form in made.values() if form.address]
        if len(set(reached)) != len(reached):
            raise Invalid("two forms have the same address")
        return made
    except Invalid as error:
        raise Invalid(f"{path}: {error}") from error


def filled(form: Form, given: Mapping[str, str]) -> dict[str, str]:
    """The values as they are kept; WrongField for the first that will not do."""
    values: dict[str, str] = {}
    for field in form.fields:
        text = "\n".join(given.get(field.name, "").splitlines()).strip()
        if field.kind == "yes":
            values[field.name] = "yes" if text in ("1", "true", "yes", "on") else ""
            text = values[field.name]
        elif text and not is_right(field, text):
            raise WrongField(field.name)
        if not text and field.required:
            raise WrongField(field.name)
        values[field.name] = text
        if sum(len(each.encode()) for each in values.values()) > TOTAL_LIMIT:
            raise WrongField(field.name)
    if form.event is not None and not form_events.is_in_order(form.event, values):
        raise WrongField(form.event.end)
    return values


def file_name(form: Form, values: Mapping[str, str]) -> str:
    """The name of the result, without what no file's name may hold."""
    name = put_in(form.file, values)
    name = "".join(" " if character in '/\\:*?"<>|' else character for character in name)
    name = " ".join("".join(character for character in name if character.isprintable()).split())
    return (name[:100].strip(". ") or form.name) + ".txt"


def put_in(pattern: str, values: Mapping[str, str]) -> str:
    """A text with the values of the fields that it names in braces."""
    return _PLACE.sub(lambda found: values.get(found[1], ""), pattern)


def is_right(field: FormField, text: str) -> bool:
    """Whether a value that is not empty is one of its kind."""
    if field.kind == "choice":
        return text in field.choices
    if field.kind == "number":
        return _NUMBER.fullmatch(text) is not None
    if field.kind == "date":
        return _is_day(text)
    limit = LONG_LIMIT if field.kind == "long" else TEXT_LIMIT
    allowed = "\n\t" if field.kind == "long" else ""
    return len(text) <= limit and all(each.isprintable() or each in allowed for each in text)


def _is_day(text: str) -> bool:
    try:
        return len(text) == len("2026-11-22") and 1970 < date.fromisoformat(text).year < 9000
    except ValueError:
        return False


def _form(name: str, values: Any) -> Form:
    if not isinstance(values, dict) or not _NAME.fullmatch(name):
        raise Invalid(f"{name!r}: a form is a table, its name small letters, digits, - and _")
    _check_keys(name, values, _FORM_KEYS)
    fields = values.get("fields")
    if not isinstance(fields, list) or not 0 < len(fields) <= FIELDS:
        raise Invalid(f"{name}: a form has 1 to {FIELDS} fields")
    made = tuple(_field(name, each) for each in fields)
    names = [each.name for each in made]
    if len(set(names)) != len(names):
        raise Invalid(f"{name}: two fields have the same name")
    route = values.get("route", [])
    is_route = isinstance(route, list) and len(route) <= ROUTE
    if not is_route or not all(isinstance(each, str) and each for each in route):
        raise Invalid(f"{name}.route: a list of at most {ROUTE} addresses, or {HEAD}")
    file, folder = values.get("file", name), values.get("folder", "")
    if not isinstance(file, str) or not isinstance(folder, str):
        raise Invalid(f"{name}: file and folder are texts")
    if not set(_PLACE.findall(file)) <= set(names):
        raise Invalid(f"{name}.file: names a field that is not there")
    kinds = {each.name: each.kind if each.required else "" for each in made}
    event = form_events.parse(name, values["event"], kinds) if "event" in values else None
    if event is not None and not set(_PLACE.findall(event.summary)) <= set(names):
        raise Invalid(f"{name}.event.summary: names a field that is not there")
    if any(part in (".", "..") or not part.isprintable() for part in folder.split("/")):
        raise Invalid(f"{name}.folder: no path of a folder")
    title = _texts(f"{name}.title", values.get("title"))
    text = _texts(f"{name}.text", values.get("text", ""), may_be_empty=True)
    return Form(name, title, text, made, tuple(route), folder, file, _local(name, values), event)


def _local(form: str, values: Mapping[str, Any]) -> str:
    given = values.get("address", "")
    try:
        if not isinstance(given, str) or (given and "@" in given):
            raise Invalid("has a domain")
        return check_address(f"{given}@a.example").partition("@")[0] if given else ""
    except Invalid as error:
        raise Invalid(f"{form}.address: the part of an address before the @") from error


def _field(form: str, values: Any) -> FormField:
    if not isinstance(values, dict):
        raise Invalid(f"{form}.fields: each is a table")
    name = values.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Invalid(f"{form}.fields: {name!r} is no name")
    _check_keys(f"{form}.{name}", values, _FIELD_KEYS)
    kind, required = values.get("kind", "text"), values.get("required", values.get("kind") != "yes")
    if kind not in KINDS:
        raise Invalid(f"{form}.{name}.kind: one of {', '.join(KINDS)}")
    if not isinstance(required, bool):
        raise Invalid(f"{form}.{name}.required: true or false")
    choices = values.get("choices", [])
    if not isinstance(choices, list) or not all(isinstance(each, str) and each for each in choices):
        raise Invalid(f"{form}.{name}.choices: a list of texts")
    if bool(choices) != (kind == "choice") or len(choices) > CHOICES:
        raise Invalid(f"{form}.{name}.choices: 1 to {CHOICES}, for the kind choice alone")
    title = _texts(f"{form}.{name}.title", values.get("title"))
    return FormField(name, title, kind, required, tuple(choices))


def _texts(name: str, value: Any, *, may_be_empty: bool = False) -> dict[str, str]:
    """A text for all languages, or one for each."""
    found = dict.fromkeys(LANGUAGES, value) if isinstance(value, str) else value
    is_whole = isinstance(found, dict) and set(found) == set(LANGUAGES)
    if not is_whole or not all(isinstance(each, str) for each in found.values()):
        raise Invalid(f"{name}: a text, or one for each of {', '.join(LANGUAGES)}")
    if not may_be_empty and not all(found.values()):
        raise Invalid(f"{name}: is empty")
    return {language: found[language] for language in LANGUAGES}


def _check_keys(name: str, values: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(values) - known)
    if unknown:
        raise Invalid(f"{name}: {unknown[0]} is not known; known are {', '.join(sorted(known))}")
