# SPDX-License-Identifier: Apache-2.0
"""`armgs import dav` from a real Radicale and a real WsgiDAV: what is there comes, and the proof tells."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from armgs_server.cli.dav_source import Source
from armgs_server.cli.workplace import Workplace
from armgs_server.errors import Invalid
from armgs_server.storage import collections
from tests.cli.conftest import IVANOV, Armgs

USER, PASSWORD = "old", "secret"
HOST = "127.0.0.1"
START_TIMEOUT = 60.0


def event(number: int, kind: str = "VEVENT", text: str = "Совещание") -> bytes:
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//tests//EN\r\n"
        f"BEGIN:{kind}\r\nUID:{kind}-{number}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260102T100000Z\r\n"
        f"SUMMARY:{text}\r\nEND:{kind}\r\nEND:VCALENDAR\r\n"
    ).encode()


def card(number: int) -> bytes:
    name = f"FN:Имя {number}\r\nN:Имя;;;;"
    return f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:card-{number}\r\n{name}\r\nEND:VCARD\r\n".encode()


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                socket.create_connection((HOST, port), timeout=5).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Peer:
    """The other server, asked as a client of it asks."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{HOST}:{port}"
        self._port = port

    def send(self, method: str, path: str, body: bytes = b"") -> None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=30)
        token = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        kind = "text/vcard" if path.endswith(".vcf") else "text/calendar"
        if method.startswith("MK"):
            kind = "application/xml"
        headers = {"Authorization": f"Basic {token}", "Content-Type": kind}
        connection.request(method, path, body or None, headers)
        assert connection.getresponse().status in (201, 204), (method, path)
        connection.close()


@pytest.fixture
def radicale(tmp_path: Path) -> Iterator[Peer]:
    users = tmp_path / "users"
    users.write_text(f"{USER}:{PASSWORD}\n")
    port = free_port()
    command = [sys.executable, "-m", "radicale", "--config", "/dev/null", "--server-hosts", f"{HOST}:{port}"]
    command += ["--auth-type", "htpasswd", "--auth-htpasswd-filename", str(users)]
    command += ["--auth-htpasswd-encryption", "plain"]
    command += ["--storage-filesystem-folder", str(tmp_path / "radicale"), "--logging-level", "error"]
    with running(command, port):
        peer = Peer(port)
        peer.send("MKCALENDAR", f"/{USER}/office/")
        for number in range(3):
            peer.send("PUT", f"/{USER}/office/{number}.ics", event(number))
        peer.send("PUT", f"/{USER}/office/t.ics", event(1, "VTODO", "Отчёт"))
        peer.send(
            "MKCOL",
            f"/{USER}/people/",
            b'<D:mkcol xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><D:set><D:prop>'
            b"<D:resourcetype><D:collection/><C:addressbook/></D:resourcetype><D:displayname>Old</D:displayname></D:prop>"
            b"</D:set></D:mkcol>",
        )
        for number in range(2):
            peer.send("PUT", f"/{USER}/people/{number}.vcf", card(number))
        yield peer


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


def names(armgs: Armgs, kind: str) -> dict[str, int]:
    async def work(workplace: Workplace) -> dict[str, int]:
        owner = (await workplace.principal(IVANOV)).id
        found = await workplace.store.read(lambda tx: collections.all_of(tx, owner, kind))
        return {each.name: each.items for each in found}

    return armgs.work(work)


def test_everything_that_a_user_has(armgs: Armgs, radicale: Peer, secret: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    command = ("import", "dav", IVANOV, radicale.url, "--user", USER, "--password-file", secret)
    done = armgs(*command, "--state", state, "--json")
    assert (done.code, done.json["accepted"], done.json["refused"]) == (0, 6, [])
    proofs = {each["collection"]: each for each in done.json["proofs"]}
    assert {name: each["listed"] for name, each in proofs.items()} == {f"{USER}/office": 4, "Old": 2}
    for each in proofs.values():
        assert each["source"] == each["here"] == each["listed"]
        assert each["source_hash"] == each["here_hash"]
    assert names(armgs, "calendar")["office"] == 3 and names(armgs, "tasks")["office-tasks"] == 1
    assert names(armgs, "addressbook")["people"] == 2

    radicale.send("PUT", f"/{USER}/office/1.ics", event(1, text="Перенесено"))
    again = armgs(*command, "--state", state, "--json")
    assert (again.json["accepted"], again.json["unchanged"]) == (1, 5)
    assert all(each["source_hash"] == each["here_hash"] for each in again.json["proofs"])
    assert len(json.loads(state.read_text())) == 6
    assert names(armgs, "calendar")["office"] == 3


def test_one_calendar(armgs: Armgs, radicale: Peer, secret: Path) -> None:
    url = f"{radicale.url}/{USER}/office/"
    done = armgs("import", "dav", IVANOV, url, "--user", USER, "--password-file", secret, "--json")
    assert (done.code, [each["collection"] for each in done.json["proofs"]]) == (0, [f"{USER}/office"])


def test_what_cannot_be_done_is_said(armgs: Armgs, radicale: Peer, secret: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("guess\n")
    refused = armgs("import", "dav", IVANOV, radicale.url, "--user", USER, "--password-file", wrong)
    assert refused.code != 0 and "another user or password" in refused.err
    nowhere = armgs(
        "import", "dav", IVANOV, f"{radicale.url}/{USER}/none/", "--user", USER, "--password-file", secret
    )
    assert nowhere.code != 0
    silent = armgs("import", "dav", IVANOV, f"http://{HOST}:{free_port()}/")
    assert silent.code != 0 and "does not answer" in silent.err
    broken = tmp_path / "broken.json"
    broken.write_text("[1]")
    state = armgs("import", "dav", IVANOV, radicale.url, "--state", broken)
    assert state.code != 0 and "is not the state of an import" in state.err


def test_files_below_a_url(armgs: Armgs, tmp_path: Path) -> None:
    top = tmp_path / "webdav"
    (top / "Отчёты" / "2026").mkdir(parents=True)
    (top / "Отчёты" / "2026" / "план.txt").write_text("план")
    (top / "big.bin").write_bytes(bytes(range(256)) * 8000)
    port = free_port()
    command = [sys.executable, "-m", "wsgidav.server.server_cli", "--host", HOST, "--port", str(port)]
    with running([*command, "--root", str(top), "--auth", "anonymous", "--no-config"], port):
        url = f"http://{HOST}:{port}/"
        done = armgs("import", "dav", IVANOV, url, "--files", "old", "--json")
        assert (done.code, done.json["accepted"]) == (0, 2)
        [proof] = done.json["proofs"]
        assert proof["listed"] == proof["here"] == 2 and proof["source_hash"] == proof["here_hash"]
        assert armgs("import", "dav", IVANOV, url, "--files", "old", "--json").json["unchanged"] == 2


@pytest.mark.parametrize("url", ["ftp://h/", "http://", "http://u:p@h/", "nothing"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(Invalid):
        Source(url, "", "")
