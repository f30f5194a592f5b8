# SPDX-License-Identifier: Apache-2.0
"""`armgs quickstart`: a newcomer's first hour, from the questions to a colleague's invitation."""

from __future__ import annotations

import asyncio
import ssl
import stat
import sys
import urllib.request
from pathlib import Path

import dns.zone

from armgs_server.config import load
from armgs_server.net.sockets import bind
from tests.cli.conftest import Armgs
from tests.world import free_offset

GIVEN = ("--domain", "digital.example", "--hostname", "localhost", "--yes")


def test_what_is_made(run: Armgs) -> None:
    for number in range(20):  # on all addresses, of which somebody else may have taken a port by now
        run.path = run.path.with_name(f"workplace-{number}")
        made = run("quickstart", run.path, *GIVEN, "--port-offset", free_offset(), "--json")
        assert made.code == 0, made.err
        said = made.json
        if all(one["status"] != "problem" for one in said["findings"]):
            break
    assert said["administrator"] == "admin@digital.example"
    assert len(said["password"]) >= 16
    assert stat.S_IMODE((run.path / "armgs.toml").stat().st_mode) == 0o600
    zone = dns.zone.from_text(Path(said["zone"]).read_text(), "digital.example.")
    assert zone.find_rdataset("_imaps._tcp", "SRV")
    found = {one["check"]: one["status"] for one in said["findings"]}
    assert found == {"hostname": "ok", "ports": "ok", "certificate": "ok", "dns": "warning"}
    [administrator] = run("administrator", "list", "--json").json
    assert administrator["address"] == "admin@digital.example"
    again = run("quickstart", run.path, *GIVEN)
    assert again.code == 4


def test_ports_that_are_taken(run: Armgs) -> None:
    offset = free_offset()
    with bind("127.0.0.1", 25 + offset):
        made = run("quickstart", run.path, *GIVEN, "--port-offset", offset, "--json")
    [ports] = [one for one in made.json["findings"] if one["check"] == "ports"]
    assert ports["status"] == "problem"
    assert str(25 + offset) in ports["detail"]


def test_a_name_that_leads_nowhere_or_elsewhere(run: Armgs) -> None:
    given = ("--domain", "digital.example", "--port-offset", free_offset(), "--yes", "--json")
    made = run("quickstart", run.path, *given, "--hostname", "mail.digital.invalid")
    [name] = [one for one in made.json["findings"] if one["check"] == "hostname"]
    assert name["status"] == "warning"
    assert "armgs dns check" in name["advice"]
    other = run.path.with_name("other")
    made = run("quickstart", other, *given, "--hostname", "192.0.2.1")
    [name] = [one for one in made.json["findings"] if one["check"] == "hostname"]
    assert "192.0.2.1" in name["detail"]


async def test_the_questions(tmp_path: Path) -> None:
    """Somebody answers them, in Russian; Enter takes what is proposed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "armgs_server", "quickstart", str(tmp_path / "workplace")),
        *("--language", "ru", "--port-offset", str(free_offset())),
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    answers = "digital.example\nmail.digital.example\n\nИванов Пётр\n"
    out, _ = await asyncio.wait_for(process.communicate(answers.encode()), 120)
    text = out.decode()
    assert process.returncode == 0, text
    assert "Домен адресов" in text
    assert "Администратор: admin@digital.example" in text
    assert load(tmp_path / "workplace" / "armgs.toml").server.hostname == "mail.digital.example"


async def test_what_it_says_to_do_next(run: Armgs) -> None:
    """The daemon is started as it says; page, invitation and doctor are there."""
    given = (*GIVEN, "--port-offset", free_offset(), "--password-stdin", "--json")
    made = await asyncio.to_thread(run, "quickstart", run.path, *given, stdin="test-password\n")
    assert made.json["password"] == "***"
    command = made.json["serve"].split()[1:]
    with (run.path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "armgs_server", *command, cwd=Path(__file__).parents[2], stderr=log
        )
    try:
        await asyncio.wait_for(_listens(load(run.path / "armgs.toml").port(443)), 60)
        seen = await asyncio.to_thread(run, *made.json["doctor"].split()[1:], "--json")
        problems = [one for one in seen.json if one["status"] == "problem"]
        assert (seen.code, problems) == (0, [])
        page = await asyncio.to_thread(_fetch, made.json["invitation"], run.path / "tls" / "ca.crt")
        assert "digital.example" in page
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 60)


async def _listens(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return


def _fetch(url: str, ca: Path) -> str:
    context = ssl.create_default_context(cafile=str(ca))
    with urllib.request.urlopen(url, timeout=30, context=context) as response:
        return str(response.read().decode())
