# SPDX-License-Identifier: Apache-2.0
"""The command as a whole: its subcommands, messages and exit codes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from armgs_server import __version__
from armgs_server.cli import exit as exit_codes
from armgs_server.errors import (
    AlreadyExists,
    Conflict,
    Denied,
    DomainError,
    Invalid,
    NotFound,
    OverQuota,
    Temporary,
    Throttled,
    TooLarge,
)
from tests.cli.conftest import Armgs

ROOT = Path(__file__).parent.parent.parent


def test_version_and_help(run: Armgs) -> None:
    assert run("--version").out == f"armgs, version {__version__}\n"
    shown = run("--help")
    assert shown.code == 0
    for command in ("init", "serve", "demo", "check", "user", "import", "export", "backup", "restore"):
        assert f"\n  {command} " in shown.out


def test_unknown_command(run: Armgs) -> None:
    refused = run("frobnicate")
    assert refused.code == 2
    assert "frobnicate" in refused.err


def test_no_workplace(run: Armgs) -> None:
    refused = run("user", "list")
    assert refused.code == 3
    assert "armgs init" in refused.err


def test_a_broken_configuration(armgs: Armgs) -> None:
    (armgs.path / "armgs.toml").write_text("[server]\nport_ofset = 1\n")
    refused = armgs("user", "list")
    assert refused.code == 5
    assert "did you mean server.port_offset?" in refused.err
    assert armgs("serve", armgs.path).code == 5


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound(), 3),
        (AlreadyExists(), 4),
        (Invalid("x", 3), 5),
        (Denied(), 6),
        (OverQuota(), 6),
        (TooLarge(), 6),
        (Conflict(), 6),
        (Temporary(), 7),
        (Throttled(), 7),
        (DomainError(), 1),
    ],
)
def test_exit_codes(error: DomainError, code: int) -> None:
    assert exit_codes.code_for(error) == code
    assert code in dict(exit_codes.TABLE)


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOENT, 3), (errno.EACCES, 6), (errno.ENOSPC, 7), (errno.ELOOP, 1)],
)
def test_errors_of_the_system(run: Armgs, monkeypatch: pytest.MonkeyPatch, number: int, code: int) -> None:
    def fail(path: object) -> None:
        raise OSError(number, os.strerror(number), "/some/file")

    monkeypatch.setattr("armgs_server.cli.config_commands.load_config", fail)
    refused = run("config", "check", "x")
    assert (refused.code, refused.err) == (code, f"armgs: /some/file: {os.strerror(number)}\n")


def test_the_manual_has_every_exit_code() -> None:
    manual = (ROOT / "docs" / "admin.md").read_text(encoding="utf-8")
    for code, meaning in exit_codes.TABLE:
        assert f"| {code} | {meaning} |" in manual


def test_as_a_module() -> None:
    """`python -m armgs_server` is the command."""
    done = subprocess.run(
        [sys.executable, "-m", "armgs_server", "config", "describe"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == (ROOT / "etc" / "armgs.toml").read_text(encoding="utf-8")
