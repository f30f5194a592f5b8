# SPDX-License-Identifier: Apache-2.0
"""`armgs import calendar` and `contacts`: each object on its own, refusals with file and line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from armgs_server.cli.import_objects import resource_name
from armgs_server.cli.workplace import Workplace
from armgs_server.formats.contentline import ContentLine, scan, scan_tolerantly
from armgs_server.storage import collections, items
from tests.cli.conftest import IVANOV, Armgs

SHARED = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "calendar"
ONE = b"""\
BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//Somebody//else//\r
BEGIN:VEVENT\r
UID:one@somebody\r
DTSTAMP:20261119T080000Z\r
DTSTART:20261120T090000Z\r
SUMMARY;X-WHATEVER=yes:Planning\\, with\r
  a folded line\r
END:VEVENT\r
END:VCALENDAR\r
"""
MANY = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Somebody//else//
METHOD:PUBLISH
X-WR-CALNAME:Work
BEGIN:VTIMEZONE
TZID:Here
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0300
TZOFFSETTO:+0300
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:series
DTSTART;TZID=Here:20261102T090000
RRULE:FREQ=WEEKLY
END:VEVENT
BEGIN:VEVENT
UID:series
RECURRENCE-ID;TZID=Here:20261109T090000
DTSTART;TZID=Here:20261109T100000
END:VEVENT
BEGIN:VTODO
UID:task
SUMMARY:A task
END:VTODO
BEGIN:VEVENT
UID:bad
DTSTART:yesterday
END:VEVENT
BEGIN:VEVENT
DTSTART:20261102T090000Z
END:VEVENT
END:VCALENDAR
"""
CARDS = """\
BEGIN:VCARD
VERSION:3.0
UID:card-1
FN:Ольга
END:VCARD
BEGIN:VCARD
VERSION:3.0
UID:card-2
END:VCARD
"""


def stored(armgs: Armgs, kind: str, name: str = "") -> dict[str, bytes]:
    async def work(workplace: Workplace) -> dict[str, bytes]:
        person = await workplace.principal(IVANOV)
        found: dict[str, bytes] = {}
        for collection in await workplace.store.read(lambda tx: collections.all_of(tx, person.id, kind)):
            if name in ("", collection.name):
                page = await workplace.store.read(
                    lambda tx, at=collection.id: items.scan(tx, person.id, at)  # type: ignore[misc]
                )
                found |= {item.name or "": await workplace.store.blobs.read(item.blob) for item in page}
        return found

    return armgs.work(work)


def test_one_object_byte_for_byte(armgs: Armgs, tmp_path: Path) -> None:
    file = tmp_path / "one.ics"
    file.write_bytes(ONE)
    done = armgs("import", "calendar", IVANOV, file, "--json")
    assert done.json == {"accepted": 1, "unchanged": 0, "refused": [], "ignored": []}
    assert stored(armgs, "calendar") == {"one@somebody.ics": ONE}


def test_again_changes_nothing_and_a_new_version_replaces(armgs: Armgs, tmp_path: Path) -> None:
    file = tmp_path / "one.ics"
    for data, accepted, unchanged in ((ONE, 1, 0), (ONE, 0, 1), (ONE.replace(b"Planning", b"Review"), 1, 0)):
        file.write_bytes(data)
        done = armgs("import", "calendar", IVANOV, file, "--json")
        assert done.code == 0
        assert (done.json["accepted"], done.json["unchanged"]) == (accepted, unchanged)
        assert stored(armgs, "calendar") == {"one@somebody.ics": data}


def test_many_objects_in_one_file(armgs: Armgs, tmp_path: Path) -> None:
    file = tmp_path / "many.ics"
    file.write_text(MANY)
    done = armgs("import", "calendar", IVANOV, file, "--json")
    assert done.code == 8
    assert done.json["accepted"] == 2
    refused = [(one["line"], one["reason"]) for one in done.json["refused"]]
    assert refused == [
        (30, "DTSTART is no date or date-time: 'yesterday'"),
        (32, "VEVENT without UID"),
    ]
    (series,) = stored(armgs, "calendar").values()
    lines = scan(series)
    assert [line[2] for line in lines if line[0] == "BEGIN"] == [
        *("VCALENDAR", "VTIMEZONE", "STANDARD", "VEVENT", "VEVENT")
    ]
    assert ("RRULE", "", "FREQ=WEEKLY") in lines
    assert not any(line[0] == "METHOD" for line in lines)
    assert stored(armgs, "tasks").keys() == {"task.ics"}


