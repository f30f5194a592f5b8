# SPDX-License-Identifier: Apache-2.0
"""What the departments of the demonstration have announced, and the forms their people fill in."""

from __future__ import annotations

from typing import Final, NamedTuple

from armgs_server.cli.workplace import Workplace
from armgs_server.directory import news


class DemoPost(NamedTuple):
    domain: str
    title: str
    text: str
    must: bool


POSTS: Final = (
    DemoPost(
        "digital.example",
        "Переезд серверной в субботу",
        "В субботу с 10:00 до 14:00 почта и чат могут прерываться на несколько минут.\n"
        "Файлы и календари доступны без перерыва.",
        must=False,
    ),
    DemoPost(
        "digital.example",
        "Правила работы с паролями",
        "С понедельника для каждого устройства нужен отдельный пароль программы.\n"
        "Он создаётся на странице «Мои устройства»; потерянное устройство отключается там же.",
        must=True,
    ),
    DemoPost(
        "finance.example",
        "Quarterly reports",
        "Reports for the quarter are due on the 5th. Put them into the department's shared files.",
        must=True,
    ),
)
FORMS: Final = """\
[trip]
title = {ru = "Командировка", en = "Business trip"}
route = ["head"]
folder = "Заявления"
file = "Командировка {place} {first}"
fields = [
  {name = "place", title = {ru = "Куда", en = "Where"}},
  {name = "first", title = {ru = "Первый день", en = "First day"}, kind = "date"},
  {name = "last", title = {ru = "Последний день", en = "Last day"}, kind = "date"},
  {name = "purpose", title = {ru = "Цель", en = "Purpose"}, kind = "long"},
  {name = "hotel", title = {ru = "Нужна гостиница", en = "A hotel is needed"}, kind = "yes"},
]
"""


async def write(workplace: Workplace) -> None:
    """By who leads each department."""
    for post in POSTS:
        department = await workplace.principal(post.domain, "department")
        heads = await workplace.directory.heads(department.id)
        author = next(each for each in heads if not each.unit)
        await news.write(
            workplace.store, workplace.config, department, author, post.title, post.text, must=post.must
        )
