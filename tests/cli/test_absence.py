# SPDX-License-Identifier: Apache-2.0
"""`armgs absence`: set once, shown, cleared."""

from __future__ import annotations

from datetime import datetime, timedelta

from armgs_server.cli.times import moment_of
from armgs_server.cli.times import shown as as_shown
from tests.cli.conftest import IVANOV, Armgs


def test_an_absence(armgs: Armgs) -> None:
    first = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    back = first + timedelta(days=9)
    days = ("--from", first.date(), "--until", back.date())
    assert armgs("absence", "show", IVANOV).code != 0
    assert armgs("absence", "set", IVANOV, *days, "--text", "В отпуске", "--deputy", IVANOV).code == 0
    assert armgs("absence", "show", IVANOV, "--json").json == {
        "from": as_shown(moment_of(first)),
        "until": as_shown(moment_of(back)),
        "inside": "В отпуске",
        "outside": "В отпуске",
        "deputy": IVANOV,
    }
    assert armgs("absence", "set", IVANOV, *days, "--text", "a", "--outside", "").code == 0
    assert armgs("absence", "show", IVANOV, "--json").json["outside"] == ""
    assert armgs("absence", "clear", IVANOV).code == 0
    assert armgs("absence", "clear", IVANOV).code != 0
    wrong = ("--from", back.date(), "--until", first.date())
    assert armgs("absence", "set", IVANOV, *wrong, "--text", "a").code != 0
