# SPDX-License-Identifier: Apache-2.0
"""ARC by ValiMail's test-suite for validators (data/arc-validation-tests.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from armgs_server.formats import mime
from armgs_server.trust import arc
from armgs_server.trust.bodies import Bodies
from armgs_server.trust.fields import split_fields
from tests.trust.conftest import MakeLookups
from tests.trust.zones import texts

SUITE = json.loads((Path(__file__).parent / "data" / "arc-validation-tests.json").read_text())


# RFC 6376 §3.5 wants at least one name in h=, §5.4 From: among them; the suite is of an early draft here.
STRICTER = {"ams_fields_h_empty": "fail"}


@pytest.mark.parametrize("scenario", SUITE, ids=lambda scenario: scenario["description"])
async def test_suite(make_lookups: MakeLookups, scenario: dict[str, Any]) -> None:
    lookups = await make_lookups(texts(scenario["txt-records"]))
    wrong = {}
    for name, case in scenario["tests"].items():
        text = case["message"].replace("\n", "\r\n").encode()
        size = mime.header_end(text, 0, len(text))
        found = await arc.validate(lookups, split_fields(text[:size]), Bodies(text, size), 1_700_000_000)
        # The suite leaves cv empty where a seal says itself that the chain has failed.
        expected = STRICTER.get(name, case["cv"].lower() or "fail")
        if found.result != expected:
            wrong[name] = (found.result, found.problem, expected)
    assert wrong == {}
