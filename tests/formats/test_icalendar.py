# SPDX-License-Identifier: Apache-2.0
"""iCalendar: what is stored, what is refused and at which line, and whole files taken apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats import contentline, timezones
from armgs_server.formats.contentline import parameters, scan, serialise, split_list, unescape
from armgs_server.formats.icalendar import NotStorable, check
from armgs_server.formats.icalendar_split import split
from armgs_server.formats.icalendar_values import parse_duration, parse_local

REAL = Path(__file__).parents[3] / "shared" / "data" / "calendar"
EVENT = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//EN
BEGIN:VEVENT
UID:one@example.com
DTSTAMP:20261101T000000Z
DTSTART:20261123T100000Z
SUMMARY:Planning\\, with coffee
END:VEVENT
END:VCALENDAR
"""
MOSCOW = """\
BEGIN:VTIMEZONE
TZID:Europe/Moscow
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0300
TZOFFSETTO:+0300
END:STANDARD
END:VTIMEZONE
"""


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def lines(*content: str) -> bytes:
    return crlf("".join(f"{line}\n" for line in content))


def with_event(*content: str) -> bytes:
    return lines("BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", *content, "END:VEVENT", "END:VCALENDAR")


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


def test_line_numbers_count_folds_and_blank_lines() -> None:
    data = b"BEGIN:VCALENDAR\r\n\r\nX-LONG:a\r\n b\r\n c\r\nBROKEN\r\nEND:VCALENDAR\r\n"
    with pytest.raises(Invalid) as refusal:
        scan(data)
    assert refusal.value.line == 6
    control = b"BEGIN:VCALENDAR\r\nX-LONG:a\r\n b\r\n c\x07\r\nEND:VCALENDAR\r\n"
    with pytest.raises(Invalid) as refusal:
        scan(control)
    assert refusal.value.line == 4


def test_parameters() -> None:
    assert parameters("") == {}
    assert parameters(';TZID=Europe/Moscow;X-A="a;b:c","d",e;x-a=f') == {
        "TZID": ["Europe/Moscow"],
        "X-A": ["a;b:c", "d", "e", "f"],
    }
    assert parameters(";CN=Ann^'s ^^ ^n;EMPTY=") == {"CN": ['Ann"s ^ \n'], "EMPTY": [""]}  # RFC 6868


def test_text_values() -> None:
    assert unescape(r"a\nb\Nc\,d\;e\\f") == "a\nb\nc,d;e\\f"
    assert split_list(r"a\,b,c,,d\\") == ["a,b", "c", "", "d\\"]
    assert split_list(r"Family\;x;Given;;", ";") == ["Family;x", "Given", "", ""]


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
        max_size=400,
    )
)
def test_serialised_lines_are_short_and_come_back(value: str) -> None:
    data = serialise([("SUMMARY", ";X=1", value)])
    assert all(len(line) <= contentline.LINE_OCTETS for line in data.split(b"\r\n"))
    assert scan(data) == [("SUMMARY", ";X=1", value)]


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


def vtimezone(text: str) -> str:
    return (
        "BEGIN:VCALENDAR\n"
        + text
        + EVENT.removeprefix("BEGIN:VCALENDAR\n").replace(
            "DTSTART:20261123T100000Z", "DTSTART;TZID=Mine:20261123T100000"
        )
    )


