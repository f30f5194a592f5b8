# SPDX-License-Identifier: Apache-2.0
"""A form as lines of a message: whatever mail programs make of a reply, what was written is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.directory import form_letters, forms
from armgs_server.directory.form_letters import understand
from armgs_server.directory.forms import Form

DEFINED = """
[trip]
title = {ru = "Командировка", en = "Business trip"}
address = "trip"
fields = [
  {name = "place", title = {ru = "Куда", en = "Where"}},
  {name = "first", title = {ru = "Первый день", en = "First day"}, kind = "date"},
  {name = "days", title = {ru = "Дней: всего", en = "Days"}, kind = "number", required = false},
  {name = "by", title = {ru = "Чем", en = "By"}, kind = "choice", choices = ["Поезд", "самолёт"]},
  {name = "why", title = {ru = "Цель", en = "Purpose"}, kind = "long", required = false},
  {name = "hotel", title = {ru = "Гостиница", en = "Hotel"}, kind = "yes"},
]
"""
WHOLE = {"place": "Омск", "first": "2026-12-01", "by": "самолёт", "hotel": "yes"}


@pytest.fixture(scope="module")
def form(tmp_path_factory: pytest.TempPathFactory) -> Form:
    file = tmp_path_factory.mktemp("forms") / "forms.toml"
    file.write_text(DEFINED)
    return forms.load(file)["trip"]


@pytest.mark.parametrize(
    "text",
    [
        "Куда: Омск\nПервый день: 01.12.2026\nЧем: самолет\nГостиница: да",
        "Добрый день!\n\nwhere : Омск\r\nFIRST  DAY: 2026-12-01\r\nby: Самолёт\r\nhotel: Yes\r\n--\r\nТел: 1",
        # written into the quoted form
        "> Куда: Омск\n> Первый день: 1.12.2026\n> Дней: всего:\n> Чем: самолёт\n> Гостиница: да\n> -- \n"
        "> Куда — одна строка",
        # below its lines
        "> Куда:\nОмск\n\n> Первый день:\n01.12.2026\n> Чем:\nсамолёт\n> Гостиница:\nда\n",
        # above it, as most programs have it
        "Куда: Омск\nПервый день: 01.12.2026\nЧем: самолёт\nГостиница: да\n\n22.11.2026 16:25, trip пишет:\n"
        "> Куда: Томск\n> Первый день: завтра\n> Чем:\n> Гостиница:\n",
        # COMPAT Outlook
        "Куда: Омск\nПервый день: 01.12.2026\nЧем: самолёт\nГостиница: да\n\n-----Original Message-----\n"
        "From: trip@digital.example\nSubject: x\n\nКуда:\nПервый день:\n",
        "Куда:\u00a0Омск\nПервый день: 01.12.2026\nЧем: самолёт\nГостиница: +\nFrom: trip@digital.example\n"
        "Sent: Sunday\nКуда: Томск\n",
    ],
)
def test_what_was_written_is_found(form: Form, text: str) -> None:
    found = understand(form, text)
    assert dict(found.given) == WHOLE and found.unknown == []
    assert form_letters.problems(form, found.given, "ru") == []


def test_a_text_of_several_lines_goes_on_until_the_next_field(form: Form) -> None:
    found = understand(
        form, "Цель: раз\nдва\n\nтри\n\nКуда: Омск\nДней: всего: 2,5\n\nВс, 22 нояб. пишет:\n> x"
    )
    assert found.given["why"] == "раз\nдва\n\nтри"
    assert found.given["days"] == "2,5" and found.given["place"] == "Омск" and found.unknown == []
    found = understand(form, "Цель: раз\n\nВс, 22 нояб. пишет:\n> Цель:\n")
    assert found.given["why"] == "раз"


def test_what_is_no_field_is_said(form: Form) -> None:
    found = understand(form, "Привет\nКуда: Омск\nГород: Омск\nhttps://a.example/\n16:25\n> Что: то\n")
    assert found.unknown == [(3, "Город: Омск")]
    assert understand(form, "\n\n").is_empty and understand(form, "Пришлите форму").is_empty
    assert not found.is_empty


def test_what_is_wrong_is_said_line_by_line(form: Form) -> None:
    given = understand(form, "Первый день: завтра\nЧем: ракета\nГостиница: может быть\nДней: всего: x").given
    assert form_letters.problems(form, given, "ru") == [
        "Куда: не заполнено; одна строка, не длиннее 500 знаков",
        "Первый день: «завтра» — день, например 2026-12-01 или 01.12.2026",
        "Дней: всего: «x» — число; можно не заполнять",
        "Чем: «ракета» — одно из: Поезд, самолёт",
        "Гостиница: «может быть» — да или нет; можно не заполнять",
    ]
    assert form_letters.problems(form, {}, "en")[0].startswith("Where: is not filled in; one line")
    assert understand(form, "Первый день: 31.02.2026").given["first"] == "31.02.2026"


def test_the_empty_form_reads_as_empty_and_the_filled_one_as_it_was_filled(form: Form) -> None:
    for language in ("ru", "en"):
        assert understand(form, form_letters.blank(form, language, {})).is_empty
        given = {**WHOLE, "why": "a\nb", "hotel": ""}
        found = understand(form, form_letters.blank(form, language, given)).given
        assert {"hotel": "", **found} == given


def test_the_own_words_of_a_reply() -> None:
    assert form_letters.own_words("Согласовать\n\nно недолго\n22.11 пишет:\n> нет\n> да") == [
        "Согласовать",
        "но недолго",
    ]
    assert form_letters.own_words("да\n-- \nПетрова") == ["да"]
    assert form_letters.own_words("> да") == []


@given(st.text(max_size=500), st.text(alphabet=">:-_ \nКудаЦель", max_size=300))
def test_whatever_comes(form: Form, text: str, more: str) -> None:
    found = understand(form, text + "\n" + more)
    assert set(found.given) <= {field.name for field in form.fields}
    form_letters.problems(form, found.given, "ru")
    form_letters.own_words(text + more)
