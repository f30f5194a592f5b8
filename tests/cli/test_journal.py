# SPDX-License-Identifier: Apache-2.0
"""`armgs journal`: it is listed, taken out as files, and verified."""

from __future__ import annotations

import json
from pathlib import Path

from armgs_server.cli.workplace import Workplace
from armgs_server.storage import journal
from tests.cli.conftest import IVANOV, Armgs

DOMAIN = "digital.example"
LETTER = b"Subject: letter\r\n\r\ntext\r\n"


async def fill(workplace: Workplace) -> None:
    department = await workplace.principal(DOMAIN, "department")
    assert department.data["journal"] is True
    for _ in range(2):
        ref = workplace.store.blobs.small(LETTER)
        await workplace.store.write(
            lambda tx, ref=ref: journal.append(tx, department.id, ref, IVANOV, ["x@other.example"])  # type: ignore[misc]
        )


def test_life_of_a_journal(armgs: Armgs, tmp_path: Path) -> None:
    assert armgs("journal", "on", DOMAIN).code == 0
    armgs.work(fill)
    listed = armgs("journal", "list", DOMAIN, "--json").json
    assert [(each["number"], each["sender"], each["recipients"]) for each in listed] == [
        (1, IVANOV, ["x@other.example"]),
        (2, IVANOV, ["x@other.example"]),
    ]
    assert armgs("journal", "list", DOMAIN, "--to", "2020-01-01", "--json").json == []
    out = tmp_path / "out"
    assert armgs("journal", "export", DOMAIN, out, "--json").json["messages"] == 2
    assert (out / "00000002.eml").read_bytes() == LETTER
    lines = (out / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == listed
    assert armgs("journal", "export", DOMAIN, out).code != 0
    verified = armgs("journal", "verify", DOMAIN)
    assert (verified.code, "whole: 2 messages" in verified.err) == (0, True)

    async def forge(workplace: Workplace) -> None:
        await workplace.store.write(
            lambda tx: tx.execute("UPDATE journal SET recipients = '[]' WHERE id = 1")
        )

    armgs.work(forge)
    verified = armgs("journal", "verify", DOMAIN)
    assert (verified.code, "broken at message 1" in verified.err) == (9, True)
    assert armgs("journal", "off", DOMAIN).code == 0
    assert len(armgs("journal", "list", DOMAIN, "--json").json) == 2
    assert armgs("journal", "on", IVANOV).code != 0
