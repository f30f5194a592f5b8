# SPDX-License-Identifier: Apache-2.0
"""`armgs sieve`: an administrator keeps scripts of a person and of a department."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import IVANOV, Armgs

SCRIPT = 'require "fileinto";\nfileinto "Archive";\n'


def test_scripts_are_put_listed_shown_and_removed(armgs: Armgs, tmp_path: Path) -> None:
    file = tmp_path / "main.sieve"
    file.write_text(SCRIPT)
    for owner in (IVANOV, "digital.example"):
        assert armgs("sieve", "put", owner, "main", file, "--activate").code == 0
        listed = armgs("sieve", "list", owner, "--json").json
        assert listed == [{"name": "main", "active": True, "size": len(SCRIPT)}]
        assert armgs("sieve", "show", owner, "main").out == SCRIPT
        assert armgs("sieve", "delete", owner, "main").code != 0  # the active one
        assert armgs("sieve", "activate", owner).code == 0
        assert armgs("sieve", "delete", owner, "main").code == 0
        assert armgs("sieve", "list", owner, "--json").json == []
        assert armgs("sieve", "activate", owner, "main").code != 0


def test_what_is_wrong_is_said(armgs: Armgs, tmp_path: Path) -> None:
    file = tmp_path / "main.sieve"
    file.write_text("keep;\nfileinto 1;")
    for command in (("check", file), ("put", IVANOV, "main", file)):
        done = armgs("sieve", *command)
        assert done.code != 0
        assert 'line 2: fileinto needs require "fileinto"' in done.err
    file.write_text("stop; keep;")
    assert "never run" in armgs("sieve", "check", file).err
    assert armgs("sieve", "put", IVANOV, "main", file).code == 0
    file.write_text("#" * 300_000)
    assert "too large" in armgs("sieve", "put", IVANOV, "main", file).err
    assert armgs("sieve", "show", "nobody@digital.example", "main").code != 0
