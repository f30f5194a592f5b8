# SPDX-License-Identifier: Apache-2.0
"""`armgs mailbox`: posts, shares and delegates."""

from __future__ import annotations

from pathlib import Path

from armgs_server.cli.workplace import Workplace
from armgs_server.formats import mime
from armgs_server.storage import collections, mail
from armgs_server.storage.tx import Tx
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


def test_the_mail_of_a_post_is_taken_out(armgs: Armgs, tmp_path: Path) -> None:
    armgs("mailbox", "open", POST, "--member", IVANOV)
    letter = tmp_path / "letter.eml"
    letter.write_bytes(b"Subject: letter\r\n\r\ntext\r\n")

    async def put(workplace: Workplace) -> None:
        post = await workplace.principal(POST, "group")
        data = letter.read_bytes()

        async def work(tx: Tx) -> None:
            inbox = await collections.by_role(tx, post.id, "mail", "inbox")
            assert inbox is not None
            await mail.append(tx, inbox, workplace.store.blobs.small(data), mime.index(data))

        await workplace.store.write(work)

    armgs.work(put)
    out = tmp_path / "out"
    exported = armgs("export", POST, out, "--json")
    assert exported.json["messages"] == 1
    assert b"Subject: letter" in (out / "mail" / "INBOX.mbox").read_bytes()
    assert not (out / "chat.xml").exists()


def test_a_post_has_rules(armgs: Armgs, tmp_path: Path) -> None:
    armgs("mailbox", "open", POST, "--member", IVANOV)
    script = tmp_path / "rules.sieve"
    script.write_text("keep;")
    assert armgs("sieve", "put", POST, "rules", script, "--activate").code == 0
    assert [each["name"] for each in armgs("sieve", "list", POST, "--json").json] == ["rules"]


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
