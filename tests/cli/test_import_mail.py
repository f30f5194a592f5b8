# SPDX-License-Identifier: Apache-2.0
"""`armgs import mail`: every byte, flag and folder; and the real-world messages where they are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from armgs_server.cli.workplace import Workplace
from armgs_server.storage import collections, items
from armgs_server.storage.items import Flags, Item
from tests.cli.conftest import IVANOV, Armgs

SHARED = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "mail"
# Messages as broken as real ones: no header, no body, bare LF, NUL, 8-bit, a MIME tree that never ends.
BROKEN = {
    "no-header.eml": b"\r\nonly a body\r\n",
    "no-body.eml": b"Subject: no body",
    "lf.eml": b"Subject: lf\nFrom: a@b\n\nbare LF\n",
    "cr.eml": b"Subject: cr\rFrom: a@b\r\rbare CR\r",
    "nul.eml": b"Subject: n\0l\r\n\r\n\0\0\r\n",
    "latin.eml": b"Subject: \xe9t\xe9\r\nFrom: \xff\xfe\r\n\r\n\xe9\r\n",
    "open.eml": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: m/a\r\n\r\n--x",
    "long.eml": b"Subject: " + b"x" * 100_000 + b"\r\n\r\n" + b"y" * 200_000,
    "date.eml": b"Date: yesterday, I think\r\nMessage-ID: <<>\r\nTo: <<,;:\r\n\r\n",
}


def messages(armgs: Armgs, *path: str) -> list[tuple[Item, bytes]]:
    async def work(workplace: Workplace) -> list[tuple[Item, bytes]]:
        person = await workplace.principal(IVANOV)
        mailbox = await workplace.store.read(lambda tx: collections.by_path(tx, person.id, "mail", path))
        assert mailbox is not None
        found = await workplace.store.read(lambda tx: items.scan(tx, person.id, mailbox.id))
        assert mailbox.items == len(found)
        return [(item, await workplace.store.blobs.read(item.blob)) for item in found]

    return armgs.work(work)


def test_broken_messages_byte_for_byte(armgs: Armgs, tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    folder.mkdir()
    for name, data in BROKEN.items():
        (folder / name).write_bytes(data)
    done = armgs("import", "mail", IVANOV, folder, "--json")
    assert (done.code, done.json["accepted"], done.json["refused"]) == (0, len(BROKEN), [])
    assert {data for _, data in messages(armgs, "INBOX")} == set(BROKEN.values())
    usage = armgs("user", "show", IVANOV, "--json").json
    assert (usage["items"], usage["bytes"]) == (len(BROKEN), sum(map(len, BROKEN.values())))


def test_what_is_refused_is_told(armgs: Armgs, tmp_path: Path) -> None:
    file = armgs.path / "armgs.toml"
    file.write_text(file.read_text() + "\n[imap]\nmessage_size = 65536\n")
    folder = tmp_path / "mail"
    folder.mkdir()
    (folder / "1.eml").write_bytes(b"Subject: good\r\n\r\n")
    (folder / "2.eml").write_bytes(b"")
    (folder / "3.eml").write_bytes(b"x" * 65537)
    (folder / "4.txt").write_text("something else")
    done = armgs("import", "mail", IVANOV, folder, "--json")
    assert done.code == 8
    assert done.json == {
        "accepted": 1,
        "unchanged": 0,
        "refused": [
            {"file": str(folder / "2.eml"), "line": 0, "reason": "empty: not a message"},
            {
                "file": str(folder / "3.eml"),
                "line": 0,
                "reason": "larger than 65536 bytes ([imap] message_size)",
            },
        ],
        "ignored": [str(folder / "4.txt")],
    }
    shown = armgs("import", "mail", IVANOV, folder)
    assert "1 messages imported, 2 refused" in shown.err
    assert "empty: not a message" in shown.out


def test_over_quota_takes_what_fits(armgs: Armgs, tmp_path: Path) -> None:
    file = armgs.path / "armgs.toml"
    file.write_text(file.read_text() + "\n[limits]\nquota = 1000\n")
    armgs("user", "add", "petrova@digital.example")
    box = tmp_path / "box.mbox"
    box.write_bytes(b"".join(b"From a Thu Nov 19 08:30:00 2026\n" + b"x" * 399 + b"\n\n" for _ in range(4)))
    done = armgs("import", "mail", "petrova@digital.example", box, "--json")
    assert done.code == 8
    assert done.json["accepted"] == 2
    assert [(one["line"], "limit" in one["reason"]) for one in done.json["refused"]] == [
        (7, True),
        (10, True),
    ]


def test_maildir_keeps_flags_and_folders(armgs: Armgs, tmp_path: Path) -> None:
    maildir = tmp_path / "Maildir"
    for name in ("cur/1:2,RS", ".Sent/cur/2:2,S", ".Projects.2026/new/3"):
        file = maildir / name
        for part in ("cur", "new", "tmp"):
            (file.parent.parent / part).mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"Subject: {name}\r\n\r\n".encode())
    assert armgs("import", "mail", IVANOV, maildir).code == 0
    ((inbox, _),) = messages(armgs, "INBOX")
    assert inbox.flags == Flags.SEEN | Flags.ANSWERED
    ((_, sent),) = messages(armgs, "Sent")
    assert sent == b"Subject: .Sent/cur/2:2,S\r\n\r\n"
    ((project, _),) = messages(armgs, "Projects", "2026")
    assert project.flags == 0


def test_folder_and_dates(armgs: Armgs, tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.write_bytes(b"From a Thu Nov 19 08:30:00 2020\nDate: Wed, 18 Nov 2020 10:00:00 +0000\n\nbody\n")
    mail = tmp_path / "one.eml"
    mail.write_bytes(b"Date: Wed, 18 Nov 2020 10:00:00 +0000\n\nbody\n")
    for path in (box, mail):
        assert armgs("import", "mail", IVANOV, path, "--folder", "Old/2020").code == 0
    found = [item.created for item, _ in messages(armgs, "Old", "2020")]
    assert found == [1605774600_000000, 1605693600_000000]


def test_crlf(armgs: Armgs, tmp_path: Path) -> None:
    mail = tmp_path / "one.eml"
    mail.write_bytes(b"Subject: x\n\nunix\r\nand dos\n")
    assert armgs("import", "mail", IVANOV, mail, "--crlf").code == 0
    assert [data for _, data in messages(armgs, "INBOX")] == [b"Subject: x\r\n\r\nunix\r\nand dos\r\n"]


@pytest.mark.parametrize("folder", ["", "a//b", "x" * 300, "a*"])
def test_folder_names_that_no_client_can_use(armgs: Armgs, tmp_path: Path, folder: str) -> None:
    mail = tmp_path / "one.eml"
    mail.write_bytes(b"Subject: x\n\n")
    assert armgs("import", "mail", IVANOV, mail, "--folder", folder).code == 5


def test_nobody_and_nothing(armgs: Armgs, tmp_path: Path) -> None:
    assert armgs("import", "mail", "nobody@digital.example", tmp_path).code == 3
    assert armgs("import", "mail", IVANOV, tmp_path / "none").code == 3


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/mail is not there")
def test_real_messages_byte_for_byte(armgs: Armgs) -> None:
    done = armgs("import", "mail", IVANOV, SHARED, "--json")
    originals = sorted(path.read_bytes() for path in SHARED.rglob("*.eml"))
    assert len(originals) == 103
    assert (done.json["accepted"], done.json["refused"]) == (103, [])
    assert sorted(data for _, data in messages(armgs, "INBOX")) == originals
