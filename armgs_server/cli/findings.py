# SPDX-License-Identifier: Apache-2.0
"""What an examination of a workplace finds, in the language of whoever reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Language = Literal["ru", "en"]
Status = Literal["ok", "warning", "problem", "skipped"]

LANGUAGES: tuple[Language, ...] = ("ru", "en")
# Texts by name, each in the order of LANGUAGES, with places for the fields of a finding.
Texts = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` and `advice` are names of texts; "" is no advice."""

    check: str
    status: Status
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""
    seconds: float = 0.0

    def as_record(self, texts: Texts, language: Language) -> dict[str, Any]:
        """For a table or as JSON."""
        return {
            "check": self.check,
            "status": self.status,
            "detail": say(texts, language, self.text, self.fields),
            "advice": say(texts, language, self.advice, self.fields),
            "seconds": round(self.seconds, 3),
        }


def say(texts: Texts, language: Language, name: str, fields: Mapping[str, Any] | None = None) -> str:
    """A text in that language; "" for no name."""
    if not name:
        return ""
    return texts[name][LANGUAGES.index(language)].format(**(fields or {}))


def language_of_terminal() -> Language:
    """Russian where the locale says so (locale(7): LC_ALL before LC_MESSAGES before LANG), else English."""
    locale = next(filter(None, (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "ru" if locale.startswith("ru") else "en"
