# SPDX-License-Identifier: Apache-2.0
"""`armgs trace`: what became of messages that were taken, delivered, queued, refused; and the log's lines."""

from __future__ import annotations

import asyncio
import json
import smtplib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server import log
from armgs_server.cli.app import main
from armgs_server.cli.mail_log import parse
from tests.world import IVANOV, PASSWORD, PETROVA, World

FAR = "boss@elsewhere.example"


def send(world: World, message_id: str, *recipients: str) -> None:
    with smtplib.SMTP_SSL(
        "localhost", world.ports["submissions"], context=world.client_context(), timeout=30
    ) as client:
        client.login(IVANOV, PASSWORD)
        client.sendmail(
            IVANOV, recipients, f"From: <{IVANOV}>\r\nMessage-ID: <{message_id}>\r\n\r\ntext\r\n".encode()
        )


async def trace(world: World, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    given = ["trace", *arguments, "--log", str(world.log_file), "--json", "--config", str(world.path)]
    code = await asyncio.to_thread(main, given)
    return code, json.loads(capsys.readouterr().out)


def events(said: Any) -> list[tuple[str, str]]:
    return [(step["event"], step["to"]) for step in said["steps"]]


async def test_did_it_arrive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The server of the other domain is on a port where nobody listens.
    settings = {"smtp": {"relay_routes": ("elsewhere.example=127.0.0.1:1",)}}
    async with World(tmp_path, process=True, settings=settings) as world:
        await asyncio.to_thread(send, world, "one@digital.example", PETROVA)
        code, said = await trace(world, capsys, "<one@digital.example>")
        assert (code, said["verdict"]) == (0, "arrived")
        assert sorted(events(said)) == [("in mailbox", PETROVA), ("message taken", PETROVA)]
        [copy] = [step for step in said["steps"] if step["event"] == "in mailbox"]
        assert copy["detail"].startswith("INBOX, uid ")

        await asyncio.to_thread(send, world, "two@digital.example", FAR)
        while True:
            code, said = await trace(world, capsys, "two@digital.example")
            assert (code, said["verdict"]) == (0, "waits")
            if ("postponed", FAR) in events(said):
                break
        assert {("message taken", FAR), ("waits", FAR)} <= set(events(said))
        assert len({step["id"] for step in said["steps"]}) == 1

        code, said = await trace(world, capsys, FAR)
        assert ("waits", FAR) in events(said)
        code, said = await trace(world, capsys, PETROVA)
        assert ("in mailbox", PETROVA) in events(said)
        assert await trace(world, capsys, "three@digital.example") == (3, {"verdict": "unknown", "steps": []})
        assert (await trace(world, capsys, "<>"))[0] == 3


LINES = """\
2026-11-22T10:00:00.000Z logger=smtp trace=a1 event="message taken" message_id=<x@y> sender=a@b.example \
recipients=2 to="c@d.example e@f.example" size=10 junk=0
2026-11-22T10:00:01.500Z logger=relay trace=a1 event=relayed sender=a@b.example recipient=c@d.example \
status=2.0.0 answer="250 fine \\"thanks\\"\\n"
2026-11-22T10:00:02.000Z level=info logger=imap event=client trace=a1
not a line of ours
{"__REALTIME_TIMESTAMP": "1700000000000000", "MESSAGE": "logger=smtp event=returned recipient=x@y.example"}
{"__REALTIME_TIMESTAMP": "1700000000000000", "MESSAGE": [1, 2]}
2026-11-22T10:00:03.000Z level=info logger=trace trace=a1 event=< service=smtp data="what was said"
2026-11-22T10:00:03.000Z level=info logger=imap event=client connection=1
{"__REALTIME_TIMESTAMP": "1700000001000000", "MESSAGE": "smtp: message taken", "ARMGS_PART": "smtp", \
"ARMGS_EVENT": "message taken", "ARMGS_TRACE": "a2", "ARMGS_TO": ["c@d.example", "e@f.example"], \
"ARMGS_SENDER": [195, 169, 64, 120], "ARMGS_ANSWER": null, "_PID": "7"}
{"broken
"""


def test_lines_of_the_log() -> None:
    taken, relayed, client, returned, native = parse(LINES.splitlines())
    assert taken.fields["message_id"] == "<x@y>"
    assert taken.names("E@F.example") and taken.is_about("x@y") and taken.is_about("<x@y>")
    assert not taken.names("d.example") and not taken.is_about("x")
    assert (relayed.fields["answer"], relayed.trace) == ('250 fine "thanks"\n', "a1")
    assert relayed.moment - taken.moment == pytest.approx(1.5)
    assert (client.part, client.event, client.trace) == ("imap", "client", "a1")
    assert (returned.event, returned.moment) == ("returned", 1.7e9)
    assert (native.part, native.event, native.trace) == ("smtp", "message taken", "a2")
    assert native.fields == {"to": "c@d.example e@f.example", "sender": "é@x", "answer": ""}
    assert native.names("e@f.example")


@given(st.text())
def test_what_the_log_quotes_is_read_back(value: str) -> None:
    written = log.quote(value.encode("utf-8", "backslashreplace").decode())
    [line] = parse([f"2026-11-22T10:00:00.000Z logger=smtp event=relayed answer={written}"])
    assert line.fields["answer"] == value.encode("utf-8", "backslashreplace").decode()


@given(st.text())
def test_no_line_is_too_strange(line: str) -> None:
    assert len(list(parse([line, "{" + line, "2026-11-22T10:00:00Z logger=smtp event=relayed " + line]))) <= 3
