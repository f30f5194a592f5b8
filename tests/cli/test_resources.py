# SPDX-License-Identifier: Apache-2.0
"""`armgs room` and `armgs equipment`."""

from __future__ import annotations

from tests.cli.conftest import IVANOV, Armgs

ROOM = "room-301@digital.example"
PROJECTOR = "projector@digital.example"


def test_rooms(armgs: Armgs) -> None:
    added = armgs("room", "add", ROOM, "--capacity", 8, "--name", "Переговорная 301", "--json")
    assert added.json == {"address": ROOM, "name": "Переговорная 301", "capacity": 8}
    assert armgs("room", "list", "--json").json == [added.json]
    assert "Переговорная 301" in armgs("room", "list").out
    assert armgs("room", "add", ROOM, "--capacity", 8).code == 4
    assert armgs("room", "add", "x@digital.example", "--capacity", 0).code == 2
    assert armgs("equipment", "delete", ROOM).code == 3
    assert armgs("room", "delete", ROOM).code == 0
    assert armgs("room", "list", "--json").json == []


def test_equipment(armgs: Armgs) -> None:
    added = armgs("equipment", "add", PROJECTOR, "--json")
    assert added.json == {"address": PROJECTOR, "name": "projector"}
    assert armgs("equipment", "list", "--json").json == [added.json]
    assert armgs("room", "list", "--json").json == []
    assert armgs("equipment", "delete", IVANOV).code == 3
    assert armgs("equipment", "delete", PROJECTOR).code == 0
