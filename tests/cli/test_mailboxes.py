# SPDX-License-Identifier: Apache-2.0
"""Reading mbox, Maildir and folders of .eml."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.cli.export import mbox_entry
from armgs_server.cli.mailboxes import Found, maildir_flags, read, read_mbox
from armgs_server.errors import Invalid, NotFound
from armgs_server.storage.items import Flags, Item

LIMIT = 10_000
MBOX = b"""\
From ivanov@digital.example Thu Nov 19 08:30:00 2026
Subject: one
Status: RO
X-Status: AF

From here on it is text.
>From a quoted line
>>From a line quoted twice

From petrova@digital.example Fri Nov 20 09:00:01 +0300 2026
Subject: two

last line, no end"""


def found(path: Path, limit: int = LIMIT) -> list[Found]:
    return [one for one in read(path, limit) if isinstance(one, Found)]


def test_mbox(tmp_path: Path) -> None:
    file = tmp_path / "archive"
    file.write_bytes(MBOX)
    one, two = found(file)
    assert one.data == (
        b"Subject: one\nStatus: RO\nX-Status: AF\n\n"
        b"From here on it is text.\nFrom a quoted line\n>From a line quoted twice\n"
    )
    assert one.flags == Flags.SEEN | Flags.ANSWERED | Flags.FLAGGED
    assert one.line == 1
    assert one.received == 1795077000_000000
    assert two.data == b"Subject: two\n\nlast line, no end"
    assert two.flags == Flags(0)
    assert two.line == 10
    assert two.folder == ()


def test_mbox_with_crlf(tmp_path: Path) -> None:
    file = tmp_path / "archive.mbox"
    file.write_bytes(MBOX.replace(b"\n", b"\r\n"))
    assert [one.data for one in found(file)] == [
        b"Subject: one\r\nStatus: RO\r\nX-Status: AF\r\n\r\n"
        b"From here on it is text.\r\nFrom a quoted line\r\n>From a line quoted twice\r\n",
        b"Subject: two\r\n\r\nlast line, no end",
    ]


def test_no_mbox(tmp_path: Path) -> None:
    file = tmp_path / "x.mbox"
    file.write_bytes(b"Subject: not\n\nFrom x Thu Nov 19 08:30:00 2026\n")
    with pytest.raises(Invalid) as caught:
        list(read_mbox(file, LIMIT))
    assert caught.value.line == 1


def test_a_message_above_the_limit_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "big.mbox"
    file.write_bytes(b"From a Thu Nov 19 08:30:00 2026\n" + b"x" * 99 + b"\n" + b"y" * 99 + b"\n\n" + MBOX)
    big, one, _ = found(file, 150)
    assert (big.oversize, big.data) == (True, b"x" * 99 + b"\n")
    assert not one.oversize


@pytest.mark.parametrize(
    ("name", "flags", "keywords"),
    [
        ("1795077000.M1P2.host:2,", Flags(0), ""),
        ("1795077000.M1P2.host", Flags(0), ""),
        ("1795077000.M1P2.host:2,S", Flags.SEEN, ""),
        ("1795077000.M1P2.host:2,DFPRST", Flags(31), "$Forwarded"),
        ("1795077000.M1P2.host;2,FS", Flags.SEEN | Flags.FLAGGED, ""),
        ("1795077000.M1P2.host:2,Sab", Flags.SEEN, ""),
        ("1795077000.M1P2.host,S=120:2,R", Flags.ANSWERED, ""),
    ],
)
def test_maildir_flags(name: str, flags: Flags, keywords: str) -> None:
    assert maildir_flags(name) == (flags, keywords)


def test_maildir(tmp_path: Path) -> None:
    for folder in (".", ".Sent", ".Projects.2026", ".&BB8EQAQ4BDIENQRC-"):
        for part in ("cur", "new", "tmp"):
            (tmp_path / folder / part).mkdir(parents=True)
    put = {
        "cur/1.host:2,S": b"Subject: seen\r\n\r\n",
        "new/2.host": b"Subject: new\r\n\r\n",
        "tmp/3.host": b"Subject: unfinished\r\n\r\n",
        ".Sent/cur/4.host:2,RS": b"Subject: sent\r\n\r\n",
        ".Projects.2026/cur/5.host:2,": b"Subject: project\r\n\r\n",
        ".&BB8EQAQ4BDIENQRC-/cur/6.host:2,": b"Subject: cyrillic\r\n\r\n",
    }
    for name, data in put.items():
        (tmp_path / name).write_bytes(data)
        os.utime(tmp_path / name, (1795077000, 1795077000))
    messages = {one.data[9:-4].decode(): one for one in found(tmp_path)}
    assert messages.keys() == {"seen", "new", "sent", "project", "cyrillic"}
    assert messages["seen"].flags == Flags.SEEN
    assert messages["new"].flags == Flags(0)
    assert messages["sent"].folder == ("Sent",)
    assert messages["project"].folder == ("Projects", "2026")
    assert messages["cyrillic"].folder == ("Привет",)
    assert messages["seen"].received == 1795077000_000000


def test_folder_of_eml_with_what_else_is_there(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.eml").write_bytes(b"Subject: a\n\n\xff\x00")
    (tmp_path / "sub" / "B.EML").write_bytes(b"Subject: b\r\n\r\n")
    (tmp_path / "sub" / "old.mbox").write_bytes(MBOX)
    (tmp_path / "LICENSE").write_text("no mail")
    everything = list(read(tmp_path, LIMIT))
    messages = [one for one in everything if isinstance(one, Found)]
    assert [one for one in everything if isinstance(one, Path)] == [tmp_path / "LICENSE"]
    assert [(one.folder, one.data[:10]) for one in messages] == [
        ((), b"Subject: a"),
        ((), b"Subject: b"),
        (("sub", "old"), b"Subject: o"),
        (("sub", "old"), b"Subject: t"),
    ]
    assert messages[0].data == b"Subject: a\n\n\xff\x00"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        list(read(tmp_path / "none", LIMIT))


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=5))
def test_what_is_exported_is_read_back(tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]) -> None:
    """Byte for byte, but for the line end that mbox needs at a message's end."""
    file = tmp_path_factory.mktemp("mbox") / "box.mbox"
    item = Item(1, 1, 1, None, b"", 0, "message/rfc822", 1, 1795077000_000000, 0, 0, "")
    file.write_bytes(b"".join(mbox_entry(item, body, status=False) for body in bodies))
    expected = [body if body.endswith(b"\n") else body + b"\n" for body in bodies]
    assert [one.data for one in found(file)] == expected
