# SPDX-License-Identifier: Apache-2.0
"""Definitions of time zones put into calendar data and taken out of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats.icalendar import check
from armgs_server.formats.timezone_references import with_all, without_known
from tests.dav.calendars import BERLIN, calendar, event

BY_NAME = event("1", ";TZID=Europe/Berlin:20261201T100000", "DTEND;TZID=Europe/Moscow:20261201T130000")
DEFINED = calendar(BERLIN).replace(b"END:VCALENDAR\r\n", BY_NAME.partition(b"EN\r\n")[2])
OWN = DEFINED.replace(b"Europe/Berlin", b"Office")


def test_known_zones_are_taken_out() -> None:
    assert without_known(DEFINED) == BY_NAME
    assert without_known(BY_NAME) is BY_NAME
    assert without_known(OWN) == OWN  # nobody else knows it


def test_known_zones_are_put_in_once() -> None:
    whole = check(with_all(BY_NAME))
    assert list(whole.timezones) == ["Europe/Berlin", "Europe/Moscow"]
    assert list(check(with_all(DEFINED)).timezones) == ["Europe/Moscow", "Europe/Berlin"]
    assert list(check(with_all(OWN)).timezones) == ["Europe/Moscow", "Office"]
    assert with_all(with_all(BY_NAME)) == with_all(BY_NAME)
    utc = event("1", "20261201T100000Z")
    assert with_all(utc) is utc
    unknown = BY_NAME.replace(b"Europe/", b"Nowhere/")
    assert with_all(unknown) == unknown


def test_folded_and_quoted_names() -> None:
    folded = BY_NAME.replace(b"TZID=Europe/Berlin", b'TZ\r\n ID="Europe/\r\n\tBerlin"')
    assert list(check(with_all(folded)).timezones) == ["Europe/Berlin", "Europe/Moscow"]
    defined = DEFINED.replace(b"TZID:Europe/Berlin", b"TZID:Eur\r\n ope/Berlin").replace(b"\r\n", b"\n")
    assert b"VTIMEZONE" not in without_known(defined)


def test_a_definition_is_found_however_its_lines_are_folded() -> None:
    many = b"".join(b"X-NUMBER:%d\r\n" % number for number in range(40))
    longer = DEFINED.replace(b"TZID:Europe/Berlin\r\n", b"TZID:Europe/Berlin\r\n" + many)
    for before, after in (
        (b"END:VTIMEZONE", b"END:VTIME\r\n ZONE"),
        (b"END:VTIMEZONE", b"E\n\tND:VTIMEZONE"),
        (b"BEGIN:VTIMEZONE", b"BEGIN:VTIME\r\n Z\r\n ONE"),
    ):
        folded = longer.replace(before, after)
        assert list(check(folded).timezones) == ["Europe/Berlin"]
        assert without_known(folded) == BY_NAME  # a pattern that tries each line twice never comes so far
        assert list(check(with_all(folded)).timezones) == ["Europe/Moscow", "Europe/Berlin"]


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    assert without_known(data) == data
    assert data in (with_all(data), data)
