# SPDX-License-Identifier: Apache-2.0
"""Findings in the language of the terminal; every text in both languages, with the same places to fill."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from armgs_server.cli import doctor_texts, quickstart_texts, trace
from armgs_server.cli.findings import LANGUAGES, Finding, Texts, language_of_terminal

TABLES = (doctor_texts.TEXTS, doctor_texts.STATUSES, quickstart_texts.TEXTS, trace.TEXTS)


@pytest.mark.parametrize("texts", TABLES)
def test_every_text_is_there_twice(texts: Texts) -> None:
    for name, both in texts.items():
        assert len(both) == len(LANGUAGES), name
        places = [{field for _, field, _, _ in Formatter().parse(text) if field} for text in both]
        assert places[0] == places[1], name
        assert all(text.count(",") == both[0].count(",") for text in both if name.endswith("columns"))


@pytest.mark.parametrize("texts", [doctor_texts.STATUSES, quickstart_texts.TEXTS, trace.TEXTS])
def test_russian_is_russian(texts: Texts) -> None:
    for name, (russian, english) in texts.items():
        if re.sub(r"\{\w+\}", "", english).strip():
            assert re.search("[а-яё]", russian), name
            assert not re.search("[а-яё]", english), name


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_MESSAGES": "ru_RU.UTF-8", "LANG": "de_DE"}, "ru"),
        ({}, "en"),
    ],
)
def test_the_language_of_the_terminal(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], language: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language_of_terminal() == language


def test_a_finding_as_a_record() -> None:
    finding = Finding("fsync", "warning", "fsync", {"took": "70.00"}, "slow_disk", 1.23456)
    record = finding.as_record(doctor_texts.TEXTS, "ru")
    assert record["detail"] == "надёжная запись 70.00 мс (медиана)"
    assert record["advice"].startswith("столько ждёт каждое письмо")
    assert record["seconds"] == 1.235
