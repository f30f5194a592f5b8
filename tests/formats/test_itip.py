# SPDX-License-Identifier: Apache-2.0
"""iTIP as functions of objects: who is told what, and what becomes of an object that a message comes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats import itip_attendee, itip_copy, itip_organizer, itip_revision
from armgs_server.formats.icalendar import CalendarObject, check
from armgs_server.formats.imip import read_message
from armgs_server.formats.itip import Message, data_of, parameter, plain, with_parameter
from armgs_server.formats.itip_instance import derive, exclude, exclusions

HOST, ANNA, BORIS = "host@digital.example", "anna@digital.example", "boris@digital.example"
STAMP = "20261101T000000Z"


def obj(*members: str) -> CalendarObject:
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\n{''.join(members)}END:VCALENDAR\n"
    return check(text.replace("\n", "\r\n").encode())


def event(*lines: str, people: tuple[str, ...] = (ANNA,), start: str = "20261123T100000Z") -> str:
    invited = "".join(f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{who}\n" for who in people)
    more = "".join(f"{line}\n" for line in lines)
    return (
        f"BEGIN:VEVENT\nUID:u\nDTSTAMP:{STAMP}\nDTSTART:{start}\nDURATION:PT1H\n"
        f"ORGANIZER:mailto:{HOST}\n{invited}{more}END:VEVENT\n"
    )


def told(old: CalendarObject | None, new: CalendarObject | None) -> list[Message]:
    return itip_organizer.messages(old, new, HOST, plain, STAMP)


def summary(messages: list[Message]) -> list[tuple[str, str]]:
    return [(message.method, message.recipient) for message in messages]


def text(message: Message) -> str:
    return data_of(message.calendar).decode()


def test_addresses_are_compared_by_what_they_mean() -> None:
    assert plain("MAILTO:Anna@Digital.example") == ANNA
    assert plain(f"/dav/principals/people/{ANNA}/") == ANNA
    assert plain(f"https://host.example/dav/principals/people/{ANNA}") == ANNA
    assert plain("mailto:%61nna@digital.example") == ANNA
    assert plain("urn:uuid:F00") == "urn:uuid:f00"


@pytest.mark.parametrize("given_", ["", ";CN=x", ';CN="a;b":', ";PARTSTAT=DECLINED", ';X="q";PARTSTAT=a;Y=1'])
def test_a_parameter_is_set_and_taken_away(given_: str) -> None:
    line = ("ATTENDEE", given_.rstrip(":"), f"mailto:{ANNA}")
    made = with_parameter(line, "PARTSTAT", "ACCEPTED")
    assert parameter(made, "PARTSTAT") == "ACCEPTED" and made[1].count("PARTSTAT") == 1
    assert "PARTSTAT" not in with_parameter(made, "PARTSTAT", None)[1]
    assert parameter(with_parameter(line, "MEMBER", "mailto:a@b"), "MEMBER") == "mailto:a@b"


def test_everybody_is_asked_and_told_when_it_is_off() -> None:
    both = obj(event(people=(HOST, ANNA, BORIS)))
    assert summary(told(None, both)) == [("REQUEST", ANNA), ("REQUEST", BORIS)]
    assert summary(told(both, None)) == [("CANCEL", ANNA), ("CANCEL", BORIS)]
    one = obj(event(people=(ANNA,)))
    assert summary(told(both, one)) == [("REQUEST", ANNA), ("CANCEL", BORIS)]  # who comes has changed
    cancel = told(both, one)[1]
    assert "STATUS:CANCELLED" in text(cancel) and "SEQUENCE:1" in text(cancel)
    off = obj(event("STATUS:CANCELLED"))
    assert summary(told(one, off)) == [("CANCEL", ANNA)] and told(off, None) == []


def test_what_concerns_nobody_is_not_sent() -> None:
    before = obj(event("SUMMARY:a"))
    noise = event("SUMMARY:a", "X-MOZ-LASTACK:1", "LAST-MODIFIED:20261102T000000Z").replace(
        "NEEDS-ACTION", "ACCEPTED"
    )
    alarm = "BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT5M\nEND:VALARM\nEND:VEVENT"
    assert told(before, obj(noise.replace("END:VEVENT", alarm))) == []
    forced = event("SUMMARY:a").replace("ATTENDEE;", "ATTENDEE;SCHEDULE-FORCE-SEND=REQUEST;")
    (request,) = told(before, obj(forced))
    assert request.method == "REQUEST" and "SCHEDULE" not in text(request)
    client = event("SUMMARY:b").replace("ATTENDEE;", "ATTENDEE;SCHEDULE-AGENT=CLIENT;")
    assert told(None, obj(client)) == []
    # RFC 6638 §3.2.1.2: who was told by the server is cancelled by it, and asked again when it tells anew.
    assert summary(told(before, obj(client))) == [("CANCEL", ANNA)]
    assert summary(told(obj(client), before)) == [("REQUEST", ANNA)]


def test_alarms_of_the_host_stay_with_the_host() -> None:
    alarm = "BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT5M\nEND:VALARM\nEND:VEVENT"
    (request,) = told(None, obj(event("X-MOZ-LASTACK:1").replace("END:VEVENT", alarm)))
    assert "VALARM" not in text(request) and "X-MOZ" not in text(request)
    assert read_message(data_of(request.calendar))[0] == "REQUEST"


def test_somebody_is_left_out_of_one_day() -> None:
    series = event("RRULE:FREQ=DAILY;COUNT=3", people=(ANNA, BORIS))
    day = event("RECURRENCE-ID:20261124T100000Z", people=(ANNA,), start="20261124T100000Z")
    requests = {message.recipient: text(message) for message in told(None, obj(series, day))}
    assert requests[ANNA].count("BEGIN:VEVENT") == 2
    assert requests[BORIS].count("BEGIN:VEVENT") == 1 and "EXDATE:20261124T100000Z" in requests[BORIS]


@pytest.mark.parametrize(
    ("old", "new", "is_reset"),
    [
        ("RRULE:FREQ=DAILY;COUNT=5", "RRULE:FREQ=DAILY;COUNT=3", False),  # shortened
        ("RRULE:FREQ=DAILY;COUNT=5", "RRULE:FREQ=DAILY;COUNT=7", True),
        ("RRULE:FREQ=DAILY", "RRULE:FREQ=DAILY;UNTIL=20261130T000000Z", False),
        ("RRULE:FREQ=DAILY;COUNT=5", "RRULE:FREQ=WEEKLY;COUNT=5", True),
        ("LOCATION:a", "LOCATION:b", False),
        ("LOCATION:a", "RDATE:20261130T100000Z", True),
    ],
)
def test_who_must_answer_again(old: str, new: str, is_reset: bool) -> None:
    before = obj(event(old).replace("NEEDS-ACTION", "ACCEPTED"))
    after = obj(event(new).replace("NEEDS-ACTION", "ACCEPTED"))
    made = itip_revision.rescheduled(before, after, HOST, plain)
    assert (itip_attendee.partstat(made.members[0], ANNA, plain) == "NEEDS-ACTION") is is_reset


def test_an_answer_for_one_day_makes_an_instance() -> None:
    series = obj(event("RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20261125T100000Z"))
    for day, expected in (("20261124T100000Z", 2), ("20261125T100000Z", 0), ("20261124T110000Z", 0)):
        said = event(f"RECURRENCE-ID:{day}", start=day).replace("NEEDS-ACTION", "DECLINED")
        made = itip_organizer.apply_reply(series, obj(said), ANNA, plain)
        assert (len(made.members) if made else 0) == expected
    stranger = obj(event(people=(BORIS,)).replace("NEEDS-ACTION", "ACCEPTED"))
    assert itip_organizer.apply_reply(series, stranger, BORIS, plain) is None


def test_what_an_attendee_keeps() -> None:
    alarm = "BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT5M\nEND:VALARM\nEND:VEVENT"
    own = event("SUMMARY:a", "CATEGORIES:mine", "TRANSP:TRANSPARENT", "X-OWN:1")
    copy = obj(own.replace("END:VEVENT", alarm))
    made = itip_copy.apply_request(copy, obj(event("SUMMARY:b", "CATEGORIES:theirs")), whole=True)
    said = data_of(made.calendar).decode()
    for kept in ("CATEGORIES:mine", "TRANSP:TRANSPARENT", "X-OWN:1", "TRIGGER:-PT5M", "SUMMARY:b"):
        assert kept in said
    assert "theirs" not in said


def test_one_day_is_cancelled() -> None:
    copy = obj(event("RRULE:FREQ=DAILY;COUNT=3"))
    part = obj(event("RECURRENCE-ID:20261124T100000Z", start="20261124T100000Z"))
    made = itip_copy.apply_cancel(copy, part)
    text_ = data_of(made.calendar).decode()
    assert "EXDATE" not in text_ and "STATUS:CANCELLED" in text_ and "DTSTART:20261124T100000Z" in text_
    assert data_of(itip_copy.apply_cancel(made, part).calendar).decode() == text_
    assert (
        "EXDATE:20261124T100000Z"
        in data_of(itip_copy.apply_cancel(copy, part, is_kept=False).calendar).decode()
    )
    alone = itip_copy.apply_cancel(part, part)
    assert "STATUS:CANCELLED" in data_of(alone.calendar).decode()


def test_old_mail_changes_nothing() -> None:
    newer, older = obj(event("SEQUENCE:2")), obj(event("SEQUENCE:1"))
    assert itip_copy.is_stale(newer, older) and not itip_copy.is_stale(older, newer)
    assert not itip_copy.is_stale(None, older) and not itip_copy.is_stale(older, older)


def test_instances_in_zones_and_of_whole_days() -> None:
    zoned = obj(
        event("RRULE:FREQ=WEEKLY").replace(
            "DTSTART:20261123T100000Z", "DTSTART;TZID=Europe/Moscow:20261123T100000"
        )
    )
    made = derive(zoned, 1796022000000000)  # 2026-11-30 07:00 UTC
    assert made is not None
    assert made.first("RECURRENCE-ID") == ("RECURRENCE-ID", ";TZID=Europe/Moscow", "20261130T100000")
    days = obj(
        event("RRULE:FREQ=DAILY")
        .replace("DTSTART:20261123T100000Z", "DTSTART;VALUE=DATE:20261123")
        .replace("DURATION:PT1H\n", "")
    )
    assert days.master is not None
    micros = days.moment(("DTSTART", "", "20261125")).micros
    out = exclude(days, days.master, micros)
    assert out.first("EXDATE") == ("EXDATE", ";VALUE=DATE", "20261125") and exclusions(days, out) == {micros}
    assert derive(obj(event()), micros) is None


@given(st.lists(st.sampled_from((ANNA, BORIS, HOST, "guest@x.example")), unique=True), st.booleans())
def test_nobody_is_told_twice_and_the_host_never(people: list[str], repeats: bool) -> None:
    rule = ("RRULE:FREQ=DAILY;COUNT=4",) if repeats else ()
    made = obj(event(*rule, people=tuple(people)))
    recipients = [message.recipient for message in told(None, made)]
    assert sorted(recipients) == sorted(set(people) - {HOST})
    assert told(made, made) == []


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_message_or_refused(data: bytes) -> None:
    try:
        method, found = read_message(data)
    except Invalid:
        return
    assert method and found.uid
