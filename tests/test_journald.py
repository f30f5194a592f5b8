# SPDX-License-Identifier: Apache-2.0
"""The journal's native protocol, against a socket that reads it and against a real journald."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server import journald, log, trace_id
from armgs_server.journald import JournalHandler
from tests import journal
from tests.journal import Journal, parse

BACKLOG = 100_000


class Lines(logging.Handler):
    """The handler of last resort."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {getattr(record, 'fields', {})}")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "socket")
    yield made
    if made.path.exists():
        made.close()


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def handler(there: Journal, lines: Lines) -> Iterator[JournalHandler]:
    made = JournalHandler(log.journal_fields, lines, BACKLOG, there.path)
    logger = logging.getLogger("armgs_server")
    level = logger.level
    logger.addHandler(made)
    logger.setLevel("DEBUG")
    yield made
    logger.removeHandler(made)
    logger.setLevel(level)
    made.close()


@pytest.mark.usefixtures("handler")
def test_a_record_is_fields(there: Journal) -> None:
    with trace_id.under("18f0a1b2c3d4e5f6"):
        log.get("smtp").info("message taken", sender="a@b.example", to=["c@d.example", "e@f.example"], size=5)
    found = there.read()
    assert found.pop("CODE_FILE") == [__file__.encode()]
    assert found.pop("CODE_FUNC") == [b"test_a_record_is_fields"]
    assert int(found.pop("CODE_LINE")[0]) > 0
    assert found == {
        "MESSAGE": [b'smtp: message taken sender=a@b.example to="c@d.example e@f.example" size=5'],
        "PRIORITY": [b"6"],
        "SYSLOG_IDENTIFIER": [b"armgs"],
        "ARMGS_PART": [b"smtp"],
        "ARMGS_EVENT": [b"message taken"],
        "ARMGS_TRACE": [b"18f0a1b2c3d4e5f6"],
        "ARMGS_SENDER": [b"a@b.example"],
        "ARMGS_TO": [b"c@d.example", b"e@f.example"],
        "ARMGS_SIZE": [b"5"],
    }


@pytest.mark.usefixtures("handler")
def test_no_secret_and_no_field_that_a_client_has_made_up(there: Journal) -> None:
    log.get("x").warning(
        "odd", password="hunter2", app_token="t0k", peer="::1\nARMGS_ACCOUNT=boss\nMESSAGE=x"
    )
    found = there.read()
    assert found["ARMGS_PASSWORD"] == found["ARMGS_APP_TOKEN"] == [b"***"]
    assert found["ARMGS_PEER"] == [b"::1\nARMGS_ACCOUNT=boss\nMESSAGE=x"]
    assert "ARMGS_ACCOUNT" not in found and len(found["MESSAGE"]) == 1
    assert "ARMGS_TRACE" not in found
    assert found["PRIORITY"] == [b"4"]
    assert b"hunter2" not in b"".join(value for values in found.values() for value in values)


@pytest.mark.usefixtures("handler")
def test_a_traceback_is_in_the_message(there: Journal) -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        log.get("x").exception("failed", peer="::1")
    [message] = there.read()["MESSAGE"]
    assert message.startswith(b"x: failed peer=::1\nTraceback") and message.endswith(b"first\nsecond")


@pytest.mark.usefixtures("handler")
def test_what_no_datagram_holds_goes_as_a_file(there: Journal) -> None:
    there.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    log.get("x").info("large", note="z" * 1_000_000)
    found = there.read()
    assert found["ARMGS_NOTE"] == [b"z" * journald.VALUE_LIMIT]
    assert found["ARMGS_EVENT"] == [b"large"]


def test_nobody_waits_for_a_full_journal(there: Journal, handler: JournalHandler) -> None:
    logger, begin = log.get("x"), time.monotonic()
    for number in range(3000):
        logger.info("many", number=number, note="y" * 100)
    assert time.monotonic() - begin < 5
    numbers, lost = [], 0
    while not lost:
        found = there.read()
        if found["ARMGS_EVENT"] == [b"records lost"]:
            lost = int(found["ARMGS_COUNT"][0])
            assert found["PRIORITY"] == [b"4"]
        else:
            numbers.append(int(found["ARMGS_NUMBER"][0]))
    assert lost > 0
    assert numbers == list(range(3000 - lost))  # the first ones, in their order
    assert BACKLOG // 1000 < len(numbers) < 3000
    logger.info("after")
    assert there.read()["ARMGS_EVENT"] == [b"after"]


@pytest.mark.usefixtures("handler")
def test_without_a_journal_the_last_resort_tells(there: Journal, lines: Lines) -> None:
    there.close()
    log.get("x").info("said", peer="::1")
    assert lines.lines == ["said {'peer': '::1'}"]


