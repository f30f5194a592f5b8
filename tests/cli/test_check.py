# SPDX-License-Identifier: Apache-2.0
"""`armgs check` on a running daemon, and on workplaces that are not well."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from armgs_server.cli.app import main
from armgs_server.cli.check import certificates, disk
from armgs_server.config import load
from tests.cli.conftest import Armgs
from tests.world import IVANOV, World

LOGINS = ["submissions", "submission (STARTTLS)", "imaps", "xmpps", "https (WebDAV)"]


async def check(world: World, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    capsys.readouterr()
    code = await asyncio.to_thread(main, ["check", str(world.path), "--json"])
    return code, {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)}


async def test_a_well_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real log-in over every protocol; the app password is gone afterwards."""
    async with World(tmp_path) as world:
        code, findings = await check(world, capsys)
        assert code == 0, findings
        assert {finding["status"] for finding in findings.values()} <= {"ok", "warning"}
        for name in LOGINS:
            assert findings[f"log-in {name}"]["status"] == "ok"
        person = await world.directory.by_address(IVANOV)
        assert person is not None
        assert await world.directory.app_passwords(person.id) == []


async def test_a_stopped_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with World(tmp_path) as world:
        await world.stop()
        code, findings = await check(world, capsys)
        assert code == 9
        assert findings["database"]["status"] == "ok"
        for name in LOGINS:
            assert findings[f"log-in {name}"]["status"] == "problem"
            assert "Connection" in findings[f"log-in {name}"]["detail"]
            assert "start the daemon" in findings[f"log-in {name}"]["advice"]
        await world.start()
        person = await world.directory.by_address(IVANOV)
        assert person is not None
        assert await world.directory.app_passwords(person.id) == []


async def test_behind_a_balancer_on_the_same_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with World(tmp_path, settings={"server": {"proxy_hosts": ["127.0.0.0/8"]}}) as world:
        code, findings = await check(world, capsys)
        assert code == 0, findings
        assert findings["log-ins"]["status"] == "skipped"
        assert "proxy_hosts" in findings["log-ins"]["detail"]


async def test_a_certificate_that_clients_do_not_trust(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with World(tmp_path) as world, World(tmp_path / "other") as other:
        world.ca.write_bytes(other.ca.read_bytes())
        code, findings = await check(world, capsys)
        assert code == 9
        for name in LOGINS:
            assert "certificate" in findings[f"log-in {name}"]["detail"]


def test_nobody_to_log_in_as(run: Armgs) -> None:
    run("init", run.path, "--domain", "digital.example")
    checked = run("check", run.path, "--json")
    assert checked.code == 0
    assert checked.json[-1] == {
        "check": "log-ins",
        "status": "skipped",
        "detail": "nobody is there to log in as",
        "advice": "armgs user add",
    }


def test_certificates(armgs: Armgs) -> None:
    config = load(armgs.path / "armgs.toml")
    (finding,) = certificates(config)
    assert finding.status == "ok"
    file = armgs.path / "armgs.toml"
    file.write_text(file.read_text().replace('"finance.example"', '"finance.example", "new.example"'))
    finding, names = certificates(load(file))
    assert names.status == "warning"
    assert "new.example" in names.detail
    (armgs.path / "tls" / "server.key").write_text("broken")
    checked = armgs("check", armgs.path, "--json")
    assert checked.code == 9
    assert [one["status"] for one in checked.json if one["check"] == "certificates"] == ["problem"]


def test_disk(armgs: Armgs) -> None:
    space, fsync = disk(load(armgs.path / "armgs.toml"))
    assert space.check == "disk space"
    assert "GiB free" in space.detail
    assert fsync.detail.endswith("ms (median)")


def test_the_account_to_use(armgs: Armgs) -> None:
    assert armgs("check", armgs.path, "--account", "nobody@digital.example").code == 3
