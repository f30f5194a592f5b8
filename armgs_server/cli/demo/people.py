# SPDX-License-Identifier: Apache-2.0
"""Who works in the demonstration workplace: two departments, their units, people, rooms and groups."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoPerson:
    local: str
    name: str
    unit: str  # "" = directly under the department
    post: str
    head: bool = False
    telephone: str = ""


@dataclass(frozen=True, slots=True)
class DemoResource:
    local: str
    name: str
    capacity: int  # 0 = equipment


@dataclass(frozen=True, slots=True)
class DemoGroup:
    local: str
    name: str
    members: tuple[str, ...]  # local parts; a whole address is of another department


@dataclass(frozen=True, slots=True)
class DemoDepartment:
    name: str
    domain: str
    units: tuple[str, ...]
    people: tuple[DemoPerson, ...]
    resources: tuple[DemoResource, ...]
    groups: tuple[DemoGroup, ...]


DIGITAL = DemoDepartment(
    name="Департамент цифрового развития",
    domain="digital.example",
    units=("Отдел разработки", "Отдел эксплуатации", "Support"),
    people=(
        DemoPerson("orlova", "Орлова Мария Сергеевна", "", "Директор департамента", True, "+7 495 000-01-01"),
        DemoPerson(
            "ivanov",
            "Иванов Пётр Алексеевич",
            "Отдел разработки",
            "Начальник отдела",
            True,
            "+7 495 000-01-10",
        ),
        DemoPerson(
            "petrova",
            "Петрова Анна Ильинична",
            "Отдел разработки",
            "Ведущий консультант",
            False,
            "+7 495 000-01-11",
        ),
        DemoPerson(
            "kuznetsov",
            "Кузнецов Олег Викторович",
            "Отдел разработки",
            "Консультант",
            False,
            "+7 495 000-01-12",
        ),
        DemoPerson(
            "smirnova",
            "Смирнова Дарья Олеговна",
            "Отдел эксплуатации",
            "Начальник отдела",
            True,
            "+7 495 000-01-20",
        ),
        DemoPerson(
            "volkov",
            "Волков Игорь Павлович",
            "Отдел эксплуатации",
            "Администратор",
            False,
            "+7 495 000-01-21",
        ),
        DemoPerson("brown", "Emily Brown", "Support", "Head of support", True, "+7 495 000-01-30"),
        DemoPerson("miller", "James Miller", "Support", "Support engineer", False, "+7 495 000-01-31"),
    ),
    resources=(
        DemoResource("room-301", "Переговорная 301", 8),
        DemoResource("room-305", "Переговорная 305", 20),
        DemoResource("projector", "Проектор Epson", 0),
    ),
    groups=(
        DemoGroup("development", "Разработка", ("ivanov", "petrova", "kuznetsov")),
        DemoGroup("heads", "Руководители", ("orlova", "ivanov", "smirnova", "brown")),
        DemoGroup(
            "budget-project",
            "Проект «Электронный бюджет»",
            ("ivanov", "petrova", "sidorov@finance.example", "fedorova@finance.example"),
        ),
    ),
)

FINANCE = DemoDepartment(
    name="Department of Finance",
    domain="finance.example",
    units=("Бюджетный отдел", "Отдел отчётности", "Procurement"),
    people=(
        DemoPerson(
            "lebedev", "Лебедев Андрей Николаевич", "", "Директор департамента", True, "+7 495 000-02-01"
        ),
        DemoPerson(
            "sidorov",
            "Сидоров Николай Петрович",
            "Бюджетный отдел",
            "Начальник отдела",
            True,
            "+7 495 000-02-10",
        ),
        DemoPerson(
            "fedorova",
            "Фёдорова Ольга Юрьевна",
            "Бюджетный отдел",
            "Главный специалист",
            False,
            "+7 495 000-02-11",
        ),
        DemoPerson(
            "morozov", "Морозов Илья Денисович", "Бюджетный отдел", "Специалист", False, "+7 495 000-02-12"
        ),
        DemoPerson(
            "egorova",
            "Егорова Татьяна Львовна",
            "Отдел отчётности",
            "Начальник отдела",
            True,
            "+7 495 000-02-20",
        ),
        DemoPerson(
            "pavlov", "Павлов Сергей Игоревич", "Отдел отчётности", "Специалист", False, "+7 495 000-02-21"
        ),
        DemoPerson("clark", "Olivia Clark", "Procurement", "Head of procurement", True, "+7 495 000-02-30"),
        DemoPerson("wilson", "Henry Wilson", "Procurement", "Procurement officer", False, "+7 495 000-02-31"),
    ),
    resources=(
        DemoResource("room-210", "Meeting room 210", 12),
        DemoResource("room-215", "Переговорная 215", 6),
        DemoResource("projector", "Projector BenQ", 0),
    ),
    groups=(
        DemoGroup("budget", "Бюджетный отдел", ("sidorov", "fedorova", "morozov")),
        DemoGroup("procurement", "Procurement", ("clark", "wilson")),
    ),
)

DEPARTMENTS = (DIGITAL, FINANCE)


def name_parts(name: str) -> dict[str, str]:
    """Family name first in Russian, last in English."""
    if name.isascii():
        given, family = name.split()
        return {"family": family, "given": given}
    family, given, additional = name.split()
    return {"family": family, "given": given, "additional": additional}


def names() -> dict[str, str]:
    """Address to name, of everybody."""
    return {
        f"{person.local}@{department.domain}": person.name
        for department in DEPARTMENTS
        for person in department.people
    }
