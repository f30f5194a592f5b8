# SPDX-License-Identifier: Apache-2.0
"""One id from where something enters to all that follows: SMTP, rules, IMAP, chat, HTTP, calendars, relay."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from armgs_server import log, trace_id
from armgs_server.cli.app import main
from tests.chat_client import ChatClient
from tests.dav.calendars import ICS, calendar
from tests.dav.client import Client
from tests.dav.test_scheduling import home, meeting
from tests.imap.client import Client as ImapClient
from tests.rules.office import message, put_script, send
from tests.smtp.relaying import route
from tests.smtp.sink import Sink, running_sink
from tests.world import HOST, IVANOV, PASSWORD, PETROVA, World

GUEST = "guest@other.example"
TIMEOUT = 30.0


class Lines(logging.Handler):
    """The log of a daemon that runs in the test, as a file would have it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(log.Formatter(journal=False))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def traces(self, event: str) -> list[str]:
        """The ids of all lines of an event."""
        found = [
            re.search(r" trace=(\S+)", line) for line in self.lines if f"event={log.quote(event)}" in line
        ]
        return [match[1] if match else "" for match in found]

    async def have(self, event: str) -> str:
        """Waits for an event; the id of its last line."""
        async with asyncio.timeout(TIMEOUT):
            while not self.traces(event):
                await asyncio.sleep(0.02)
        return self.traces(event)[-1]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logger = logging.getLogger("armgs_server")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("DEBUG")
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


async def trace(
    world: World, lines: Lines, what: str, capsys: pytest.CaptureFixture[str], *, has_log: bool = True
) -> Any:
    """What `armgs trace` says."""
    file = world.path.parent / "log"
    file.write_text("\n".join(lines.lines) + "\n" if has_log else "")
    capsys.readouterr()
    given = ["trace", what, "--log", str(file), "--json", "--config", str(world.path)]
    assert await asyncio.to_thread(main, given) == 0
    return json.loads(capsys.readouterr().out)


def events(said: Any) -> set[tuple[str, str]]:
    return {(step["event"], step["to"]) for step in said["steps"]}


async def test_from_smtp_to_imap_to_chat(
    tmp_path: Path, lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    async with World(tmp_path) as world:
        await put_script(world, f'require "enotify"; notify :message "There is mail" "xmpp:{PETROVA}";')
        petrova = ChatClient(world, PETROVA)
        await petrova.online()
        reader = ImapClient(*await asyncio.open_connection(HOST, world.ports["imap"]))
        await reader.line()
        await reader.command(f"LOGIN {PETROVA} {PASSWORD}")
        await reader.command("SELECT INBOX")
        reader.send(b"idle IDLE\r\n")
        assert (await reader.line()).startswith(b"+")
        answer = await send(world, message(Message_Id="<m1@other.example>"))
        match = re.search(r"id ([0-9a-f]{16})", answer)
        assert match is not None
        number = match[1]
        await petrova.hears("There is mail")
        while await reader.line() != b"* 1 EXISTS":
            pass
        assert await lines.have("told by chat") == number
        assert lines.traces("message taken") == [number]
        assert number in lines.traces("announced")
        reader.send(b"DONE\r\n")
        await reader.responses(b"idle")
        text = await reader.command("FETCH 1 BODY.PEEK[HEADER.FIELDS (RECEIVED)]")
        assert f" id {number}".encode() in b"".join(text)
        for has_log in (True, False):  # the message itself tells its id where the log is gone
            said = await trace(world, lines, number, capsys, has_log=has_log)
            assert said["verdict"] == "arrived"
            assert ("in mailbox", PETROVA) in events(said)
            assert ("told by chat", PETROVA) in events(said) or not has_log
        said = await trace(world, lines, "m1@other.example", capsys)
        assert {("message taken", PETROVA), ("in mailbox", PETROVA)} <= events(said)
        await petrova.offline()
        reader.writer.close()


async def test_a_chat_message_is_found_by_either_id(
    tmp_path: Path, lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    async with World(tmp_path) as world:
        ivanov = ChatClient(world, IVANOV)
        await ivanov.online()
        ivanov.say(PETROVA, "Hello")  # who is away
        number = await lines.have("message kept")
        await ivanov.offline()
        rows = await world.store.read(lambda tx: tx.rows("SELECT id, stanza_id FROM archive ORDER BY id"))
        (sent, stanza_id), (received, _) = rows
        assert number == f"{received:x}"
        for what in (stanza_id, str(sent), str(received), number):
            said = await trace(world, lines, what, capsys)
            assert {("in archive", IVANOV), ("in archive", PETROVA), ("message kept", PETROVA)} <= events(
                said
            )
            assert ("waits for a device", PETROVA) in events(said)
            assert said["verdict"] == "waits"


async def test_a_meeting_leads_to_its_invitation_and_the_answer_names_the_id(
    tmp_path: Path, lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_sink(Sink()) as sink:
        settings: dict[str, dict[str, Any]] = {
            "smtp": {"relay_routes": [route(sink)]},
            "dav": {"imip_delay": 0.0},
        }
        async with World(tmp_path, settings=settings) as world:
            ivanov = Client(world.ports["http"], IVANOV, PASSWORD)
            body = calendar(meeting(f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{GUEST}"))
            answer = await ivanov.request("PUT", home(IVANOV) + "default/m1.ics", body, ICS)
            assert answer.status == 201
            number = answer.headers["x-request-id"]
            assert trace_id.parse(number) == number
            assert await lines.have("relayed") == number
            assert lines.traces("meeting written") == [number]
            match = re.search(rb"UID:(\S+)", body)
            assert match is not None
            for what in (number, match[1].decode()):
                said = await trace(world, lines, what, capsys)
                assert {("meeting written", IVANOV), ("relayed", GUEST)} <= events(said)
            assert ("in calendar", IVANOV) in events(said)


async def test_what_went_wrong_has_an_id_what_went_well_has_none(tmp_path: Path, lines: Lines) -> None:
    async with World(tmp_path) as world:
        ivanov = Client(world.ports["http"], IVANOV, PASSWORD)
        missing = await ivanov.request("GET", "/dav/files/" + IVANOV + "/none")
        assert (missing.status, bool(trace_id.parse(missing.headers["x-request-id"]))) == (404, True)
        fine = await ivanov.request("OPTIONS", "/dav/")
        assert fine.status == 200 and "x-request-id" not in fine.headers
        page = await ivanov.request("GET", "/post/none")
        number = page.headers["x-request-id"]
        assert page.status in (403, 404) and number != missing.headers["x-request-id"]
        assert f"<code>{number}</code>".encode() in page.body
