# SPDX-License-Identifier: Apache-2.0
"""`armgs group`: groups and who is in them."""

from __future__ import annotations

from tests.cli.conftest import IVANOV, Armgs

ALL = "all@digital.example"


def test_life_of_a_group(armgs: Armgs) -> None:
    armgs("user", "add", "petrova@digital.example")
    added = armgs("group", "add", ALL, "--name", "Все", "--member", IVANOV, "--json")
    assert added.code == 0
    assert added.json == {"address": ALL, "name": "Все", "members": [IVANOV]}

    assert armgs("group", "member-add", ALL, "petrova@digital.example").code == 0
    assert armgs("group", "show", ALL, "--json").json["members"] == [IVANOV, "petrova@digital.example"]
    assert armgs("user", "show", IVANOV, "--json").json["groups"] == [ALL]

    assert armgs("group", "member-remove", ALL, IVANOV).code == 0
    listed = armgs("group", "list", "--json").json
    assert listed == [{"address": ALL, "name": "Все", "members": ["petrova@digital.example"]}]

    assert armgs("group", "delete", ALL).code == 0
    assert armgs("group", "list", "--json").json == []
    assert armgs("user", "show", IVANOV).code == 0


def test_the_table_counts_members(armgs: Armgs) -> None:
    armgs("group", "add", ALL, "--member", IVANOV)
    assert [
        line.split("│")[3].strip() for line in armgs("group", "list").out.splitlines() if ALL in line
    ] == ["1"]


def test_refusals(armgs: Armgs) -> None:
    assert armgs("group", "add", IVANOV).code == 4
    assert armgs("group", "add", ALL, "--member", "nobody@digital.example").code == 3
    assert armgs("group", "show", IVANOV).code == 3
    assert armgs("group", "member-add", ALL).code == 2
    assert armgs("group", "list", "--json").json == []


def test_the_rules_of_a_list(armgs: Armgs) -> None:
    armgs("group", "add", ALL, "--member", IVANOV)
    plain = armgs("group", "rules", ALL, "--json").json
    assert plain == {
        "address": ALL,
        "post": "anyone",
        "is_moderated": False,
        "moderators": [],
        "may_join": False,
        "may_leave": False,
        "archive": "",
    }
    options = ("--post", "moderators", "--moderated", "--moderator", IVANOV, "--leave")
    assert armgs("group", "rules", ALL, *options).code == 0
    changed = armgs("group", "rules", ALL, "--archive", "https://lists.example/all", "--json").json
    assert changed == plain | {
        "post": "moderators",
        "is_moderated": True,
        "moderators": [IVANOV],
        "may_leave": True,
        "archive": "https://lists.example/all",
    }
    assert armgs("group", "rules", ALL, "--archive", "no address").code == 5
    assert armgs("group", "rules", ALL, "--moderator", "nobody@digital.example").code == 3
    assert armgs("group", "rules", ALL, "--post", "god").code == 2
