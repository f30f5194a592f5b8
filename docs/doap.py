# SPDX-License-Identifier: Apache-2.0
"""docs/doap.xml from docs/standards.tsv: which RFC and XEP is supported, for machines (XEP-0453).

`python docs/doap.py` prints it; `make docs` writes it, and a test tells when it is old.
"""

from __future__ import annotations

import csv
import re
import sys
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parent.parent
# XEP-0453 §4.2 has no word for "not done and not decided", so such rows are left out.
STATUS = {"yes": "complete", "partial": "partial"}

HEAD = """<?xml version='1.0' encoding='UTF-8'?>
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'
         xmlns='http://usefulinc.com/ns/doap#'
         xmlns:xmpp='https://linkmauve.fr/ns/xmpp-doap#'>
  <Project>
    <name>armgs_server</name>
    <shortdesc xml:lang='en'>{description}</shortdesc>
    <license rdf:resource='https://www.apache.org/licenses/LICENSE-2.0'/>
    <programming-language>Python</programming-language>
    <os>Linux</os>
    <category rdf:resource='https://linkmauve.fr/ns/xmpp-doap#category-server'/>
"""
TAIL = """  </Project>
</rdf:RDF>
"""


def _supported() -> list[tuple[str, list[dict[str, str]]]]:
    """Each standard with those of its rows that are done at least in part, in the order of their numbers."""
    with (ROOT / "docs/standards.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    rows = [row for row in rows if re.fullmatch(r"RFC \d+|XEP-\d{4}", row["spec"])]

    def number(row: dict[str, str]) -> tuple[str, int]:
        kind, digits = re.split(r"[ -]", row["spec"])
        return kind, int(digits)

    rows.sort(key=number)
    grouped = ((spec, list(group)) for spec, group in groupby(rows, key=lambda row: row["spec"]))
    return [(spec, group) for spec, group in grouped if any(row["status"] in STATUS for row in group)]


def _xep(spec: str, rows: list[dict[str, str]]) -> str:
    whole = all(row["status"] == "yes" for row in rows)
    lacking = [row for row in rows if row["status"] != "yes"]
    notes = "; ".join(f"§{row['section']}: {row['title']} ({row['status']})" for row in lacking)
    note = f"        <xmpp:note xml:lang='en'>{escape(notes)}</xmpp:note>\n" if notes else ""
    return (
        "    <implements>\n      <xmpp:SupportedXep>\n"
        f"        <xmpp:xep rdf:resource='https://xmpp.org/extensions/{spec.lower()}.html'/>\n"
        f"        <xmpp:status>{STATUS['yes' if whole else 'partial']}</xmpp:status>\n{note}"
        "      </xmpp:SupportedXep>\n    </implements>\n"
    )


def document() -> str:
    """The whole file as text."""
    description = re.search(r'^description = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert description is not None, "pyproject.toml has no description"
    parts = [HEAD.format(description=escape(description[1]))]
    for spec, rows in _supported():
        if spec.startswith("XEP"):
            parts.append(_xep(spec, rows))
        else:
            name = spec.replace(" ", "").lower()
            parts.append(f"    <implements rdf:resource='https://www.rfc-editor.org/rfc/{name}.html'/>\n")
    return "".join(parts) + TAIL


if __name__ == "__main__":
    sys.stdout.write(document())