BERLIN = """\
BEGIN:VTIMEZONE
TZID:Mine
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""


@given(st.datetimes(datetime(1980, 1, 1), datetime(2095, 1, 1)))
def test_own_time_zone_agrees_with_the_database(local: datetime) -> None:
    """Summer time by the rule of the EU (in force since 1996), gaps and repeated hours included."""
    found = check(crlf(vtimezone(BERLIN)))
    zone, known = found.zone("Mine"), ZoneInfo("Europe/Berlin")
    assert zone is not None and not isinstance(zone, ZoneInfo)
    if local.year >= 1997:
        assert local.replace(tzinfo=zone).utcoffset() == local.replace(tzinfo=known).utcoffset()


def test_time_zones_that_are_broken_or_hostile() -> None:
    secondly = BERLIN.replace("FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "FREQ=SECONDLY")
    impossible = BERLIN.replace("BYMONTH=3;BYDAY=-1SU", "BYMONTH=2;BYMONTHDAY=30")
    for text in (secondly, impossible):
        assert check(crlf(vtimezone(text))).zone("Mine") is not None
    for text in (
        BERLIN.replace("TZOFFSETTO:+0100\n", ""),
        BERLIN.replace("+0200", "+9999"),
        BERLIN.replace("19700329T020000", "soon"),
        BERLIN.replace("FREQ=YEARLY", "FREQ=NEVER"),
        "BEGIN:VTIMEZONE\nTZID:Mine\nEND:VTIMEZONE\n",
    ):
        found = check(crlf(vtimezone(text)))
        assert found.zone("Mine") is None  # floating
        assert found.unknown_zones == {"Mine"}
    assert timezones.named("Europe/Nowhere") is None
    assert timezones.named("W. Europe Standard Time") == ZoneInfo("Europe/Berlin")


def test_every_windows_name_is_known() -> None:
    assert [name for name in timezones.WINDOWS if timezones.named(name) is None] == []


def test_split_of_an_export() -> None:
    export = (
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//EN\nMETHOD:PUBLISH\nX-WR-CALNAME:Work\n"
        + MOSCOW
        + "BEGIN:VEVENT\nUID:a\nDTSTART;TZID=Europe/Moscow:20261101T100000\nRRULE:FREQ=DAILY\nEND:VEVENT\n"
        + "BEGIN:VEVENT\nUID:broken\nDTSTART:tomorrow\nEND:VEVENT\n"
        + "BEGIN:VTODO\nUID:t\nSUMMARY:Task\nEND:VTODO\n"
        + "BEGIN:VEVENT\nUID:a\nRECURRENCE-ID;TZID=Europe/Moscow:20261102T100000\n"
        + "DTSTART;TZID=Europe/Moscow:20261102T120000\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    outcome = split(crlf(export))
    assert [(part.object.kind, part.object.uid) for part in outcome.parts] == [
        ("VEVENT", "a"),
        ("VTODO", "t"),
    ]
    assert [str(error) for error in outcome.refused] == [
        "line 21: DTSTART is no date or date-time: 'tomorrow'"
    ]
    event, task = (part.data.decode() for part in outcome.parts)
    assert event.count("BEGIN:VEVENT") == 2 and "TZID:Europe/Moscow" in event
    assert "VTIMEZONE" not in task and "METHOD" not in task and "CALNAME" not in task
    assert "PRODID:-//Example//EN" in task
    for part in outcome.parts:
        assert check(part.data).uid == part.object.uid


def test_split_keeps_one_object_as_it_is_and_takes_bare_components() -> None:
    assert [part.data for part in split(crlf(EVENT)).parts] == [crlf(EVENT)]
    bare = lines("BEGIN:VEVENT", "UID:1", "DTSTART:20261101", "END:VEVENT")
    outcome = split(bare + bare.replace(b"UID:1", b"UID:2"))
    assert [part.object.uid for part in outcome.parts] == ["1", "2"]
    assert [part.line for part in outcome.parts] == [1, 5]


def test_split_of_files_without_anything() -> None:
    for data in (b"", b"\n\n", lines("BEGIN:VCALENDAR", "END:VCALENDAR"), b"hello world"):
        outcome = split(data)
        assert outcome.parts == []
        assert [error.line for error in outcome.refused] == [1]


def _real_files() -> Iterator[Path]:
    yield from sorted(REAL.glob("*/*.ics"))


def _properties(data: bytes) -> Counter[tuple[str, str, str]]:
    """Every property inside components, by our scanner's bytes: name, parameters, value."""
    return Counter(line for line in contentline.scan_tolerantly(data) if line[0] not in ("BEGIN", "END"))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real-world calendars (../shared/data) are not there")
def test_real_files_are_loaded_or_refused_with_a_line() -> None:
    accepted = refused = 0
    for path in _real_files():
        data = path.read_bytes()
        outcome = split(data)
        accepted += len(outcome.parts)
        refused += len(outcome.refused)
        assert outcome.parts or outcome.refused, path
        for error in outcome.refused:
            assert f"line {error.line}: " in str(error), path
        given_ = _properties(data) if outcome.parts else Counter()
        for part in outcome.parts:
            assert check(part.data).uid == part.object.uid
            added = _properties(part.data) - given_
            assert {line[0] for line in added} <= {"VERSION", "PRODID"}, path
    assert accepted > 100 and refused > 0


@pytest.mark.skipif(not REAL.is_dir(), reason="the real-world calendars (../shared/data) are not there")
@pytest.mark.filterwarnings("ignore::icalendar.error.GloballyUniqueTZIDGuessed")
def test_real_files_that_are_accepted_can_be_read_by_another_library() -> None:
    read = 0
    for path in _real_files():
        for part in split(path.read_bytes()).parts:
            components = icalendar.Calendar.from_ical(part.data).walk(part.object.kind)
            assert {str(component["UID"]) for component in components} == {part.object.uid}, path
            read += 1
    assert read > 100
