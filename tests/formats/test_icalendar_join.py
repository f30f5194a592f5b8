# SPDX-License-Identifier: Apache-2.0
"""Objects put together into one file: what `icalendar_split` takes apart again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats.icalendar import check
from armgs_server.formats.icalendar_join import END, head, members
from armgs_server.formats.icalendar_split import split
from tests.dav.calendars import BERLIN, calendar, component

ZONED = "DTSTART;TZID=Europe/Berlin:20261123T100000"
UTC = "DTSTART:20261123T100000Z"


def joined(*objects: bytes, name: str = "Дела") -> bytes:
    zones: set[bytes] = set()
    return head(name) + b"".join(members(each, zones) for each in objects) + END


def test_a_time_zone_is_there_once_and_before_it_is_named() -> None:
    file = joined(*(calendar(BERLIN, component("VEVENT", uid, ZONED)) for uid in ("a", "b")))
    assert file.count(b"BEGIN:VTIMEZONE") == 1
    assert file.index(b"BEGIN:VTIMEZONE") < file.index(b"UID:a") < file.index(b"UID:b")
    assert [part.object.uid for part in split(file).parts] == ["a", "b"]
    check(joined(calendar(BERLIN, component("VEVENT", "a", ZONED))))


def test_the_name_is_text() -> None:
    assert "NAME:Отдел\\, план\\; 2027\r\n".encode() in head("Отдел, план; 2027")


@pytest.mark.parametrize(
    "folded", [b"BEG\r\n IN:VEVENT", b"BEGIN\r\n\t:VEVENT", b"BEGIN:\r\n VEVENT", b"begin:vevent"]
)
def test_lines_may_be_folded_anywhere(folded: bytes) -> None:
    data = calendar(component("VEVENT", "a", UTC)).replace(b"BEGIN:VEVENT", folded)
    (part,) = split(joined(data)).parts
    assert part.object.uid == "a"


TEXTS = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=90
)


@given(st.lists(TEXTS, max_size=4))
def test_nothing_is_lost(texts: list[str]) -> None:
    objects = [
        calendar(
            component(
                "VEVENT",
                f"u{at}",
                UTC,
                f"SUMMARY:x{text}",
                "BEGIN:VALARM\nTRIGGER:-PT5M\nACTION:AUDIO\nEND:VALARM",
            )
        )
        for at, text in enumerate(texts)
    ]
    found = split(joined(*objects))
    assert not found.refused or not objects
    assert [part.object.members[0].text("SUMMARY") for part in found.parts] == [
        check(each).members[0].text("SUMMARY") for each in objects
    ]
