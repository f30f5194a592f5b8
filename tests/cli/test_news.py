# SPDX-License-Identifier: Apache-2.0
"""`armgs news`: what an administrator does with news."""

from __future__ import annotations

from tests.cli.conftest import IVANOV, Armgs

DOMAIN = IVANOV.partition("@")[2]


def test_life_of_a_post(armgs: Armgs) -> None:
    made = armgs("news", "post", IVANOV, "A day off", "--must-read", "--json", stdin="On Friday.\n").json
    assert made["url"].endswith(f"/news?post={made['id']}")
    assert armgs("news", "post", IVANOV, "", "--text", "x").code != 0
    assert armgs("news", "post", f"nobody@{DOMAIN}", "x", "--text", "x").code != 0
    [listed] = armgs("news", "list", DOMAIN, "--json").json
    assert (listed["id"], listed["title"], listed["must-read"]) == (made["id"], "A day off", "yes")
    people = armgs("news", "readers", DOMAIN, made["id"], "--json").json
    assert [each["read"] for each in people if each["address"] == IVANOV] == [""]
    assert armgs("news", "readers", DOMAIN, 1).code != 0
    assert armgs("news", "remove", DOMAIN, made["id"]).code == 0
    assert armgs("news", "remove", DOMAIN, made["id"]).code != 0
    assert armgs("news", "list", DOMAIN, "--json").json == []


def test_editors(armgs: Armgs) -> None:
    assert armgs("news", "editors", DOMAIN, IVANOV).code == 0
    assert armgs("news", "editors", DOMAIN, f"nobody@{DOMAIN}").code != 0
    assert armgs("news", "editors", IVANOV).code != 0
    assert armgs("news", "editors", DOMAIN).code == 0
