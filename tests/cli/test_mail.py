# SPDX-License-Identifier: Apache-2.0
"""`armgs mail`: what an administrator takes back for somebody, and the language of reports."""

from __future__ import annotations

from armgs_server.cli.workplace import Workplace
from armgs_server.storage import collections, mail
from armgs_server.storage.tx import Tx
from tests.cli.conftest import IVANOV, Armgs

PETROVA = "petrova@digital.example"
TEXT = f"From: {IVANOV}\r\nTo: {PETROVA}, x@other.example\r\nMessage-ID: <1@x>\r\n\r\n".encode()


def file(armgs: Armgs, address: str, role: str) -> None:
    async def work(workplace: Workplace) -> None:
        person = await workplace.principal(address, "person")
        ref = workplace.store.blobs.small(TEXT)
        index = await mail.read_index(workplace.store.blobs, ref)

        async def append(tx: Tx) -> None:
            folder = await collections.by_role(tx, person.id, "mail", role)
            assert folder is not None
            await mail.append(tx, folder, ref, index)

        await workplace.store.write(append)

    armgs.work(work)


def test_unread_copies_are_taken_back(armgs: Armgs) -> None:
    armgs("user", "add", PETROVA)
    file(armgs, IVANOV, "sent")
    file(armgs, PETROVA, "inbox")
    done = armgs("mail", "recall", IVANOV, "1@x", "--json")
    assert done.code == 0
    assert done.json == {"taken": [PETROVA], "read": [], "elsewhere": ["x@other.example"]}
    assert armgs("mail", "recall", IVANOV, "<1@x>", "--json").json["read"] == [PETROVA]  # none is left


def test_what_was_never_sent(armgs: Armgs) -> None:
    assert armgs("mail", "recall", IVANOV, "2@x").code == 3
    assert armgs("mail", "recall", "nobody@digital.example", "1@x").code == 3


def test_the_language_of_reports(armgs: Armgs) -> None:
    async def language(workplace: Workplace) -> list[object]:
        person = await workplace.principal(IVANOV)
        department = await workplace.directory.by_id(person.department)
        assert department is not None
        return [person.data.get("language"), department.data.get("language")]

    assert armgs("mail", "language", IVANOV, "en").code == 0
    assert armgs("mail", "language", "Digital.example", "ru").code == 0
    assert armgs.work(language) == ["en", "ru"]
    assert armgs("mail", "language", IVANOV, "both").code == 0
    assert armgs.work(language) == [None, "ru"]
    assert armgs("mail", "language", IVANOV, "tlh").code == 2
    assert armgs("mail", "language", "other.example", "ru").code == 3
    assert armgs("mail", "language", "nobody@digital.example", "ru").code == 3