def test_a_journal_that_goes_away_while_records_wait(
    there: Journal, handler: JournalHandler, lines: Lines
) -> None:
    logger = log.get("x")
    for number in range(100):
        logger.info("many", number=number, note="y" * 5000)
    there.close()
    until = time.monotonic() + 10
    while not lines.lines and time.monotonic() < until:
        time.sleep(journald.AGAIN / 4)
    [told] = lines.lines
    assert told.startswith("records lost {'count': ")
    logger.info("said")
    assert lines.lines[1].startswith("said")


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Z][A-Z0-9_]{0,63}", fullmatch=True),
            st.binary(max_size=200) | st.text(max_size=200),
        ),
        max_size=20,
    )
)
def test_whatever_is_written_is_read_back(fields: list[tuple[str, bytes | str]]) -> None:
    expected: dict[str, list[bytes]] = {}
    for name, value in fields:
        data = value if isinstance(value, bytes) else value.encode("utf-8", "backslashreplace")
        expected.setdefault(name, []).append(data)
    assert parse(journald.serialise(fields)) == expected


def test_which_stream_is_the_journal(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as stream:
        found = os.fstat(stream.fileno())
        here = f"{found.st_dev}:{found.st_ino}"
        assert journald.is_journal(stream, {"JOURNAL_STREAM": here})
        # Standard error was sent elsewhere, as a shell in the unit does.
        assert not journald.is_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        assert not journald.is_journal(stream, {})
    assert not journald.is_journal(stream, {"JOURNAL_STREAM": here})
    assert not journald.is_journal(io.StringIO(), {"JOURNAL_STREAM": here})


REAL = """
from armgs_server import log, trace_id
log.setup("info")
with trace_id.under("18f0a1b2c3d4e5f6"):
    log.get("smtp").info("message taken", peer="192.0.2.1", to=["c@d.example", "e@f.example"])
    log.get("smtp").debug("not so much")
    log.get("x").info("large", note="z" * 250_000)
    try:
        raise ValueError("first\\nsecond")
    except ValueError:
        log.get("x").exception("failed", password="hunter2")
print("by the stream", file=__import__("sys").stderr, flush=True)
"""


def test_a_real_journald(debian: Callable[..., None]) -> None:
    debian("systemd")
    reason = journal.reason_against()
    if reason:
        pytest.skip(reason)
    found = journal.run_with_journald(REAL)
    taken, large, failed = [each for each in found if each["_TRANSPORT"] == "journal"]
    [other] = [each for each in found if each["_TRANSPORT"] == "stdout"]
    assert taken["MESSAGE"] == 'smtp: message taken peer=192.0.2.1 to="c@d.example e@f.example"'
    assert (taken["PRIORITY"], taken["ARMGS_PEER"]) == ("6", "192.0.2.1")
    assert taken["ARMGS_TO"] == ["c@d.example", "e@f.example"]
    assert large["ARMGS_NOTE"] == "z" * 250_000
    assert (failed["PRIORITY"], failed["ARMGS_PASSWORD"]) == ("3", "***")
    assert "ValueError: first\nsecond" in failed["MESSAGE"]
    assert {each["ARMGS_TRACE"] for each in (taken, large, failed)} == {"18f0a1b2c3d4e5f6"}
    assert other["MESSAGE"] == "by the stream"
    written = [value for each in found for name, value in each.items() if name != "_CMDLINE"]
    assert "hunter2" not in str(written)


READ = """
import json, subprocess
from armgs_server.cli import mail_log
subprocess.run(["journalctl", "--sync"])
asked = ("", "18f0a1b2c3d4e5f6", "1")
found = {each: [line.event for line in mail_log.from_journal("", 1, each)] for each in asked}
log.get("found").info("found", lines=json.dumps(found))
"""


def test_armgs_trace_reads_a_real_journal(debian: Callable[..., None]) -> None:
    debian("systemd")
    reason = journal.reason_against()
    if reason:
        pytest.skip(reason)
    records = journal.run_with_journald(REAL + READ)
    [found] = [each for each in records if each.get("ARMGS_PART") == "found"]
    events = ["message taken", "large", "failed"]
    assert json.loads(found["ARMGS_LINES"]) == {"": events, "18f0a1b2c3d4e5f6": events, "1": []}


def test_setup_takes_the_journal_where_standard_error_is_it(
    monkeypatch: pytest.MonkeyPatch, there: Journal, tmp_path: Path
) -> None:
    monkeypatch.setattr(journald, "SOCKET", there.path)
    with (tmp_path / "stderr").open("w") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setattr(sys, "stderr", stream)
        assert type(log._handler(BACKLOG)) is logging.StreamHandler
        monkeypatch.setitem(os.environ, "JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        made = log._handler(BACKLOG)
        assert isinstance(made, JournalHandler)
        made.close()
        there.close()
        assert type(log._handler(BACKLOG)) is logging.StreamHandler
