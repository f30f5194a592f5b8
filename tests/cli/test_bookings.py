# SPDX-License-Identifier: Apache-2.0
"""`armgs room rules`: what is set is kept, what is wrong is said."""

from __future__ import annotations

import pytest

from armgs_server.cli.bookings import parse_hours
from armgs_server.errors import Invalid
from tests.cli.conftest import IVANOV, Armgs

ROOM = "room-301@digital.example"
HOURS = "MO,TU,WE,TH,FR 09:00-18:00 Europe/Moscow"


def test_rules_of_a_room(armgs: Armgs) -> None:
    armgs("room", "add", ROOM, "--capacity", 8)
    made = armgs(
        "room", "rules", ROOM, "--hours", HOURS, "--buffer", 15, "--manager", IVANOV, "--approval", "--json"
    )
    assert made.json["buffer"] == 15 and made.json["approval"] is True and len(made.json["managers"]) == 1
    assert made.json["hours"] == {
        "days": "MO,TU,WE,TH,FR",
        "from": "09:00",
        "until": "18:00",
        "zone": "Europe/Moscow",
    }
    more = armgs("room", "rules", ROOM, "--horizon", 90, "--feature", "проектор", "--json")
    assert (more.json["buffer"], more.json["horizon"], more.json["features"]) == (15, 90, ["проектор"])
    assert armgs("room", "rules", ROOM, "--clear", "--json").json == {"address": ROOM}
    assert armgs("room", "list", "--json").json[0]["capacity"] == 8
    assert armgs("room", "rules", ROOM, "--booker", "nobody@digital.example").code == 3
    assert armgs("room", "rules", IVANOV, "--buffer", 1).code == 3
    assert armgs("room", "rules", ROOM, "--hours", "always").code != 0


@pytest.mark.parametrize(
    "wrong", ["", "MO 9-18 UTC", "XX 09:00-18:00 UTC", "MO 18:00-09:00 UTC", "MO 09:00-18:00 Mars/Base"]
)
def test_hours_that_are_none(wrong: str) -> None:
    with pytest.raises(Invalid):
        parse_hours(wrong)
