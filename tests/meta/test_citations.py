# SPDX-License-Identifier: Apache-2.0
"""docs/standards.tsv and the code agree: every file named is there, every standard cited has a row."""

from __future__ import annotations

import csv
import re

from tests.meta.sources import ROOT, modules

STANDARDS = ROOT / "docs" / "standards.tsv"
COLUMNS = ["spec", "section", "title", "status", "file"]
STATES = {"yes", "partial", "no"}
_CITED = re.compile(r"\b(?:RFCs? (?P<rfc>\d{3,5})|XEP-(?P<xep>\d{4}))\b")


def rows() -> list[dict[str, str]]:
    with STANDARDS.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        assert reader.fieldnames == COLUMNS
        return list(reader)


def test_every_row_is_whole() -> None:
    for row in rows():
        assert re.fullmatch(r"RFC \d+|XEP-\d{4}|[A-Za-z][\w .-]+", row["spec"]), row
        assert row["status"] in STATES, row
        assert row["title"], row


def test_every_file_named_is_there() -> None:
    missing = [
        (row["spec"], name)
        for row in rows()
        for name in re.split(r"[,;]\s*", row["file"] or "")
        if name and not (ROOT / name).exists()
    ]
    assert missing == []


def test_what_is_done_names_a_file() -> None:
    assert [row["spec"] for row in rows() if row["status"] != "no" and not row["file"]] == []


def test_every_standard_cited_has_a_row() -> None:
    known = {row["spec"] for row in rows()}
    missing: dict[str, str] = {}
    for path in modules():
        for match in _CITED.finditer(path.read_text(encoding="utf-8")):
            spec = f"RFC {match['rfc']}" if match["rfc"] else f"XEP-{match['xep']}"
            if spec not in known:
                missing.setdefault(spec, str(path.relative_to(ROOT)))
    assert missing == {}
