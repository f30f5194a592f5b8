# SPDX-License-Identifier: Apache-2.0
"""Text of attachments is found by TEXT and FUZZY; a file that cannot be read costs nobody anything."""

from __future__ import annotations

import base64

import pytest

from tests.formats.documents import docx, ods, packed, pdf
from tests.formats.mail_samples import crlf
from tests.imap.client import PETROVA, Client, Office
from tests.imap.conftest import Offices
from tests.imap.search_index import indexed


def letter(subject: str, *files: bytes) -> bytes:
    """With files as a client sends them."""
    parts = "".join(
        "--b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"
        f"Content-Disposition: attachment; filename=f\n\n{base64.encodebytes(data).decode()}\n"
        for data in files
    )
    return crlf(
        f"Subject: {subject}\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        f"--b\n\nsee attachment\n{parts}--b--\n"
    )


async def search(client: Client, program: str) -> bytes:
    [answer] = await client.ok(b"SEARCH " + program.encode())
    return answer.removeprefix(b"* SEARCH").strip()


async def filled(office: Office, *letters: bytes) -> Client:
    client = await office.login(mailbox="INBOX")
    for each in letters:
        await client.append(each)
    await client.ok("SEARCH TEXT anything")
    await indexed(office)
    return client


async def test_what_is_found(office: Office) -> None:
    client = await filled(
        office,
        letter("one", pdf("Invoice 4711 is paid")),
        letter("two", docx("Договоры о поставке"), ods("Quarterly budget")),
        letter("three", b"\x00\x01 no document"),
    )
    assert await search(client, "TEXT 4711") == b"1"
    assert await search(client, 'TEXT "invoice 4711 is"') == b"1"
    assert await search(client, 'TEXT "invoice is"') == b""
    assert await search(client, 'TEXT "оговоры о"') == b"2"
    assert await search(client, 'FUZZY TEXT "договор budgets"') == b"2"
    assert await search(client, "FUZZY BODY invoices") == b"1"
    # BODY is the text that the message shows (RFC 9051 §6.4.4).
    assert await search(client, "BODY 4711") == b""
    assert await search(client, "BODY attachment") == b"1 2 3"


async def test_one_text_for_all_who_have_the_message(office: Office) -> None:
    """And it goes when nobody has it any more."""
    client = await filled(office, letter("one", pdf("Invoice 4711")))
    other = await office.login(PETROVA, "INBOX")
    await other.append(letter("one", pdf("Invoice 4711")))
    await other.ok("SEARCH TEXT anything")
    await indexed(office)
    assert await search(other, "TEXT 4711") == b"1"
    assert await office.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM attachment_text")) == 1
    await office.service._search_upkeep.forget()
    assert await office.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM attachment_text")) == 1
    for each in (client, other):
        await each.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await each.ok("EXPUNGE")
    await office.store.write(lambda tx: tx.execute("UPDATE blob SET refs = 0"))
    await office.service._search_upkeep.forget()
    assert await office.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM attachment_text")) == 0


@pytest.mark.parametrize(
    "bad",
    [
        b"%PDF-1.7\n" + b"9 0 obj <<" * 1000,
        packed({"word/document.xml": "<a></b>"}),
        packed({"word/document.xml": "<d>" + "<x>" * 500_000}),
    ],
)
async def test_a_hostile_file(offices: Offices, bad: bytes) -> None:
    """The message is found by the rest of it, and so are the messages behind it."""
    office = await offices(imap={"attachment_time": 10.0, "attachment_memory": 256 << 20})
    client = await filled(office, letter("bad", bad), letter("good", pdf("Invoice 4711")))
    assert await search(client, "SUBJECT bad TEXT attachment") == b"1"
    assert await search(client, "TEXT 4711") == b"2"


async def test_a_reader_that_takes_too_long_is_ended(offices: Offices) -> None:
    office = await offices(imap={"attachment_time": 1.0})
    pages = b"%PDF-1.4\n" + b"\n".join(
        b"%d 0 obj << /A (%b) >> endobj" % (n, b"x" * 50) for n in range(60_000)
    )
    client = await filled(office, letter("slow", pages), letter("good", b"nothing"))
    assert await search(client, "TEXT attachment") == b"1 2"


async def test_files_that_are_too_large_are_left_out(offices: Offices) -> None:
    office = await offices(imap={"attachment_size": 100})
    client = await filled(office, letter("one", pdf("Invoice 4711")))
    assert await search(client, "TEXT 4711") == b""
