# SPDX-License-Identifier: Apache-2.0
"""A form as lines of a message, and what a person has written into them: pure functions of text.

    Куда: Омск
    Первый день: 01.12.2026

A line is the title of a field in either language, or its name, then a colon. What is written into a quoted
form counts, and so does an answer below a quoted line; what is not quoted goes before what is. A field of
several lines goes on until the next field. Nothing below a line `--` is read (RFC 3676 §4.3), in the quoted
text and outside of it alike. A line `word: text` that is no field's is wrong: nothing is left out unsaid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from armgs_server.directory import forms
from armgs_server.directory.forms import Form, FormField, WrongField

LINES: Final = 2000  # of a message that are read
LINE_LENGTH: Final = 6000  # characters of a line that are read
END: Final = "-- "
_QUOTE: Final = re.compile(r"[ \t]{0,3}(?:>[ \t]?)+")
# COMPAT Outlook: the message that is answered follows without marks, below such a line.
_ORIGINAL: Final = re.compile(r"\s*(?:-{3,}[^-]{3,80}-{3,}|_{10,})\s*")
_FIELD_OF_MAIL: Final = frozenset(
    ("from", "to", "cc", "sent", "date", "subject", "от", "кому", "копия", "отправлено", "дата", "тема")
)
_YES: Final = {
    **dict.fromkeys(("да", "yes", "нужна", "нужно", "+"), "yes"),
    **dict.fromkeys(("нет", "no", "не нужна", "не нужно", "-"), ""),
}
_DAY: Final = re.compile(r"(\d{1,2})[./](\d{1,2})[./](\d{4})")

_HINTS: Final = {
    "ru": {
        "date": "день, например 2026-12-01 или 01.12.2026",
        "number": "число",
        "choice": "одно из: {choices}",
        "yes": "да или нет",
        "long": "можно несколько строк",
        "text": "одна строка, не длиннее {limit} знаков",
        "optional": "можно не заполнять",
        "missing": "не заполнено",
    },
    "en": {
        "date": "a day, as 2026-12-01 or 01.12.2026",
        "number": "a number",
        "choice": "one of: {choices}",
        "yes": "yes or no",
        "long": "may have several lines",
        "text": "one line of at most {limit} characters",
        "optional": "may be left empty",
        "missing": "is not filled in",
    },
}


@dataclass(frozen=True, slots=True)
class Understood:
    """Values by name of the field, as `forms.filled` takes them; `unknown` are lines, with their numbers."""

    given: Mapping[str, str]
    unknown: Sequence[tuple[int, str]]

    @property
    def is_empty(self) -> bool:
        """Whether the message fills in nothing: who sends that wants the form."""
        return not self.given and not self.unknown


def blank(form: Form, language: str, given: Mapping[str, str]) -> str:
    """The form to write into, with what was given already; how it is filled in stands below."""
    lines = []
    for field in form.fields:
        value = given.get(field.name, "")
        if field.kind == "yes" and field.name in given:
            value = {"yes": ("да", "yes"), "": ("нет", "no")}.get(value, (value, value))[language == "en"]
        lines.append(f"{field.title[language]}: {value}".rstrip())
    hints = [f"{field.title[language]} — {hint(field, language)}" for field in form.fields]
    return "\n".join((*lines, END, *hints))


def hint(field: FormField, language: str) -> str:
    """How a field is filled in."""
    texts = _HINTS[language]
    text = texts[field.kind].format(choices=", ".join(field.choices), limit=forms.TEXT_LIMIT)
    return text if field.required else f"{text}; {texts['optional']}"


def problems(form: Form, given: Mapping[str, str], language: str) -> list[str]:
    """What is wrong, a line for each field; none where the form can be handed in."""
    wrong = [field for field in form.fields if not _is_right(field, given.get(field.name, ""))]
    if not wrong:
        try:
            forms.filled(form, given)
        except WrongField as error:
            wrong = [field for field in form.fields if field.name == error.field]
    found = []
    for field in wrong:
        value = given.get(field.name, "")
        said = f"«{value[:100]}» — " if value else f"{_HINTS[language]['missing']}; "
        found.append(f"{field.title[language]}: {said}{hint(field, language)}")
    return found


def understand(form: Form, text: str) -> Understood:
    """Reads a message."""
    reading = _Reading(form)
    for number, depth, line in _lines(text):
        reading.take(number, depth, line)
    given = {}
    for field in form.fields:
        said = reading.own.get(field.name) or reading.quoted.get(field.name)
        if said:
            given[field.name] = _normal(field, "\n".join(said).strip())
    return Understood(given, reading.unknown)


def own_words(text: str) -> list[str]:
    """The lines of a reply that are its author's: neither quoted nor a signature nor who wrote what."""
    found: list[str] = []
    for _, depth, line in _lines(text):
        if depth or line.rstrip() == "--":
            if depth and found and found[-1].endswith(":"):
                found.pop()
            break
        if line.strip():
            found.append(line.strip())
    return found


