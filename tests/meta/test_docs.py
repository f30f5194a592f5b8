# SPDX-License-Identifier: Apache-2.0
"""README and manuals say what is there: two commands, every command of `armgs`, links."""

from __future__ import annotations

import re

import click

from armgs_server.cli.app import armgs
from tests.meta.sources import ROOT

_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def commands(group: click.Group, path: str = "armgs") -> list[str]:
    found = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += commands(command, f"{path} {name}")
        else:
            found.append(f"{path} {name}")
    return found


def test_the_readme_begins_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert blocks[0] == "make run\nmake test\n"


def test_the_manual_has_every_command() -> None:
    """Subcommands may stand together: `armgs user list|show|delete`."""
    manual = (ROOT / "docs" / "admin.md").read_text(encoding="utf-8").replace("\\|", "|")
    missing = []
    for command in commands(armgs):
        parent, _, name = command.rpartition(" ")
        if not re.search(rf"`{parent} (?:[a-z-]+\|)*{name}\b", manual):
            missing.append(command)
    assert missing == []


def test_every_command_explains_itself() -> None:
    context = click.Context(armgs)
    for name, command in armgs.commands.items():
        assert command.get_short_help_str(), name
        assert command.get_help(context)


def test_links_lead_somewhere() -> None:
    broken = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []
