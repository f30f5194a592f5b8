# SPDX-License-Identifier: Apache-2.0
"""iCalendar objects: what is stored, what is refused and at which line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats.icalendar import NotStorable, check
from armgs_server.formats.icalendar_split import split
from tests.formats.ics import EVENT, crlf, with_event


def test_one_event() -> None:
    found = check(crlf(EVENT))
    assert (found.kind, found.uid) == ("VEVENT", "one@example.com")
    assert found.master is not None
    assert found.master.text("SUMMARY") == "Planning, with coffee"
    assert not found.is_recurring


@pytest.mark.parametrize(
    ("replacement", "reason"),
    [
        (("SUMMARY:Planning\\, with coffee", "SUMMARY"), "line 8: not a content line (NAME:value)"),
        (("SUMMARY:Planning\\, with coffee", "a b:c"), "line 8: not a content line (NAME:value)"),
        (("SUMMARY:", "SUMMARY;X:"), "line 8: not a content line (NAME:value)"),
        (("SUMMARY:", 'SUMMARY;X="open:'), "line 8: not a content line (NAME:value)"),
        (("Planning", "Plan\x00ning"), "line 8: control character U+0000"),
        (("Planning", "Plan\rning"), "line 8: control character U+000D"),
        (("Planning", "Plan\uffffning"), "line 8: control character U+FFFF"),
        (("UID:one@example.com\n", ""), "line 4: VEVENT without UID"),
        (("UID:one@example.com", "UID: "), "line 5: VEVENT without UID"),
        (("DTSTART:20261123T100000Z\n", ""), "line 4: VEVENT without DTSTART"),
        (("20261123T100000Z", "20261323T100000Z"), "line 7: DTSTART is no date or date-time"),
        (("20261123T100000Z", "2026-11-23"), "line 7: DTSTART is no date or date-time"),
        (("20261123T100000Z", "20261123T1000"), "line 7: DTSTART is no date or date-time"),
        (("SUMMARY:", "RRULE:FREQ=FORTNIGHTLY\nSUMMARY:"), "line 8: RRULE: FREQ is FORTNIGHTLY"),
        (("SUMMARY:", "RRULE:FREQ=DAILY;BYDAY=XX\nSUMMARY:"), "line 8: RRULE: BYDAY is XX"),
        (("SUMMARY:", "EXDATE:never\nSUMMARY:"), "line 8: EXDATE is no date"),
        (("SUMMARY:", "DURATION:1 hour\nSUMMARY:"), "line 8: DURATION is no duration"),
        (("VERSION:2.0", "VERSION:1.0"), "line 2: VERSION is 1.0"),
        (("END:VEVENT\n", ""), "line 9: END:VCALENDAR without its BEGIN"),
        (("END:VCALENDAR\n", ""), "line 1: VCALENDAR has no END"),
        (("BEGIN:VCALENDAR\n", ""), "line 1: VERSION outside a component"),
    ],
)
def test_refused_with_the_line(replacement: tuple[str, str], reason: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check(crlf(EVENT.replace(*replacement)))
    assert str(refusal.value).startswith(reason)
    assert type(refusal.value) is Invalid


@pytest.mark.parametrize(
    ("replacement", "reason"),
    [
        (("PRODID:", "METHOD:PUBLISH\nPRODID:"), "line 3: METHOD in a stored object"),
        (
            ("END:VCALENDAR", "BEGIN:VTODO\nUID:one@example.com\nEND:VTODO\nEND:VCALENDAR"),
            "line 10: VTODO beside",
        ),
        (
            ("END:VCALENDAR", "BEGIN:VEVENT\nDTSTART:20261123\nUID:two\nEND:VEVENT\nEND:VCALENDAR"),
            "line 12: a second UID beside one@example.com",
        ),
        (
            (
                "END:VCALENDAR",
                "BEGIN:VEVENT\nUID:one@example.com\nDTSTART:20261123\nEND:VEVENT\nEND:VCALENDAR",
            ),
            "line 10: a second component without RECURRENCE-ID",
        ),
        (
            ("END:VCALENDAR\n", "END:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR\n"),
            "line 11: more than one VCALENDAR",
        ),
    ],
)
def test_not_one_object_for_a_calendar(replacement: tuple[str, str], reason: str) -> None:
    # RFC 4791 §4.1
    with pytest.raises(NotStorable) as refusal:
        check(crlf(EVENT.replace(*replacement)))
    assert str(refusal.value).startswith(reason)


def test_empty_and_other_files() -> None:
    for data, reason in (
        (b"", "line 1: empty"),
        (b"\r\n\r\n", "line 1: empty"),
        (b"hello", "line 1: not a content line"),
        (b"BEGIN:VCARD\r\nEND:VCARD\r\n", "line 1: not a VCALENDAR"),
        (b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "line 1: no event"),
        (b"\xff\xfe", "line 1: not UTF-8"),
        (b"BEGIN:VCALENDAR\r\nX:\xd0\r\n", "line 2: not UTF-8"),
    ):
        with pytest.raises(Invalid) as refusal:
            check(data)
        assert str(refusal.value).startswith(reason)


def test_tolerated() -> None:
    """What other servers take as well: line ends, a BOM, blank lines, folds within a character, no PRODID."""
    text = EVENT.replace("PRODID:-//Example//EN\n", "").replace("Planning", "Совещание")
    for data in (
        text.encode(),
        b"\xef\xbb\xbf" + crlf(text),
        crlf(text.replace("SUMMARY", "\n\nSUMMARY")),
        crlf(text).replace("С".encode(), "С".encode()[:1] + b"\r\n " + "С".encode()[1:]),
        crlf(text.replace("SUM", "S\n\tU\n M")),
        crlf(text.lower().replace("совещание", "Совещание").replace("20261123t100000z", "20261123T100000Z")),
        crlf(text).rstrip(),
    ):
        found = check(data)
        assert found.master is not None
        assert found.master.text("SUMMARY").startswith("Совещание")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for attempt in (data, b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20200101\n" + data):
        try:
            check(attempt)
        except Invalid as error:
            assert 1 <= error.line <= attempt.count(b"\n") + 1
        outcome = split(attempt)
        assert outcome.parts or outcome.refused
        assert all(1 <= error.line <= attempt.count(b"\n") + 1 for error in outcome.refused)


NAMES = st.sampled_from(
    ["DTSTART", "DTEND", "DUE", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "UID"]
)
VALUES = st.one_of(
    st.sampled_from(
        ["20261123", "20261123T100000", "20261123T100000Z", "P1D", "-PT1H", "FREQ=DAILY", "00010101"]
    ),
    st.text("0123456789TZP;=,/-+FREQDAILYBYMONTH", max_size=30),
)


@given(
    st.lists(
        st.tuples(NAMES, st.sampled_from(["", ";VALUE=DATE", ";TZID=Europe/Moscow", ";TZID=X"]), VALUES),
        max_size=8,
    )
)
def test_any_values_are_read_or_refused(properties: list[tuple[str, str, str]]) -> None:
    data = with_event(
        "UID:1", "DTSTART:20261101T100000Z", *("".join((n, p, ":", v)) for n, p, v in properties)
    )
    try:
        found = check(data)
    except Invalid as error:
        assert 1 <= error.line <= data.count(b"\n")
    else:
        assert found.uid
