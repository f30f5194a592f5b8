# SPDX-License-Identifier: Apache-2.0
"""`armgs store copy`: a workplace moved to PostgreSQL; refused while a daemon serves, or into a full one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from armgs_server.cli import exit as exit_codes
from armgs_server.cli.app import main
from armgs_server.supervisor import PidFile


def workplace(path: Path, url: str = "sqlite") -> Path:
    path.mkdir()
    (path / "armgs.toml").write_text(f'[server]\ndomains = ["digital.example"]\n[store]\nurl = "{url}"\n')
    return path


@pytest.mark.postgres
def test_there_and_refusals(postgresql_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source"
    assert main(["init", str(source), "--domain", "digital.example", "--hostname", "localhost"]) == 0
    target = workplace(tmp_path / "target", postgresql_url)
    capsys.readouterr()

    assert main(["store", "copy", str(source), str(target), "--json"]) == 0
    counts = {row["table"]: row["rows"] for row in json.loads(capsys.readouterr().out)}
    assert counts["principal"] >= 1 and counts["domain"] == 1
    assert main(["store", "copy", str(source), str(target)]) == exit_codes.REFUSED

    PidFile(source / "data").write()
    assert main(["store", "copy", str(source), str(workplace(tmp_path / "other"))]) == exit_codes.REFUSED
    assert "stop it first" in capsys.readouterr().err


def test_nobody_to_restart(tmp_path: Path) -> None:
    place = workplace(tmp_path / "place")
    (place / "data").mkdir()
    assert main(["restart", "--rolling", "--config", str(place)]) == exit_codes.NOT_FOUND
    PidFile(place / "data").write()
    assert main(["restart", "--rolling", "--config", str(place)]) == exit_codes.REFUSED


def test_a_number_used_again_is_not_the_daemon(tmp_path: Path) -> None:
    file = PidFile(tmp_path, workers=2)
    file.write()
    assert file.pid() == os.getpid() and file.workers() == 2
    said = json.loads((tmp_path / "daemon.json").read_text())
    (tmp_path / "daemon.json").write_text(json.dumps(said | {"started": said["started"] - 1}))
    assert file.pid() is None
