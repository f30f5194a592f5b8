# SPDX-License-Identifier: Apache-2.0
"""IMAP libraries that others' programs use: IMAPClient, and Python's imaplib."""

from __future__ import annotations

import asyncio
import imaplib
from datetime import UTC, datetime

import aioimaplib
import imapclient
from imapclient import FLAGGED, SEEN

from tests.formats.mail_samples import MIXED, PLAIN
from tests.imap.client import IVANOV, PASSWORD, TIMEOUT, Office
from tests.imap.search_index import indexed


async def test_imapclient_searches(office: Office) -> None:
    """Texts, before and after their words are indexed."""
    await asyncio.to_thread(_search_with_imapclient, office.port)
    await indexed(office)
    await asyncio.to_thread(_search_with_imapclient, office.port)


def _search_with_imapclient(port: int) -> None:
    with imapclient.IMAPClient("127.0.0.1", port, ssl=False, timeout=TIMEOUT) as client:
        client.login(IVANOV, PASSWORD)
        for capability in (b"SEARCH=FUZZY", b"MULTISEARCH", b"CONTEXT=SEARCH", b"CONTEXT=SORT", b"NOTIFY"):
            assert client.has_capability(capability)
        if not client.select_folder("INBOX")[b"EXISTS"]:
            client.append("INBOX", PLAIN)
            client.append("INBOX", MIXED)
            client.select_folder("INBOX")
        assert client.search(["TEXT", "econd lin"]) == [1]
        assert client.search(["TEXT", "ПРИВЕТ"], charset="UTF-8") == [2]
        assert client.search(["NOT", ["BODY", "line"]]) == [2]
        assert client.search(["FUZZY", "TEXT", "lines"]) == [1]


async def test_imapclient(office: Office) -> None:
    await asyncio.to_thread(_with_imapclient, office.port)


def _with_imapclient(port: int) -> None:
    with imapclient.IMAPClient("127.0.0.1", port, ssl=False, timeout=TIMEOUT) as client:
        client.login(IVANOV, PASSWORD)
        for capability in (b"IDLE", b"MOVE", b"CONDSTORE", b"SPECIAL-USE", b"UIDPLUS", b"QUOTA"):
            assert client.has_capability(capability)
        assert client.namespace().personal == (("", "/"),)
        assert client.find_special_folder(b"\\Sent") == "Sent"
        client.create_folder("Проекты/Отчёты")
        names = [name for _, _, name in client.list_folders()]
        assert "Проекты/Отчёты" in names and "INBOX" in names
        assert client.append("INBOX", PLAIN, [SEEN], datetime(2024, 1, 1, tzinfo=UTC))
        client.append("INBOX", MIXED)
        assert client.select_folder("INBOX")[b"EXISTS"] == 2
        found = client.fetch([1, 2], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "RFC822.SIZE", "BODY.PEEK[]"])
        assert found[1][b"BODY[]"] == PLAIN and found[2][b"BODY[]"] == MIXED
        assert found[1][b"ENVELOPE"].subject == b"Hello"
        assert found[1][b"ENVELOPE"].from_[0].host == b"x.example"
        assert found[1][b"FLAGS"] == (SEEN,)
        structure = found[2][b"BODYSTRUCTURE"]
        assert structure.is_multipart
        assert [part[0] for part in structure[0][0][0]] == [b"text", b"text"]
        assert client.search(["SUBJECT", "Привет"], charset="UTF-8") == []
        assert client.search(["BODY", "Привет"], charset="UTF-8") == [2]
        assert client.add_flags([2], ["$Forwarded", FLAGGED])[2] == (
            FLAGGED,
            b"$Forwarded",
        )
        client.move([1], "Проекты/Отчёты")
        assert client.folder_status("Проекты/Отчёты", ["MESSAGES", "UNSEEN"])[b"MESSAGES"] == 1
        client.delete_messages([2])
        client.uid_expunge([2])
        assert client.search("ALL") == []
        [storage] = client.get_quota()
        assert storage.resource == "STORAGE" and storage.usage >= 1
        client.idle()
        assert client.idle_check(timeout=0.05) == []
        client.idle_done()


async def test_imaplib(office: Office) -> None:
    await asyncio.to_thread(_with_imaplib, office.port)


def _with_imaplib(port: int) -> None:
    with imaplib.IMAP4("127.0.0.1", port, timeout=TIMEOUT) as client:
        client.authenticate("PLAIN", lambda _: f"\0{IVANOV}\0{PASSWORD}".encode())
        client.append("INBOX", r"(\Draft)", imaplib.Time2Internaldate(0), PLAIN)
        assert client.select() == ("OK", [b"1"])
        status, [(head, data), closing] = client.fetch("1", "(INTERNALDATE BODY.PEEK[])")
        assert (status, data, closing) == ("OK", PLAIN, b")")
        assert b'INTERNALDATE " 1-Jan-1970 00:00:00 +0000"' in head
        assert client.search(None, "DRAFT") == ("OK", [b"1"])
        assert client.store("1", "+FLAGS", r"\Deleted")[0] == "OK"
        assert client.expunge() == ("OK", [b"1"])
        assert client.close()[0] == "OK"


async def test_aioimaplib(office: Office) -> None:
    """Two of its clients: one waits in IDLE for what the other appends."""
    waiting, writing = (aioimaplib.IMAP4("127.0.0.1", office.port, timeout=TIMEOUT) for _ in range(2))
    for client in (waiting, writing):
        await client.wait_hello_from_server()
        assert (await client.login(IVANOV, PASSWORD)).result == "OK"
        assert (await client.select("INBOX")).result == "OK"
    idle = await waiting.idle_start(timeout=TIMEOUT)
    assert (await writing.append(PLAIN, "INBOX", flags=r"\Seen")).result == "OK"
    async with asyncio.timeout(TIMEOUT):
        told = []
        while b"1 EXISTS" not in told:
            told += await waiting.wait_server_push()
    waiting.idle_done()
    await idle
    result, lines = await waiting.uid("fetch", "1", "(FLAGS BODY.PEEK[])")
    assert result == "OK"
    assert bytes(PLAIN) in map(bytes, lines)
    assert (await waiting.uid_search(r"SEEN")).lines[0] == b"1"
    for client in (waiting, writing):
        assert (await client.logout()).result == "OK"
