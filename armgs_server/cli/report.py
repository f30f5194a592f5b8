# SPDX-License-Identifier: Apache-2.0
"""What an import tells at its end: how much was taken, and each refused object with file, line and reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import click

from armgs_server.cli import exit as exit_codes
from armgs_server.cli.output import print_json, print_table, remark
from armgs_server.errors import DomainError, Invalid


def reason(error: DomainError) -> str:
    """The text of an error without the line, which the report has in a column of its own."""
    return error.text.removeprefix(f"line {error.line}: ") if isinstance(error, Invalid) else error.text


@dataclass(frozen=True, slots=True)
class Refusal:
    file: str
    line: int  # 1-based; 0 = the file as a whole
    reason: str


@dataclass(slots=True)
class Report:
    accepted: int = 0
    unchanged: int = 0  # was there already, with the same bytes
    refused: list[Refusal] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # files and columns of another kind

    def refuse(self, file: object, line: int, reason: str) -> None:
        self.refused.append(Refusal(str(file), line, reason))

    def as_record(self) -> dict[str, Any]:
        refused = [{"file": one.file, "line": one.line, "reason": one.reason} for one in self.refused]
        counts = {"accepted": self.accepted, "unchanged": self.unchanged}
        return {**counts, "refused": refused, "ignored": self.ignored}

    @property
    def code(self) -> int:
        if not self.refused:
            return exit_codes.OK
        return exit_codes.PARTIAL if self.accepted or self.unchanged else exit_codes.INVALID

    def finish(self, as_json: bool, things: str) -> None:
        """Prints the report and ends the command with its exit code."""
        if as_json:
            print_json(self.as_record())
        else:
            if self.refused:
                rows = [(one.file, one.line or "", one.reason) for one in self.refused]
                print_table("Refused", ("file", "line", "reason"), rows)
            unchanged = f", {self.unchanged} were there already" if self.unchanged else ""
            for name in self.ignored:
                remark(f"left out: {name}")
            remark(f"{self.accepted} {things} imported{unchanged}, {len(self.refused)} refused")
        click.get_current_context().exit(self.code)
