# SPDX-License-Identifier: Apache-2.0
"""From entries of other servers to the tables of a sync; tests/peers/test_slapd.py has a real server."""

from __future__ import annotations

import pytest

from armgs_server.administration.table_file import Table
from armgs_server.cli.import_ldap import Units, to_tables
from armgs_server.ldap.client import Found

BASE = "OU=Ministry,DC=corp,DC=example"
DOMAINS = frozenset({"digital.example"})


def entry(dn: str, **attributes: str | bytes) -> Found:
    return Found(
        dn,
        {
            name.lower(): [value.encode() if isinstance(value, str) else value]
            for name, value in attributes.items()
        },
    )


# As Active Directory has them.
UNITS = [
    entry(BASE, ou="Ministry", objectGUID=b"\0" * 16),
    entry(f"OU=Books,{BASE}", ou="Бухгалтерия", objectGUID=b"\x01" * 16),
    entry(f"OU=Pay,OU=Books,{BASE}", ou="Расчётный отдел", objectGUID=b"\x02" * 16,
          managedBy=f"CN=Petrova\\, Anna,ou=pay,OU=books,{BASE}"),
    entry(f"OU=Printers,{BASE}", ou="Printers", objectGUID=b"\x03" * 16),
]  # fmt: skip
PEOPLE = [
    entry(f"CN=Petrova\\, Anna,OU=Pay,OU=Books,{BASE}", displayName="Петрова Анна", sn="Петрова",
          givenName="Анна", title="Бухгалтер", mail="Petrova@Digital.example", department="Расчёты",
          userAccountControl="512"),
    entry(f"CN=Head,{BASE}", cn="Head", userPrincipalName="head@digital.example", telephoneNumber=" +7 1 "),
    entry(f"CN=Gone,OU=Books,{BASE}", mail="gone@digital.example", userAccountControl="514"),
    entry(f"CN=Backup,OU=Books,{BASE}", cn="Backup"),
    entry(f"CN=Other,OU=Books,{BASE}", mail="other@partner.example"),
    entry("CN=#04024869,DC=x", mail="odd@digital.example"),
]  # fmt: skip


def tables(units_from: Units) -> tuple[Table | None, Table]:
    return to_tables("ldap://corp", BASE, UNITS, PEOPLE, DOMAINS, units_from)


def test_units_are_the_tree() -> None:
    units, people = tables("tree")
    assert units is not None
    assert [dict(row.fields) for row in units.rows] == [
        {"code": "01" * 16, "name": "Бухгалтерия", "parent": "", "address": ""},
        {"code": "02" * 16, "name": "Расчётный отдел", "parent": "01" * 16, "address": ""},
    ]
    assert dict(people.rows[0].fields) == {
        "address": "petrova@digital.example",
        "name": "Петрова Анна",
        "post": "Бухгалтер",
        "telephone": "",
        "mobile": "",
        "family": "Петрова",
        "given": "Анна",
        "additional": "",
        "unit": "02" * 16,
        "head": "yes",
    }
    assert [(row.fields["address"], row.fields["unit"]) for row in people.rows[1:]] == [
        ("head@digital.example", ""),
        ("odd@digital.example", ""),
    ]
    assert people.rows[1].fields["telephone"] == "+7 1"


def test_units_are_what_people_say() -> None:
    units, people = tables("attribute")
    assert units is not None
    assert [dict(row.fields) for row in units.rows] == [{"code": "ldap:Расчёты", "name": "Расчёты"}]
    assert [row.fields["unit"] for row in people.rows] == ["Расчёты", "", ""]


def test_no_units() -> None:
    units, people = tables("none")
    assert units is None
    assert "unit" not in people.rows[0].fields


def test_openldaps_number_of_a_unit() -> None:
    units = [entry("ou=a,dc=b", ou="A", entryUUID="12-34"), entry("ou=c,dc=b", ou="C")]
    people = [entry(f"uid=x,ou={each},dc=b", mail=f"{each}@digital.example") for each in "ac"]
    found, _ = to_tables("ldap://x", "dc=b", units, people, DOMAINS, "tree")
    assert found is not None
    assert [row.fields["code"] for row in found.rows] == ["12-34", "ou=c,dc=b"]


def test_what_is_refused_is_told_by_name() -> None:
    _, people = tables("tree")
    refusal = people.refuse(people.rows[1], "unit", "there is none")
    assert str(refusal) == f"CN=Head,{BASE}:0: unit: there is none"


@pytest.mark.parametrize("units_from", ["tree", "attribute", "none"])
def test_nobody(units_from: Units) -> None:
    _, people = to_tables("ldap://x", "", [], [], DOMAINS, units_from)
    assert (people.rows, people.header) == ([], ("address",))
