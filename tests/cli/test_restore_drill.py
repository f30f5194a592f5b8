# SPDX-License-Identifier: Apache-2.0
"""The drill of docs/admin.md, command by command as it is printed there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from armgs_server.cli.workplace import Workplace
from armgs_server.storage import collections, items
from armgs_server.storage.tx import Tx
from tests.cli.conftest import PASSWORD, Armgs
from tests.meta.sources import ROOT

DRILL = "drill@digital.example"
LETTERS = b"From a@b.example Sat Nov 21 10:00:00 2026\nSubject: %s\n\nbody\n\n"


def commands() -> list[str]:
    """Its lines; a comment is what the newcomer does or sees."""
    text = (ROOT / "docs" / "admin.md").read_text(encoding="utf-8")
    found = re.search(r"^\*\*A drill\*\*.*?\n\n((?:    .*\n)+)", text, re.MULTILINE)
    assert found is not None
    return [line.strip() for line in found[1].splitlines()]


def inbox(site: Armgs, *, delete: int = 0) -> int:
    """How many letters there are, after so many were deleted."""

    async def work(workplace: Workplace) -> int:
        owner = (await workplace.principal(DRILL)).id

        async def write(tx: Tx) -> int:
            found = await collections.by_role(tx, owner, "mail", "inbox")
            assert found is not None
            uids = [item.uid for item in await items.scan(tx, owner, found.id)][:delete]
            await items.remove(tx, found, uids)
            return (await collections.get(tx, owner, found.id)).items

        return await workplace.store.write(write)

    return site.work(work)


def test_the_drill(armgs: Armgs, tmp_path: Path) -> None:
    (tmp_path / "letters.mbox").write_bytes(LETTERS % b"one" + LETTERS % b"two")
    places = {"/var/lib/armgs-backup": tmp_path / "backups", "letters.mbox": tmp_path / "letters.mbox"}
    brought: list[int] = []
    for line in commands():
        if line.startswith("#"):
            if "delete a letter" in line:
                assert inbox(armgs, delete=1) == 1
            continue
        words: list[Any] = [places.get(word, word) for word in shlex.split(line, comments=True)]
        done = armgs(*words[1:], *(["--json"] if words[1] == "restore" else []), stdin=PASSWORD + "\n")
        assert done.code == 0, f"{line}\n{done.err}"
        if words[1] == "restore":
            brought.append(done.json["brought"])
            assert inbox(armgs) == (1 if "--dry-run" in words else 2)
    assert brought == [1, 1, 0, 2, 2]
    assert armgs("user", "show", DRILL).code == 3
