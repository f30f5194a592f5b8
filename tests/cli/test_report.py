# SPDX-License-Identifier: Apache-2.0
"""What an import tells at its end, and the exit code that goes with it."""

from __future__ import annotations

from armgs_server.cli.report import Report, reason
from armgs_server.errors import Invalid, NotFound


def test_codes() -> None:
    report = Report()
    assert report.code == 0
    report.refuse("a.ics", 3, "bad")
    assert report.code == 5  # nothing was taken
    report.unchanged = 1
    assert report.code == 8
    report.accepted, report.unchanged = 1, 0
    assert report.code == 8
    assert report.as_record() == {
        "accepted": 1,
        "unchanged": 0,
        "refused": [{"file": "a.ics", "line": 3, "reason": "bad"}],
        "ignored": [],
    }


def test_a_reason_has_no_line() -> None:
    assert reason(Invalid("not a date", 12)) == "not a date"
    assert reason(NotFound("line 3: is part of this text")) == "line 3: is part of this text"
