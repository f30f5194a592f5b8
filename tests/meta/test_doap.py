# SPDX-License-Identifier: Apache-2.0
"""docs/doap.xml says what docs/standards.tsv says."""

from __future__ import annotations

import subprocess
import sys

import lxml.etree

from tests.meta.sources import ROOT
from tests.meta.test_citations import rows

XMPP = "{https://linkmauve.fr/ns/xmpp-doap#}"
RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"


def test_doap_is_what_the_table_says() -> None:
    made = subprocess.run(
        [sys.executable, str(ROOT / "docs/doap.py")], capture_output=True, check=True, timeout=60
    ).stdout
    assert (ROOT / "docs/doap.xml").read_bytes() == made, "run 'make docs' and commit docs/doap.xml"


def test_a_xep_done_in_part_is_not_called_complete() -> None:
    document = lxml.etree.parse(str(ROOT / "docs/doap.xml"))
    told = {
        element.find(f"{XMPP}xep").get(RESOURCE)[-13:-5].upper(): element.find(f"{XMPP}status").text
        for element in document.iter(f"{XMPP}SupportedXep")
    }
    states: dict[str, set[str]] = {}
    for row in rows():
        if row["spec"].startswith("XEP-"):
            states.setdefault(row["spec"], set()).add(row["status"])
    assert told == {
        spec: "complete" if found == {"yes"} else "partial"
        for spec, found in states.items()
        if found != {"no"}
    }
