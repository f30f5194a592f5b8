# SPDX-License-Identifier: Apache-2.0
"""The demonstration's files: what lies in people's folders and in the departments' shared ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoFile:
    owner: str  # address of a person, or the domain of a department: its shared folder
    path: str
    text: str


FILES = (
    DemoFile(
        "digital.example",
        "Читать первым.txt",
        "Общая папка департамента.\n\nСюда кладут то, что нужно всем: планы, формы, регламенты.\n"
        "Файл, который кто-то правит, заблокирован: подождите или сохраните копию.\n",
    ),
    DemoFile(
        "digital.example",
        "Отпуска/план-отпусков.csv",
        "фамилия;начало;дней\nПетрова;2026-07-06;14\nКузнецов;2026-08-03;28\nВолков;2026-06-15;14\n",
    ),
    DemoFile(
        "digital.example",
        "Regulations/support-hours.md",
        "# Support hours\n\n| day | hours |\n|---|---|\n| Mon-Thu | 09:00-18:00 |\n| Fri | 09:00-16:45 |\n",
    ),
    DemoFile(
        "digital.example",
        "Проекты/Электронный бюджет/протокол-1.md",
        "# Протокол встречи № 1\n\nРешили:\n\n1. Срок обмена сдвинуть на три дня.\n"
        "2. Макет проверяет Петрова А. И.\n",
    ),
    DemoFile(
        "finance.example",
        "Отчёты/отчёт-за-месяц.csv",
        "статья;план;факт\nсвязь;120000;118400\nоборудование;900000;899100\n",
    ),
    DemoFile(
        "finance.example",
        "Procurement/screens-specification.txt",
        "Screens for meeting rooms 301 and 210\n\n"
        "- 65 inch, 3840x2160\n- wall mount\n- HDMI and DisplayPort\n",
    ),
    DemoFile(
        "ivanov@digital.example",
        "Заметки/совещание.txt",
        "К совещанию у директора: сроки, экраны, отпуска.\n",
    ),
    DemoFile(
        "petrova@digital.example",
        "Макеты/форма-обмена.html",
        "<!doctype html><title>Форма обмена</title><p>Макет 3</p>\n",
    ),
    DemoFile(
        "sidorov@finance.example", "Drafts/exchange-format.json", '{"version": 2, "encoding": "UTF-8"}\n'
    ),
)
