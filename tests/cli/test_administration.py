# SPDX-License-Identifier: Apache-2.0
"""`armgs do`, `suspend`, `remove`, `sync`, and the journal of what they did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from armgs_server.cli.workplace import Workplace
from tests.cli.conftest import IVANOV, Armgs

DOMAIN = "digital.example"
PETROVA = "petrova@digital.example"


@pytest.fixture
def two(armgs: Armgs) -> Armgs:
    assert armgs("user", "add", PETROVA, "--unit", "Web").code == 0
    return armgs


def test_every_verb_is_a_command(two: Armgs) -> None:
    listed = {each["verb"]: each["arguments"] for each in two("verbs", "--json").json}
    assert listed["units.move-people"] == "unit into"
    assert "[parent]" in listed["units.create"]
    made = two("do", "units.create", f"domain={DOMAIN}", "name=Отдел").json
    changed = two(
        "do", "people.change", f"address={PETROVA}", f"unit={made['number']}", 'data={"room": "5"}'
    ).json
    assert (changed["unit"], changed["data"]["room"]) == (made["number"], "5")
    group = two("do", "groups.create", f"address=all@{DOMAIN}", f"members={IVANOV},{PETROVA}").json
    assert group["members"] == [IVANOV, PETROVA]


def test_a_preview_and_what_was_agreed_to(two: Armgs) -> None:
    change = ("do", "groups.create", f"address=all@{DOMAIN}", f"members={PETROVA}")
    shown = two(*change, "--preview")
    assert "lists" in shown.out and f"all@{DOMAIN}" in shown.out
    digest = two(*change, "--preview", "--json").json["digest"]
    assert two("group", "show", f"all@{DOMAIN}").code == 3
    assert two(*change, "--expect", "0" * 32).code == 6
    assert two(*change, "--expect", digest).code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nothing.at-all",), 3),
        (("people.show", "address"), 5),
        (("people.show", "other=x"), 5),
        (("people.show",), 5),
        (("people.change", f"address={IVANOV}", "data={"), 5),
        (("people.show", "address=nobody@digital.example"), 3),
    ],
)
def test_refusals(armgs: Armgs, arguments: tuple[str, ...], code: int) -> None:
    refused = armgs("do", *arguments)
    assert (refused.code, refused.out) == (code, "")


def test_who_leaves_has_a_successor(two: Armgs) -> None:
    assert two("suspend", IVANOV, "--successor", PETROVA).json["successor"] == PETROVA
    assert two("user", "show", IVANOV, "--json").json["disabled"] is True
    assert two("user", "enable", IVANOV).code == 0
    assert two("remove", IVANOV, "--successor", "nobody@digital.example").code == 3
    assert two("remove", IVANOV, "--successor", PETROVA, "--yes").json == {"address": IVANOV, "estate": True}
    assert two("user", "show", IVANOV).code == 3
    assert two("group", "show", IVANOV, "--json").json["members"] == [PETROVA]
    assert two("remove", PETROVA, "--yes").json["estate"] is False


def test_the_journal_of_acts(two: Armgs) -> None:
    two("user", "disable", PETROVA)
    two("user", "password", PETROVA, "--password-stdin", stdin="very-secret-password\n")
    two("do", "departments.create", "name=New", "domains=new.example")
    acts = two("journal", "acts", DOMAIN, "--json").json
    assert [each["verb"] for each in acts][:2] == ["people.password", "people.suspend"]
    assert {each["verb"] for each in acts[2:]} == {"armgs user add", "armgs init"}
    assert "very-secret" not in json.dumps(acts) and all("(command)" in each["actor"] for each in acts)
    verified = two("journal", "verify")
    assert verified.code == 0 and "the acts of digital.example are whole: 8" in verified.err
    assert "the acts of new.example are whole: 1" in verified.err

    async def forge(workplace: Workplace) -> None:
        await workplace.store.write(lambda tx: tx.execute("UPDATE act SET verb = 'x' WHERE id = 8"))

    two.work(forge)
    broken = two("journal", "verify", DOMAIN)
    assert broken.code == 9 and "broken at act 8" in broken.err

    async def cut(workplace: Workplace) -> None:
        await workplace.store.write(lambda tx: tx.execute("DELETE FROM act WHERE id = 8"))

    two.work(cut)
    broken = two("journal", "verify", DOMAIN)
    assert broken.code == 9 and "8 were written, 7 are there" in broken.err


def test_in_step_with_tables(two: Armgs, tmp_path: Path) -> None:
    units, people = tmp_path / "units.csv", tmp_path / "people.csv"
    units.write_text("code,name,parent\n1,Upper,\n2,Lower,1\n")
    people.write_text(f"address,name,unit\nnew@{DOMAIN},New,2\nbad,Bad,2\n")
    both = ("sync", DOMAIN, "--people", people, "--units", units)
    tried = two(*both, "--dry-run")
    assert tried.code == 8 and f"{people.name} " in tried.out.replace("│", " ") and "added: 1" in tried.err
    assert two("user", "show", f"new@{DOMAIN}").code == 3
    assert two(*both, "--strict").code == 5
    done = two(*both, "--json")
    assert (done.code, done.json["added"], done.json["units_added"]) == (8, 1, 2)
    assert done.json["refusals"][0] | {"file": ""} == {
        "file": "",
        "line": 3,
        "column": 1,
        "reason": done.json["refusals"][0]["reason"],
    }
    people.write_text(f"address\nnew@{DOMAIN}\n")
    gone = two("sync", DOMAIN, "--people", people, "--missing", "suspend")
    assert gone.code == 0 and "suspended: 2" in gone.err
    assert two("sync", DOMAIN).code == 5
