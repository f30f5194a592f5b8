# SPDX-License-Identifier: Apache-2.0
"""`armgs contact`."""

from __future__ import annotations

from tests.cli.conftest import IVANOV, Armgs

BOB = "bob@partner.example"


def test_contacts(armgs: Armgs) -> None:
    added = armgs(
        "contact", "add", "digital.example", BOB, "--name", "Боб", "--organisation", "Партнёр", "--json"
    )
    assert added.json["mails"] == [BOB] and added.json["organisation"] == "Партнёр"
    number = added.json["number"]
    assert armgs("contact", "list", "--json").json == [added.json]
    assert "Партнёр" in armgs("contact", "list").out
    assert armgs("contact", "add", "digital.example", BOB).code == 4
    assert armgs("contact", "add", "nowhere.example", BOB).code == 3
    assert armgs("contact", "add", "digital.example", IVANOV).code == 5
    changed = armgs(
        "contact", "change", number, "--organisation", "", "--mail", "b@partner.example", "--json"
    )
    assert (changed.json["organisation"], changed.json["mails"]) == ("", ["b@partner.example"])
    assert armgs("contact", "delete", number + 1000, "--yes").code == 3
    assert armgs("contact", "delete", number, "--yes").code == 0
    assert armgs("contact", "list", "--json").json == []


def test_contacts_from_a_file(armgs: Armgs) -> None:
    file = armgs.path.parent / "contacts.csv"
    file.write_text(
        "address;name;organisation;colour\n"
        "bob@partner.example b@home.example;Боб;Партнёр;red\n"
        f"{IVANOV};Иван;;\n"
        ";Никто;;\n"
        "eve@partner.example;Ева;;\n"
    )
    taken = armgs("contact", "import", "digital.example", file, "--json")
    assert taken.code != 0 and taken.json["accepted"] == 2
    assert [each["line"] for each in taken.json["refused"]] == [3, 4]
    assert taken.json["ignored"] == [f"{file}: column colour"]
    file.write_text("address,name\nbob@partner.example,Роберт\n")
    assert armgs("contact", "import", "digital.example", file).code == 0
    found = {each["name"]: each["organisation"] for each in armgs("contact", "list", "--json").json}
    assert found == {"Роберт": "Партнёр", "Ева": ""}
    assert armgs("contact", "import", "nowhere.example", file).code == 3
