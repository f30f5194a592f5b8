# SPDX-License-Identifier: Apache-2.0
"""Dates, times and durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from armgs_server.formats.contentline import scan
from armgs_server.formats.icalendar import check
from armgs_server.formats.icalendar_values import parse_duration, parse_local
from tests.formats.ics import with_event


def test_dates_and_times() -> None:
    found = check(with_event("UID:1", "DTSTART;VALUE=DATE:20261123"))
    assert found.master is not None
    for line, expected in (
        ("DTSTART:20261123T100000Z", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("DTSTART;TZID=Europe/Moscow:20261123T100000", datetime(2026, 11, 23, 7, tzinfo=UTC)),
        ("DTSTART;TZID=Russian Standard Time:20261123T100000", datetime(2026, 11, 23, 7, tzinfo=UTC)),
        (
            'DTSTART;TZID="/mozilla.org/20050126_1/Europe/Moscow":20261123T100000',
            datetime(2026, 11, 23, 7, tzinfo=UTC),
        ),
        ("DTSTART:20261123T100060", datetime(2026, 11, 23, 10, 0, 59, tzinfo=UTC)),
        ("DTSTART;TZID=Nowhere/Land:20261123T100000", datetime(2026, 11, 23, 10, tzinfo=UTC)),
    ):
        moment = found.moment(scan(line.encode())[0])
        assert moment.micros == int(expected.timestamp()) * 1_000_000, line
    assert found.unknown_zones == {"Nowhere/Land"}
    assert parse_local("20261123") == datetime(2026, 11, 23)
    for text in (
        "",
        "2026112",
        "20261123T",
        "20261123T25",
        "20261123T250000",
        "２０２６１１２３",
        "20261123T100000X",
    ):
        with pytest.raises(ValueError, match=r".*"):
            parse_local(text)


def test_durations() -> None:
    assert parse_duration("P15DT5H0M20S").time == timedelta(hours=5, seconds=20)
    assert parse_duration("-P7W").days == -49
    assert parse_duration("+PT1M").time == timedelta(minutes=1)
    for text in ("", "P", "PT", "1D", "P1Y", "PX", "P99999999999W"):
        with pytest.raises(ValueError, match=r".*"):
            parse_duration(text)
