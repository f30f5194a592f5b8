# SPDX-License-Identifier: Apache-2.0
"""`armgs`: a new workplace for each test, and the command run on it within this process."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from armgs_server.cli.app import main
from armgs_server.cli.workplace import Workplace, work_on

T = TypeVar("T")

IVANOV = "ivanov@digital.example"
PASSWORD = "test-password"
# Cheap password hashes: these tests are not about them.
SECURITY = "\n[security]\nargon2_memory = 65536\nargon2_passes = 1\nscram_iterations = 4096\n"


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Armgs:
    """Runs the command; --config is set by the environment, as an administrator would."""

    def __init__(
        self, path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.path = path
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: object, stdin: str = "") -> Result:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        self._monkeypatch.setenv("ARMGS_CONFIG", str(self.path))
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Result(code, captured.out, captured.err)

    def work(self, work: Callable[[Workplace], Awaitable[T]]) -> T:
        """Looks into the store, as another process would."""
        return work_on(self.path, work)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Armgs:
    """The command without a workplace."""
    return Armgs(tmp_path / "workplace", capsys, monkeypatch)


@pytest.fixture
def armgs(run: Armgs) -> Armgs:
    """A workplace of two domains with one person."""
    made = run("init", run.path, "--domain", "digital.example", "--domain", "finance.example")
    assert made.code == 0, made.err
    file = run.path / "armgs.toml"
    file.write_text(file.read_text() + SECURITY)
    added = run("user", "add", IVANOV, "--name", "Иванов Пётр", "--password-stdin", stdin=PASSWORD + "\n")
    assert added.code == 0, added.err
    return run
