# SPDX-License-Identifier: Apache-2.0
"""ATTACH properties with a MANAGED-ID: what is written, found and refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats import icalendar_attach as attach
from armgs_server.formats.contentline import parameters
from armgs_server.formats.icalendar import CalendarObject, check
from armgs_server.formats.itip import data_of

WEEKLY = b"""BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:w
DTSTART;TZID=Europe/Moscow:20261201T100000
DTEND;TZID=Europe/Moscow:20261201T110000
RRULE:FREQ=WEEKLY;COUNT=3
END:VEVENT
END:VCALENDAR
"""
LINE = attach.attach("https://h/1", managed_id="1", filename="a.txt", content_type="text/plain", size=3)


def lines(found: CalendarObject) -> list[str]:
    return data_of(found.calendar).decode().replace("\r\n ", "").split("\r\n")


def test_what_is_written() -> None:
    assert LINE == ("ATTACH", ";FMTTYPE=text/plain;FILENAME=a.txt;SIZE=3;MANAGED-ID=1", "https://h/1")
    found = attach.add(check(WEEKLY), LINE)
    assert "ATTACH;FMTTYPE=text/plain;FILENAME=a.txt;SIZE=3;MANAGED-ID=1:https://h/1" in lines(found)
    assert attach.managed_ids(found) == {"1"}
    assert attach.is_named(data_of(found.calendar), "1")
    assert not attach.is_named(WEEKLY, "1") and not attach.is_named(b"\xff", "1")


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufffe\uffff")))
def test_any_file_name_is_read_back(name: str) -> None:
    line = attach.attach("https://h/1", managed_id="1", filename=name, content_type="text/plain", size=3)
    found = attach.add(check(WEEKLY), line)
    (kept,) = check(data_of(found.calendar)).members[0].all("ATTACH")
    assert parameters(kept[1])["FILENAME"] == [name.strip()]
    assert attach.managed_id(kept) == "1"


def test_an_instance_is_named_in_utc_or_in_the_zone_of_its_object() -> None:
    found = check(WEEKLY)
    utc = attach.parse_instances(found, "M,20261208T070000Z")
    assert utc == attach.parse_instances(found, "M,20261208T100000")
    changed = attach.add(found, LINE, utc)
    assert "RECURRENCE-ID;TZID=Europe/Moscow:20261208T100000" in lines(changed)
    assert sum(line.startswith("ATTACH") for line in lines(changed)) == 2
    only = attach.add(found, LINE, utc[1:])
    assert [len(member.all("ATTACH")) for member in only.members] == [0, 1]


@pytest.mark.parametrize("text", ["", ",", "m", "20261301", "20261208T070000Z,", "x" * 5000, "99999999"])
def test_what_names_no_instance(text: str) -> None:
    with pytest.raises(Invalid):
        attach.parse_instances(check(WEEKLY), text)


@given(st.text())
def test_any_text_is_instances_or_invalid(text: str) -> None:
    try:
        assert attach.parse_instances(check(WEEKLY), text)
    except Invalid:
        assert text != "M"


def test_an_object_without_recurrence_has_no_instances() -> None:
    with pytest.raises(Invalid):
        attach.parse_instances(check(WEEKLY.replace(b"RRULE:FREQ=WEEKLY;COUNT=3\n", b"")), "M")


def test_updated_and_removed_wherever_it_is() -> None:
    both = attach.add(check(WEEKLY), LINE, attach.parse_instances(check(WEEKLY), "M,20261208T070000Z"))
    newer = attach.attach("https://h/2", managed_id="2", filename="b", content_type="text/plain", size=4)
    changed = attach.update(both, "1", newer)
    assert attach.managed_ids(changed) == {"2"}
    assert attach.managed_ids(attach.remove(changed, "2")) == set()
    one = attach.remove(changed, "2", [None])
    assert [len(member.all("ATTACH")) for member in one.members] == [0, 1]
    with pytest.raises(Invalid):
        attach.remove(one, "2", [None])
