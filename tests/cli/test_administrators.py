# SPDX-License-Identifier: Apache-2.0
"""`armgs administrator`: the right given and taken, to people and groups."""

from __future__ import annotations

from armgs_server.cli.workplace import Workplace
from armgs_server.directory.administrators import administered
from tests.cli.conftest import IVANOV, Armgs

PETROVA, GROUP = "petrova@digital.example", "admins@digital.example"
DOMAIN = "digital.example"


def administers(armgs: Armgs, address: str) -> int:
    async def look(workplace: Workplace) -> int:
        return len(await administered(workplace.directory, await workplace.principal(address)))

    return armgs.work(look)


def test_the_right_comes_and_goes(armgs: Armgs) -> None:
    armgs("user", "add", PETROVA)
    armgs("group", "add", GROUP, "--member", PETROVA)
    assert armgs("administrator", "list", "--json").json == []
    assert armgs("administrator", "add", DOMAIN, IVANOV, GROUP).code == 0
    assert armgs("administrator", "add", DOMAIN, IVANOV).code == 0
    listed = armgs("administrator", "list", "--json").json
    assert [record["address"] for record in listed] == [IVANOV, GROUP]
    assert (administers(armgs, IVANOV), administers(armgs, PETROVA)) == (1, 1)
    assert armgs("administrator", "remove", DOMAIN, GROUP).code == 0
    assert (administers(armgs, IVANOV), administers(armgs, PETROVA)) == (1, 0)
    assert IVANOV in armgs("administrator", "list").out


def test_refusals(armgs: Armgs) -> None:
    assert armgs("administrator", "add", "other.example", IVANOV).code == 3
    assert armgs("administrator", "add", DOMAIN, "nobody@digital.example").code == 3
    assert administers(armgs, IVANOV) == 0
