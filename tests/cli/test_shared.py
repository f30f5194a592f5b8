# SPDX-License-Identifier: Apache-2.0
"""`armgs mailbox`: posts, shares and delegates."""

from __future__ import annotations

from tests.cli.conftest import IVANOV, Armgs

PETROVA = "petrova@digital.example"
POST = "minister@digital.example"


def test_life_of_a_post(armgs: Armgs) -> None:
    armgs("user", "add", PETROVA)
    opened = armgs(
        "mailbox", "open", POST, "--name", "Министр", "--member", IVANOV, "--deputy", PETROVA, "--json"
    )
    assert opened.json == {
        "address": POST,
        "name": "Министр",
        "members": [IVANOV],
        "deputies": [PETROVA],
        "messages": 0,
        "bytes": 0,
        "quota": opened.json["quota"],
    }
    assert armgs("mailbox", "open", POST).code != 0
    assert armgs("group", "member-remove", POST, IVANOV).code == 0
    assert armgs("mailbox", "deputies", POST).code == 0
    [listed] = armgs("mailbox", "list", "--json").json
    assert (listed["members"], listed["deputies"]) == ([], [])
    assert armgs("mailbox", "close", POST).code == 0
    assert armgs("mailbox", "list", "--json").json == []
    assert armgs("mailbox", "open", POST, "--quota", 1000, "--json").json["quota"] == 1000
    assert armgs("mailbox", "open", IVANOV).code != 0


def test_a_mailbox_is_shared(armgs: Armgs) -> None:
    armgs("user", "add", PETROVA)
    assert armgs("mailbox", "share", IVANOV, PETROVA, "read").code == 0
    assert armgs("mailbox", "share", IVANOV, PETROVA, "lrs", "--mailbox", "Archive").code == 0
    assert armgs("mailbox", "share", IVANOV, PETROVA, "read", "--mailbox", "Nothing").code != 0
    assert armgs("mailbox", "share", IVANOV, PETROVA, "?").code != 0
    assert armgs("mailbox", "shares", IVANOV, "--json").json == [
        {"grantee": PETROVA, "what": "INBOX", "rights": "lrs"},
        {"grantee": PETROVA, "what": "Archive", "rights": "lrs"},
    ]
    assert armgs("mailbox", "share", IVANOV, PETROVA, "none").code == 0
    assert armgs("mailbox", "share", IVANOV, PETROVA, "none", "--mailbox", "Archive").code == 0
    assert armgs("mailbox", "shares", IVANOV, "--json").json == []


def test_who_writes_in_whose_name(armgs: Armgs) -> None:
    armgs("user", "add", PETROVA)
    for manner in ("as", "on-behalf"):
        assert armgs("mailbox", "delegate", IVANOV, PETROVA, manner).code == 0
        assert armgs("mailbox", "shares", IVANOV, "--json").json == [
            {"grantee": PETROVA, "what": "send", "rights": manner}
        ]
    assert armgs("mailbox", "delegate", IVANOV, PETROVA, "none").code == 0
    assert armgs("mailbox", "shares", IVANOV, "--json").json == []
    assert armgs("mailbox", "delegate", "digital.example", PETROVA, "as").code != 0