class _Reading:
    """What is known of a message after some of its lines; `own` and `quoted` are lines by field."""

    def __init__(self, form: Form) -> None:
        self._labels = {_fold(each): field for field in form.fields for each in _names(field)}
        self._current: FormField | None = None
        self._ended: set[bool] = set()
        self._was_quoted = False
        self.own: dict[str, list[str]] = {}
        self.quoted: dict[str, list[str]] = {}
        self.unknown: list[tuple[int, str]] = []

    def take(self, number: int, depth: int, line: str) -> None:
        is_quoted = depth > 0
        if is_quoted and not self._was_quoted:
            self._forget_attribution()
        self._was_quoted = is_quoted
        if is_quoted in self._ended:
            return
        if line.rstrip() == "--":
            self._ended.add(is_quoted)
            self._current = None
            return
        said = self.quoted if is_quoted else self.own
        field, label, value = self._split(line)
        if field is not None:
            is_new = field.name not in said
            self._current = field if is_new else None
            if is_new and value:
                said[field.name] = [value]
        elif not line.strip():
            if self._current is not None and self._current.kind == "long" and self._current.name in said:
                said[self._current.name].append("")
        elif self._current is not None and (
            self._current.kind == "long" or self._current.name not in {**self.own, **self.quoted}
        ):
            said.setdefault(self._current.name, []).append(line.strip())
        elif not is_quoted and _is_label(label, value):
            self.unknown.append((number, line.strip()[:200]))

    def _split(self, line: str) -> tuple[FormField | None, str, str]:
        """The field that a line begins, its label and what follows; titles may hold colons themselves."""
        end = line.find(":")
        while end >= 0:
            label = _fold(line[:end])
            if label in self._labels:
                return self._labels[label], label, line[end + 1 :].strip()
            if end > LINE_LENGTH // 10:
                break
            end = line.find(":", end + 1)
        label, _, value = line.partition(":")
        return None, _fold(label), value.strip()

    def _forget_attribution(self) -> None:
        """“… wrote:” above what is quoted is no part of a field, and no unknown one."""
        if self._current is not None and (said := self.own.get(self._current.name)):
            while said and not said[-1]:
                said.pop()
            if len(said) > 1 and said[-1].endswith(":"):
                said.pop()


def _lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Number, depth of quotation, and text of each line."""
    is_original = False
    for number, raw in enumerate(text.split("\n", LINES)[:LINES], 1):
        line = raw.replace("\xa0", " ").rstrip("\r")[:LINE_LENGTH]
        mark = _QUOTE.match(line)
        depth = line[: mark.end()].count(">") if mark is not None else 0
        is_original = is_original or (not depth and _ORIGINAL.fullmatch(line) is not None)
        yield number, depth or int(is_original), line[mark.end() if mark is not None else 0 :]


def _names(field: FormField) -> tuple[str, ...]:
    return (field.name, *field.title.values())


def _fold(label: str) -> str:
    return " ".join(label.casefold().replace("ё", "е").split())


def _is_label(label: str, value: str) -> bool:
    """Whether a line that is no field's looks like one; times, links and fields of mail do not."""
    if not value or value.startswith("//") or label in _FIELD_OF_MAIL or len(label) > 60:
        return False
    return any(each.isalpha() for each in label) and not any(each.isdigit() for each in label)


def _normal(field: FormField, text: str) -> str:
    """What people write, as forms keep it; what cannot be read stays as it is."""
    if field.kind == "yes":
        return _YES.get(_fold(text), text)
    if field.kind == "choice":
        return next((each for each in field.choices if _fold(each) == _fold(text)), text)
    if field.kind == "date" and (found := _DAY.fullmatch(text)):
        try:
            return date(int(found[3]), int(found[2]), int(found[1])).isoformat()
        except ValueError:
            return text
    return text


def _is_right(field: FormField, value: str) -> bool:
    if not value:
        return not field.required
    return value == "yes" if field.kind == "yes" else forms.is_right(field, value)
