# SPDX-License-Identifier: Apache-2.0
"""`armgs doctor` on a running daemon, on one that is stopped, and on one that is not well."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from armgs_server.cli import doctor_history
from armgs_server.cli.app import main
from armgs_server.cli.doctor_account import DOMAIN, account
from armgs_server.cli.findings import Finding
from armgs_server.cli.workplace import opened
from tests.cli.conftest import Armgs
from tests.world import World

SERVICES = ["submission", "submissions", "imap", "imaps", "sieve", "xmpp", "xmpps", "webdav", "carddav"]
SERVICES += ["smtp", "pop3", "pop3s", "ldap", "ldaps", "mail", "chat", "booking"]
SERVICES += ["/", "/ca.crt", "/apple.mobileconfig"]
SERVICES += ["/mail/config-v1.1.xml", "/.well-known/host-meta", "/.well-known/host-meta.json"]


async def armgs(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    capsys.readouterr()
    code = await asyncio.to_thread(main, [str(argument) for argument in arguments])
    return code, capsys.readouterr().out


async def doctor(world: World, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    code, out = await armgs(capsys, "doctor", "--config", world.path, "--json")
    return code, {finding["check"]: finding for finding in json.loads(out)}


async def test_a_well_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is tried, and nothing of the account is left; then the server stops."""
    async with World(tmp_path) as world:
        code, findings = await doctor(world, capsys)
        assert code == 0, findings
        for name in SERVICES:
            assert findings[name]["status"] == "ok", findings[name]
        assert findings["certificate"]["status"] == "ok"
        assert findings["booking"]["detail"].endswith("PARTSTAT=ACCEPTED")
        assert findings["queue"]["detail"].startswith("0 wait")
        left = "SELECT COUNT(*) FROM principal WHERE address LIKE ?"
        assert await world.store.read(lambda tx: tx.value(left, f"%@{DOMAIN}")) == 0
        assert await world.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM queue")) == 0

        code, out = await armgs(capsys, "doctor", "--config", world.path, "--language", "ru")
        assert code == 0
        assert "Всё работает." in out

        await world.stop()
        code, findings = await doctor(world, capsys)
        assert code == 9
        assert findings["database"]["status"] == "ok"
        for name in SERVICES:
            assert findings[name]["status"] == "problem"
            assert findings[name]["advice"].startswith("start the daemon")

        code, out = await armgs(capsys, "doctor", "--config", world.path, "--month", "--json")
        assert code == 0
        figures = json.loads(out)["services"]
        assert figures["imaps"]["runs"] == figures["*"]["runs"] == 3
        assert 0 < figures["imaps"]["availability"] < 1
        assert figures["database"]["availability"] == 1
        await world.start()


async def test_the_account_is_good_on_this_host_only(tmp_path: Path) -> None:
    """Its name and password, known to somebody elsewhere, are of no use there; nor is its address."""
    async with World(tmp_path) as world, opened(world.config) as workplace:
        async with account(workplace, ["192.0.2.7"]) as made:
            reader, writer = await world.connect("imap")
            assert (await reader.readline()).startswith(b"* OK")
            writer.write(f'a LOGIN {made.address} "{made.password}"\r\n'.encode())
            assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"a NO [AUTHENTICATIONFAILED]")
            writer.close()
            login = workplace.directory.auth.login
            assert (
                await login("imap", "192.0.2.7", True, made.address, made.password)
            ).address == made.address
        assert await workplace.directory.by_address(made.address) is None
        assert await workplace.directory.by_address(made.room) is None


async def test_what_a_killed_run_has_left_is_removed(tmp_path: Path) -> None:
    async with World(tmp_path) as world, opened(world.config) as workplace:
        async with account(workplace, []):
            pass
        left = await workplace.directory.create_person(f"left@{DOMAIN}", data={"made": 1})
        await workplace.directory.create_room(f"room-left@{DOMAIN}", "left")
        async with account(workplace, []):
            assert await workplace.directory.by_address(left.address) is None
            assert await workplace.directory.by_address(f"room-left@{DOMAIN}") is None


async def test_a_certificate_that_clients_do_not_trust(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with World(tmp_path) as world, World(tmp_path / "other") as other:
        world.ca.write_bytes(other.ca.read_bytes())
        code, findings = await doctor(world, capsys)
        assert code == 9
        assert findings["certificate"]["status"] == "problem"
        for name in ("imaps", "imap", "pop3s", "ldap", "ldaps", "sieve", "xmpp", "mail", "chat", "/"):
            assert findings[name]["status"] == "problem"
            assert findings[name]["advice"].startswith("armgs certificate renew")


async def test_behind_a_balancer_on_the_same_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with World(tmp_path, settings={"server": {"proxy_hosts": ["127.0.0.0/8"]}}) as world:
        code, findings = await doctor(world, capsys)
        assert code == 0
        assert findings["services"]["status"] == "skipped"


def test_a_database_that_is_away(armgs: Armgs) -> None:
    with (armgs.path / "armgs.toml").open("a") as file:
        file.write('[store]\nurl = "postgresql://armgs@127.0.0.1:1/armgs"\n')
    seen = armgs("doctor", "--json")
    assert seen.code == 9
    [database] = [one for one in seen.json if one["check"] == "database"]
    assert database["status"] == "problem"
    assert armgs("doctor", "--month", "--json").json["services"]["*"]["runs"] == 1


def test_months(tmp_path: Path) -> None:
    """A failure counts until the next run that works; what nobody has measured counts for nothing."""
    begin = time.mktime((2026, 11, 10, 12, 0, 0, 0, 0, 0))

    def keep(minutes: float, status: str) -> None:
        finding = Finding("imaps", "ok" if status == "ok" else "problem", "worked")
        doctor_history.keep(tmp_path, begin + minutes * 60, [finding, Finding("fsync", "problem", "fsync")])

    for minutes, status in ((0, "ok"), (5, "problem"), (10, "ok"), (15, "ok"), (60, "ok")):
        keep(minutes, status)
    with (tmp_path / "doctor" / "2026-11.jsonl").open("a") as file:
        file.write('{"moment": 1')
    runs = doctor_history.runs(tmp_path, "2026-11")
    everything, imaps = doctor_history.availability(runs, begin + 65 * 60)
    assert (everything.service, imaps.service) == ("*", "imaps")
    assert (imaps.up, imaps.down, imaps.runs) == ((5 + 5 + 15 + 5) * 60, 5 * 60, 5)
    assert imaps.share == pytest.approx(30 / 35)
    assert doctor_history.measured(runs, begin + 65 * 60) == 35 * 60


def test_old_months_go(tmp_path: Path) -> None:
    folder = tmp_path / "doctor"
    folder.mkdir()
    for year in (2022, 2023, 2024):
        for month in range(1, 13):
            (folder / f"{year}-{month:02}.jsonl").touch()
    doctor_history.keep(tmp_path, 1.79e9, [])
    assert len(list(folder.iterdir())) == doctor_history.KEPT_MONTHS
    assert (folder / "2026-09.jsonl").exists()


def test_arguments(armgs: Armgs) -> None:
    assert armgs("doctor", "--month", "--of", "yesterday").code == 5
    assert armgs("doctor", "--month", "--of", "2020-01").code == 3
