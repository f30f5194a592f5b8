# SPDX-License-Identifier: Apache-2.0
"""`armgs demo`: a whole workplace in one command, left as it is by the next one; its table is true."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.parser import BytesParser
from pathlib import Path

import pytest

from armgs_server.cli import probes
from armgs_server.cli.app import main
from armgs_server.cli.demo import calendar, files, mail, people
from armgs_server.cli.demo.populate import MOSCOW
from armgs_server.cli.workplace import Workplace
from armgs_server.config import load
from armgs_server.directory.forms import load as load_forms
from armgs_server.formats import icalendar
from tests.cli.conftest import Armgs
from tests.world import free_offset

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 18, 16, 0, tzinfo=MOSCOW)  # a Wednesday


def test_what_is_in_it(run: Armgs) -> None:
    made = run("demo", run.path, "--json")
    assert made.code == 0, made.err
    assert len(made.json["accounts"]) == 16
    listed = run("user", "list", "--json").json
    for domain in ("digital.example", "finance.example"):
        of_department = [one for one in listed if one["address"].endswith("@" + domain)]
        assert len(of_department) == 8
        assert sum(one["head"] and not one["unit"] for one in of_department) == 1
        assert len({one["unit"] for one in of_department if one["unit"]}) == 3
        assert all(one["post"] for one in of_department)
    assert len(run("room", "list", "--json").json) == 4
    assert len(run("equipment", "list", "--json").json) == 2
    assert len(run("group", "list", "--json").json) == 5
    assert [each["must-read"] for each in run("news", "list", "digital.example", "--json").json] == [
        "yes",
        "no",
    ]
    assert list(load_forms(run.path / "forms.toml")) == ["trip"]
    for address in ("ivanov@digital.example", "petrova@digital.example", "sidorov@finance.example"):
        assert run("user", "show", address, "--json").json["items"] > 8

    async def log_in(workplace: Workplace) -> str:
        password = made.json["password"]
        account = made.json["accounts"][-1]
        return (await workplace.directory.auth.login("imap", "127.0.0.1", True, account, password)).address

    assert run.work(log_in) == "wilson@finance.example"


def test_a_second_run_finds_it_as_it_was_left(run: Armgs) -> None:
    first = run("demo", run.path, "--port-offset", 21000, "--json").json
    run("user", "delete", "wilson@finance.example")
    second = run("demo", run.path, "--port-offset", 30000, "--json").json
    assert second["password"] == first["password"]
    assert len(run("user", "list", "--json").json) == 15
    assert {service["port"] for service in first["services"]} >= {21993, 21465, 26223, 21443}
    assert {service["port"] for service in second["services"]} >= {30993, 30465, 35223, 30443}
    assert load(run.path / "armgs.toml").port(993) == 30993


def test_it_listens_on_this_machine_only(run: Armgs) -> None:
    run("demo", run.path)
    config = load(run.path / "armgs.toml")
    assert config.server.listen == ("127.0.0.1", "::1")
    assert config.security.allow_plaintext is False
    assert (run.path / "demo.json").stat().st_mode & 0o077 == 0


def test_it_does_not_touch_another_workplace(armgs: Armgs) -> None:
    refused = armgs("demo", armgs.path)
    assert refused.code == 6
    assert "no demonstration" in refused.err


def test_messages_are_well_formed() -> None:
    sent = mail.write_threads(NOW)
    assert len(sent) > 12
    names = people.names()
    subjects = []
    for message in sent:
        parsed = BytesParser(policy=policy.default).parsebytes(message.data)
        assert not parsed.defects
        assert parsed["From"].addresses[0].addr_spec == message.sender
        # Not the parsed display-name: Python leaves a space between two encoded words of a phrase.
        written = str(make_header(decode_header(message_from_bytes(message.data)["From"])))
        assert written == f"{names[message.sender]} <{message.sender}>"
        assert parsed["Date"].datetime == message.at <= NOW
        assert ("In-Reply-To" in parsed) == parsed["Subject"].startswith("Re: ")
        subjects.append(parsed["Subject"])
        body = parsed.get_body()
        assert body is not None
        assert body.get_content().strip()
    assert any(subject.isascii() for subject in subjects)
    assert any(not subject.isascii() for subject in subjects)


def test_meetings_are_this_week() -> None:
    written = calendar.write_meetings(NOW)
    days = set()
    for one in written:
        found = icalendar.check(one.data)
        line = found.members[0].first("DTSTART")
        assert line is not None
        moment = found.moment(line)
        assert moment.zone is not None
        days.add(moment.local.date().isoformat())
        assert ("ATTENDEE" in {property_[0] for property_ in found.members[0].properties}) == (
            found.uid != "demo-lunch"
        )
    assert days == {f"2026-11-{day}" for day in range(16, 21)}
    assert {one.owner for one in written} >= {"room-301@digital.example", "room-210@finance.example"}
    tasks = [icalendar.check(one.data) for one in calendar.write_tasks(NOW)]
    assert {task.kind for task in tasks} == {"VTODO"}


def test_files_belong_to_somebody() -> None:
    owners = {file.owner for file in files.FILES}
    assert owners <= people.names().keys() | {department.domain for department in people.DEPARTMENTS}
    assert {"digital.example", "finance.example"} <= owners


async def test_served_and_its_table_is_true(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `make run` does: every address in the table answers, every log-in works."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "armgs_server", "demo", str(tmp_path / "demo")),
        *("--port-offset", str(free_offset()), "--serve", "--json"),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            table = json.loads(await process.stdout.readuntil(b"\n}\n"))
        for service in table["services"]:
            _, writer = await asyncio.open_connection("127.0.0.1", service["port"])
            writer.close()
            await writer.wait_closed()
        context = probes.ClientContext.trusting(Path(table["ca"]), "localhost")
        offset = load(tmp_path / "demo" / "armgs.toml").server.port_offset
        for port, _, probe in probes.PROBES:
            target = probes.Target(
                "127.0.0.1", port + offset, context, "petrova@digital.example", table["password"]
            )
            assert await asyncio.to_thread(probes.run, probe, target)
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    assert main(["demo", str(tmp_path / "demo"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["password"] == table["password"]
