# SPDX-License-Identifier: Apache-2.0
"""`armgs user`: what the administrator does to people, and what the log-in makes of it."""

from __future__ import annotations

import pytest

from armgs_server.cli.workplace import Workplace
from armgs_server.errors import Denied
from tests.cli.conftest import IVANOV, PASSWORD, Armgs


def logs_in(armgs: Armgs, password: str) -> bool:
    async def work(workplace: Workplace) -> bool:
        try:
            await workplace.directory.auth.login("imap", "192.0.2.1", True, IVANOV, password)
        except Denied:
            return False
        return True

    return armgs.work(work)


def test_add_and_show(armgs: Armgs) -> None:
    added = armgs(
        *("user", "add", "petrova@digital.example", "--name", "Петрова Анна"),
        *("--unit", "Отдел разработки", "--post", "Консультант", "--head", "--json"),
    )
    assert added.code == 0
    shown = armgs("user", "show", "petrova@digital.example", "--json").json
    assert shown == added.json
    assert shown["name"] == "Петрова Анна"
    assert shown["department"] == "digital.example"
    assert shown["unit"] == "Отдел разработки"
    assert shown["post"] == "Консультант"
    assert shown["head"] is True
    assert shown["disabled"] is False
    assert shown["items"] == shown["bytes"] == 0


def test_a_unit_is_made_once(armgs: Armgs) -> None:
    for local in ("a", "b"):
        assert armgs("user", "add", f"{local}@digital.example", "--unit", "Unit").code == 0

    async def units(workplace: Workplace) -> list[str]:
        number = workplace.directory.domains["digital.example"]
        return [unit.name for unit in await workplace.directory.units(number)]

    assert armgs.work(units) == ["Unit"]


def test_list(armgs: Armgs) -> None:
    armgs("user", "add", "sidorov@finance.example")
    assert [one["address"] for one in armgs("user", "list", "--json").json] == [
        IVANOV,
        "sidorov@finance.example",
    ]
    finance = armgs("user", "list", "--domain", "finance.example", "--json").json
    assert [one["address"] for one in finance] == ["sidorov@finance.example"]
    table = armgs("user", "list").out
    assert "Иванов Пётр" in table
    assert "sidorov@finance.example" in table


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("add", IVANOV), 4, "is taken"),
        (("add", "somebody@other.example"), 5, "other.example is not a domain of this server"),
        (("add", "no address"), 5, ""),
        (("show", "nobody@digital.example"), 3, "there is no person nobody@digital.example"),
        (("delete", "nobody@digital.example"), 3, "there is no person"),
        (("password", IVANOV), 2, "--password-stdin"),
    ],
)
def test_refusals(armgs: Armgs, arguments: tuple[str, ...], code: int, reason: str) -> None:
    refused = armgs("user", *arguments)
    assert refused.code == code
    assert reason in refused.err
    assert refused.out == ""


def test_a_password_against_the_policy_is_refused(armgs: Armgs) -> None:
    refused = armgs("user", "password", IVANOV, "--password-stdin", stdin="short\n")
    assert refused.code == 5 and "at least 8 characters" in refused.err
    assert not logs_in(armgs, "short") and logs_in(armgs, PASSWORD)
    new = "new@digital.example"
    refused = armgs("user", "add", new, "--password-stdin", stdin="short\n")
    assert refused.code == 5 and armgs("user", "show", new).code == 3
    armgs("do", "policies.change", "domain=digital.example", "password_length=20")
    refused = armgs("user", "add", new, "--password-stdin", stdin="not twenty letters\n")
    assert refused.code == 5 and "at least 20 characters" in refused.err


def test_no_password_on_standard_input(armgs: Armgs) -> None:
    refused = armgs("user", "password", IVANOV, "--password-stdin", stdin="")
    assert refused.code == 2
    assert "no password on standard input" in refused.err


def test_password(armgs: Armgs) -> None:
    assert armgs("user", "password", IVANOV, "--password-stdin", stdin="another-password\n").code == 0
    assert logs_in(armgs, "another-password")
    assert not logs_in(armgs, PASSWORD)


def test_disable_and_enable(armgs: Armgs) -> None:
    assert armgs("user", "disable", IVANOV).code == 0
    assert not logs_in(armgs, PASSWORD)
    assert armgs("user", "show", IVANOV, "--json").json["disabled"] is True
    assert armgs("user", "enable", IVANOV).code == 0
    assert logs_in(armgs, PASSWORD)


def test_delete(armgs: Armgs) -> None:
    assert armgs("user", "delete", IVANOV).code == 0
    assert armgs("user", "list", "--json").json == []
    assert not logs_in(armgs, PASSWORD)
