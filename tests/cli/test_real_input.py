# SPDX-License-Identifier: Apache-2.0
"""Real-world mail and calendars, imported beside a running daemon and read back over IMAP and CalDAV."""

from __future__ import annotations

import asyncio
import base64
import imaplib
import json
import urllib.request
from pathlib import Path
from urllib.parse import unquote

import pytest

from armgs_server.cli.app import main
from armgs_server.cli.import_objects import resource_name
from armgs_server.formats import icalendar_split, xmltree
from tests.cli.test_import_objects import said
from tests.world import IVANOV, PASSWORD, World

SHARED = Path(__file__).parent.parent.parent.parent / "shared" / "data"
HOME = f"/dav/calendars/{IVANOV}"

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")


async def run(world: World, capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    capsys.readouterr()
    command = [*(str(argument) for argument in arguments), "--config", str(world.path), "--json"]
    assert await asyncio.to_thread(main, command) in (0, 8)
    report: dict[str, object] = json.loads(capsys.readouterr().out)
    return report


async def test_mail_over_imap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """BODY[] is what the file was, to the byte; every ENVELOPE and BODYSTRUCTURE can be asked for."""
    originals = sorted(path.read_bytes() for path in SHARED.rglob("*.eml"))

    def fetch() -> tuple[list[bytes], int]:
        with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=30) as client:
            client.login(IVANOV, PASSWORD)
            client.select("INBOX", readonly=True)
            _, bodies = client.fetch("1:*", "(BODY.PEEK[])")
            _, structures = client.fetch("1:*", "(ENVELOPE BODYSTRUCTURE RFC822.SIZE)")
        numbers = {
            answer.split()[0] for answer in structures if isinstance(answer, bytes) and b"ENVELOPE" in answer
        }
        numbers |= {
            answer[0].split()[0]
            for answer in structures
            if isinstance(answer, tuple) and b"ENVELOPE" in answer[0]
        }
        return sorted(answer[1] for answer in bodies if isinstance(answer, tuple)), len(numbers)

    async with World(tmp_path) as world:
        report = await run(world, capsys, "import", "mail", IVANOV, SHARED / "mail")
        assert report["accepted"] == len(originals) == 103
        bodies, structures = await asyncio.to_thread(fetch)
        assert bodies == originals
        assert structures == 103


async def test_calendars_over_caldav(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is one object comes back as it was; what was taken out of others says
    nothing that its file did not say."""
    readable: list[bytes] = []
    first: dict[str, tuple[bytes, bytes]] = {}  # the file and the object that had a UID first
    for file in sorted((SHARED / "calendar").rglob("*.ics")):
        data = file.read_bytes()
        parts = icalendar_split.split(data).parts
        readable += [data] if parts else []
        for part in parts:
            folder = "tasks" if part.object.kind == "VTODO" else "default"
            first.setdefault(f"{HOME}/{folder}/{resource_name(part.object.uid, '.ics')}", (data, part.data))
    whole = {href: data for href, (data, part) in first.items() if part == data}
    assert len(whole) > 15
    credentials = base64.b64encode(f"{IVANOV}:{PASSWORD}".encode()).decode()

    def request(method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Basic {credentials}", "Depth": "1", "Content-Type": "application/xml"}
        url = world.url(path)
        with urllib.request.urlopen(
            urllib.request.Request(url, body, headers, method=method), timeout=30
        ) as response:
            data: bytes = response.read()
        return data

    def read_back() -> list[dict[str, bytes]]:
        propfind = b'<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>'
        collections = []
        for name in ("default", "tasks"):
            listed = xmltree.parse(request("PROPFIND", f"{HOME}/{name}/", propfind))
            hrefs = [href.text or "" for href in listed.iter("{DAV:}href")]
            members = [href for href in hrefs if href.endswith(".ics")]
            collections.append({unquote(href): request("GET", href) for href in members})
        return collections

    async with World(tmp_path) as world:
        report = await run(world, capsys, "import", "calendar", IVANOV, SHARED / "calendar")
        refused = report["refused"]
        assert isinstance(refused, list)
        assert all(one["line"] >= 1 and one["reason"] for one in refused)
        events, tasks = await asyncio.to_thread(read_back)
    back = events | tasks
    assert len(back) == report["accepted"] > 70
    assert {href: back[href] for href in whole} == whole
    assert not said(back.values()) - said(readable)
