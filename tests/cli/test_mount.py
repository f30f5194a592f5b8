# SPDX-License-Identifier: Apache-2.0
"""`armgs mount`: the lines for one person, for all systems or for one."""

from __future__ import annotations

from tests.cli.conftest import IVANOV, Armgs


def test_all_systems_and_one(armgs: Armgs) -> None:
    found = armgs("mount", IVANOV, "--json").json
    assert [each["system"] for each in found] == ["windows", "macos", "gnome", "kde", "rclone", "davfs2"]
    assert all(IVANOV in " ".join(each["lines"]) for each in found)
    shown = armgs("mount", IVANOV, "--system", "macos", "--lang", "ru").out
    assert "⌘K" in shown and "mount_webdav" in shown and "net use" not in shown


def test_nobody(armgs: Armgs) -> None:
    assert armgs("mount", "nobody@digital.example").code != 0
