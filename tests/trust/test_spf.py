# SPDX-License-Identifier: Apache-2.0
"""SPF by the openspf.org test-suite for RFC 7208 (data/rfc7208-tests.json), and what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from armgs_server.trust import spf
from tests.trust.conftest import MakeLookups
from tests.trust.zones import Zone, absolute, texts, txt

SUITE = json.loads((Path(__file__).parent / "data" / "rfc7208-tests.json").read_text())


def zone_of(zonedata: dict[str, list[Any]]) -> Zone:
    """As the suite's format has it: SPF stands for TXT unless there is a TXT; TIMEOUT is a failure."""
    zone: Zone = {}
    for name, records in zonedata.items():
        owner = absolute(name)
        has_txt = any("TXT" in record for record in records if isinstance(record, dict))
        for record in records:
            if record == "TIMEOUT":
                zone[owner, "SERVFAIL"] = []
                continue
            [(kind, value)] = record.items()
            if kind == "SPF" and not has_txt:
                kind = "TXT"
            if kind in ("SPF", "CNAME") or value == "NONE":
                continue
            zone.setdefault((owner, kind), []).append(data_of(kind, value))
    for name, records in zonedata.items():
        for record in records:
            if isinstance(record, dict) and "CNAME" in record:  # the resolver would have followed it
                target = absolute(record["CNAME"])
                found = {kind: data for (owner, kind), data in zone.items() if owner == target}
                zone |= {(absolute(name), kind): data for kind, data in found.items()}
    return zone


def data_of(kind: str, value: Any) -> str:
    if kind == "TXT":
        return txt(*((value or [""]) if isinstance(value, list) else [value]))
    if kind == "MX":
        return f"{value[0]} {absolute(value[1]) if value[1] else '.'}"
    return absolute(value) if kind == "PTR" else str(value)


@pytest.mark.parametrize("scenario", SUITE, ids=lambda scenario: scenario["description"])
async def test_suite(make_lookups: MakeLookups, scenario: dict[str, Any]) -> None:
    lookups = await make_lookups(zone_of(scenario["zonedata"]))
    wrong = {}
    for name, case in scenario["tests"].items():
        expected = case["result"] if isinstance(case["result"], list) else [case["result"]]
        found = await spf.check(lookups, case["host"], case["helo"], case["mailfrom"])
        if found.result not in expected:
            wrong[name] = (found, expected)
    assert wrong == {}


async def test_null_sender_is_judged_by_its_greeting(make_lookups: MakeLookups) -> None:
    lookups = await make_lookups(texts({"mx.other.example": "v=spf1 ip4:192.0.2.1 -all"}))
    assert await spf.check(lookups, "192.0.2.1", "mx.other.example", "") == spf.Outcome(
        "pass", "mx.other.example", "helo"
    )
    found = await spf.check(lookups, "192.0.2.2", "mx.other.example", "")
    assert found.result == "fail"


async def test_mapped_address_is_the_ipv4_one(make_lookups: MakeLookups) -> None:
    lookups = await make_lookups(texts({"other.example": "v=spf1 ip4:192.0.2.1 -all"}))
    found = await spf.check(lookups, "::ffff:192.0.2.1", "mx.other.example", "bob@other.example")
    assert found.result == "pass"


async def test_records_that_name_each_other_end(make_lookups: MakeLookups) -> None:
    lookups = await make_lookups(
        texts({"a.example": "v=spf1 include:b.example -all", "b.example": "v=spf1 include:a.example -all"})
    )
    found = await spf.check(lookups, "192.0.2.1", "a.example", "bob@a.example")
    assert (found.result, found.problem) == ("permerror", "more than ten terms need the DNS")


async def test_greeting_that_is_no_name_is_nothing(make_lookups: MakeLookups) -> None:
    lookups = await make_lookups({})
    for helo in ("[192.0.2.1]", "localhost", "a..example", ""):
        assert (await spf.check(lookups, "192.0.2.1", helo, "")).result == "none"