def test_two_objects_of_one_uid_in_one_import(armgs: Armgs, tmp_path: Path) -> None:
    (tmp_path / "a.ics").write_bytes(ONE)
    (tmp_path / "b.ics").write_bytes(ONE.replace(b"Planning", b"Review"))
    done = armgs("import", "calendar", IVANOV, tmp_path, "--json")
    assert done.code == 8
    ((file, line, reason),) = [one.values() for one in done.json["refused"]]
    assert (file, line) == (str(tmp_path / "b.ics"), 1)
    assert reason == f"another object with this UID was imported from {tmp_path / 'a.ics'} line 1"
    assert stored(armgs, "calendar") == {"one@somebody.ics": ONE}


def test_a_calendar_of_its_own(armgs: Armgs, tmp_path: Path) -> None:
    (tmp_path / "one.ics").write_bytes(ONE)
    assert armgs("import", "calendar", IVANOV, tmp_path / "one.ics", "--calendar", "Old").code == 0
    assert stored(armgs, "calendar", "Old") == {"one@somebody.ics": ONE}
    assert stored(armgs, "calendar", "default") == {}


def test_garbage_is_refused_and_the_rest_goes_on(armgs: Armgs, tmp_path: Path) -> None:
    (tmp_path / "1.ics").write_bytes(b"\xff\xfe not text")
    (tmp_path / "2.ics").write_bytes(b"")
    (tmp_path / "3.ics").write_bytes(ONE)
    done = armgs("import", "calendar", IVANOV, tmp_path, "--json")
    assert (done.code, done.json["accepted"]) == (8, 1)
    assert [Path(one["file"]).name for one in done.json["refused"]] == ["1.ics", "2.ics"]
    assert all(one["line"] == 1 for one in done.json["refused"])


def test_contacts(armgs: Armgs, tmp_path: Path) -> None:
    file = tmp_path / "cards.vcf"
    file.write_text(CARDS)
    done = armgs("import", "contacts", IVANOV, file, "--json")
    assert done.code == 8
    assert done.json["refused"] == [{"file": str(file), "line": 6, "reason": "no FN"}]
    ((name, data),) = stored(armgs, "addressbook").items()
    assert name == "card-1.vcf"
    assert "FN:Ольга".encode() in data


def test_a_name_is_the_uid_where_a_path_can_hold_it() -> None:
    assert resource_name("abc-1@host", ".ics") == "abc-1@host.ics"
    for uid in ("../../etc", ".hidden", "a b", "имя", "x" * 300):
        made = resource_name(uid, ".ics")
        assert re.fullmatch(r"[0-9a-f]{64}\.ics", made)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/calendar is not there")
def test_real_calendars_property_for_property(armgs: Armgs) -> None:
    """What a file's accepted objects hold is what the file said; what is refused names its line."""
    files = sorted(SHARED.rglob("*.ics"))
    assert len(files) == 163
    accepted = refused = 0
    for number, file in enumerate(files):
        done = armgs("import", "calendar", IVANOV, file, "--calendar", f"c{number}", "--json")
        assert done.code in (0, 5, 8)
        report = done.json
        assert all(one["line"] >= 1 and one["reason"] for one in report["refused"])
        accepted += report["accepted"]
        refused += len(report["refused"])
        objects = {**stored(armgs, "calendar", f"c{number}"), **stored(armgs, "tasks", f"c{number}")}
        assert len(objects) == report["accepted"]
        if report["accepted"]:
            assert not said(objects.values()) - said([file.read_bytes()]), file
        if report["accepted"] and not report["refused"]:
            assert said([file.read_bytes()]) == said(objects.values()), file
    assert accepted > 90
    assert refused > 30


def said(objects: Iterable[bytes]) -> Counter[ContentLine]:
    """Every property of the components that people see."""
    found: Counter[ContentLine] = Counter()
    for data in objects:
        inside: list[str] = []
        for name, parameters, value in scan_tolerantly(data):
            if name == "BEGIN":
                inside.append(value.strip().upper())
            elif name == "END" and inside:
                inside.pop()
            elif {"VEVENT", "VTODO", "VJOURNAL"} & set(inside):
                found[name, parameters, value] += 1
    return found


def test_a_calendar_of_a_department(armgs: Armgs, tmp_path: Path) -> None:
    file = tmp_path / "holidays.ics"
    file.write_bytes(ONE)
    assert armgs("import", "calendar", "digital.example", file).code == 5  # it has no default one
    for accepted in (1, 0):
        taken = armgs("import", "calendar", "digital.example", file, "--calendar", "Holidays", "--json")
        assert (taken.code, taken.json["accepted"]) == (0, accepted)
    listed = armgs("do", "calendars.list", "domain=digital.example")
    assert [(each["calendar"], each["items"]) for each in listed.json["calendars"]] == [("Holidays", 1)]
    made = armgs(
        "do", "calendars.create", "domain=digital.example", "calendar=Web", "source=https://a.example/"
    )
    assert made.code == 0
    assert armgs("import", "calendar", "digital.example", file, "--calendar", "Web").code == 5
