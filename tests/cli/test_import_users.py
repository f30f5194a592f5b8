# SPDX-License-Identifier: Apache-2.0
"""`armgs import users`: rows of a CSV file become people; a bad row does not keep the others out."""

from __future__ import annotations

from pathlib import Path

import pytest

from armgs_server.cli.import_users import read
from armgs_server.cli.workplace import Workplace
from armgs_server.errors import Invalid
from armgs_server.storage import accounts
from tests.cli.conftest import IVANOV, Armgs

CSV = f"""\
address,password,name,unit,post
petrova@digital.example,long-password,"Петрова, Анна",Отдел,Консультант
{IVANOV},long-password,,,
nobody@other.example,long-password,,,
short@digital.example,short,,,
sidorov@finance.example,,Сидоров,,
"""


def test_people(armgs: Armgs, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(CSV)
    done = armgs("import", "users", file, "--json")
    assert done.code == 8
    assert done.json["accepted"] == 2
    assert [(one["line"], one["reason"]) for one in done.json["refused"]] == [
        (3, f"{IVANOV} is taken"),
        (4, "other.example is not a domain of this server"),
        (5, "a password has at least 8 characters"),
    ]
    assert armgs("user", "show", "short@digital.example").code == 3
    again = armgs("import", "users", file, "--any-password", "--json")  # of another system, as it is
    assert again.json["accepted"] == 1
    assert armgs("user", "show", "short@digital.example").code == 0
    shown = armgs("user", "show", "petrova@digital.example", "--json").json
    assert (shown["name"], shown["unit"], shown["post"]) == ("Петрова, Анна", "Отдел", "Консультант")
    assert armgs("user", "show", "sidorov@finance.example").code == 0


def test_other_columns(armgs: Armgs, tmp_path: Path) -> None:
    """What the address book shows is kept; what nobody knows is named."""
    file = tmp_path / "people.csv"
    file.write_text("Address,Telephone,Shoe size\nanna@digital.example,+7 495 000-00-00,38\n")
    done = armgs("import", "users", file, "--json")
    assert done.code == 0
    assert done.json["ignored"] == [f"{file}: column shoe size"]

    async def data(workplace: Workplace) -> dict[str, object]:
        return dict((await workplace.principal("anna@digital.example")).data)

    assert armgs.work(data) == {"telephone": "+7 495 000-00-00"}


def test_units_are_made_once_and_what_is_refused_leaves_nothing(armgs: Armgs, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    long = "x" * 501
    file.write_text(
        "address,unit,head\n"
        "a@digital.example,Новый отдел,да\n"
        "b@digital.example,НОВЫЙ ОТДЕЛ,\n"
        f"c@digital.example,{long},\n"
        "b@digital.example,Новый отдел,\n"
        "d@finance.example,Новый отдел,\n"
    )
    done = armgs("import", "users", file, "--json")
    assert done.json["accepted"] == 3
    assert [(one["line"], one["reason"]) for one in done.json["refused"]] == [
        (4, "a name has at most 500 characters, none of them a control character"),
        (5, "b@digital.example is taken"),
    ]

    async def units(workplace: Workplace) -> list[tuple[str, list[str]]]:
        found = []
        for department in await workplace.directory.departments():
            for unit in await workplace.directory.units(department.id):
                people = await workplace.directory.members(unit)
                found.append((unit.name, [each.address for each in people]))
        return found

    assert ("Новый отдел", ["a@digital.example", "b@digital.example"]) in armgs.work(units)
    assert ("Новый отдел", ["d@finance.example"]) in armgs.work(units)
    assert armgs("user", "show", "c@digital.example").code == 3


def test_whose_card_finds_no_room_is_not_there_and_keeps_nobody_out(armgs: Armgs, tmp_path: Path) -> None:
    """A department's quota counts its address book: a row is found too large when half of it is written."""

    async def limit(workplace: Workplace) -> None:
        number = workplace.directory.domains["finance.example"]
        used = (await workplace.store.read(lambda tx: accounts.usage(tx, number))).bytes
        await workplace.store.write(lambda tx: accounts.set_quota(tx, number, used + 400))

    armgs.work(limit)
    file = tmp_path / "people.csv"
    file.write_text(
        f"address,name\nlarge@finance.example,{'Ж' * 300}\nsmall@finance.example,S\nother@digital.example,O\n"
    )
    done = armgs("import", "users", file, "--json")
    assert (done.json["accepted"], [one["line"] for one in done.json["refused"]]) == (2, [2])
    assert armgs("user", "show", "large@finance.example").code == 3
    assert armgs("user", "show", "small@finance.example").code == 0


def test_excel(tmp_path: Path) -> None:
    file = tmp_path / "excel.csv"
    file.write_bytes("\ufeffAddress;Name\r\na@b.example;Имя\r\n".encode())
    assert read(file) == (["address", "name"], [(2, {"address": "a@b.example", "name": "Имя"})])


def test_a_field_over_two_lines(tmp_path: Path) -> None:
    file = tmp_path / "lines.csv"
    file.write_text('address,name\na@b.example,"one\ntwo"\nc@d.example,three\n')
    assert [(line, row["address"]) for line, row in read(file)[1]] == [(2, "a@b.example"), (4, "c@d.example")]


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", 1, "is empty"),
        (b"name,post\n", 1, "no column `address`"),
        (b"address\na@b.example,more\n", 2, "more fields"),
        (b"address\nok@b.example\n\xff@b.example\n", 3, "not UTF-8"),
        (b'address\n"a@b.example\n', 2, "unexpected end of data"),
    ],
)
def test_malformed_files(tmp_path: Path, data: bytes, line: int, reason: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(data)
    with pytest.raises(Invalid, match=reason) as caught:
        read(file)
    assert caught.value.line == line


def test_a_missing_file(armgs: Armgs, tmp_path: Path) -> None:
    assert armgs("import", "users", tmp_path / "none.csv").code == 3
