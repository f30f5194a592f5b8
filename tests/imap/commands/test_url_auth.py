# SPDX-License-Identifier: Apache-2.0
"""URLAUTH (RFC 4467): a URL opens what it names to whom it says, until it ends or the key is reset."""

from __future__ import annotations

import re

import pytest

from tests.imap.client import IVANOV, PETROVA, Client, Office

MESSAGE = b"Subject: test\r\n\r\nthe text\r\n"
RUMP = "imap://ivanov%40digital.example@localhost/INBOX/;UID=1"
PETROVA_ONLY = f"{RUMP};URLAUTH=user+petrova%40digital.example"


@pytest.fixture
async def ivanov(office: Office) -> Client:
    client = await office.login(mailbox="INBOX")
    await client.append(MESSAGE)
    return client


async def generate(client: Client, rump: str) -> str:
    [line] = await client.ok(f'GENURLAUTH "{rump}" INTERNAL')
    found = re.fullmatch(r'\* GENURLAUTH "(.+)"', line.decode())
    assert found is not None, line
    return found[1]


async def fetch(client: Client, url: str) -> bytes | None:
    [line] = await client.ok(f'URLFETCH "{url}"')
    head = f'* URLFETCH "{url}" '.encode()
    assert line.startswith(head), line
    value = line.removeprefix(head)
    return None if value == b"NIL" else value.partition(b"\r\n")[2]


async def test_it_opens_a_message_to_somebody(ivanov: Client, office: Office) -> None:
    url = await generate(ivanov, PETROVA_ONLY)
    assert url.startswith(f"{PETROVA_ONLY}:internal:01")
    petrova = await office.login(PETROVA)
    assert await fetch(petrova, url) == MESSAGE
    assert await fetch(ivanov, url) is None, "it is for petrova"


async def test_a_part_of_it(ivanov: Client, office: Office) -> None:
    url = await generate(ivanov, f"{RUMP}/;SECTION=TEXT/;PARTIAL=4.4;URLAUTH=authuser")
    assert await fetch(await office.login(PETROVA), url) == b"text"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (";UID=1", ";UID=2"),
        ("petrova", "ivanov"),
        (":internal:01", ":internal:02"),
        ("localhost", "localhosts"),
    ],
)
async def test_a_url_that_was_changed(ivanov: Client, office: Office, old: str, new: str) -> None:
    await ivanov.append(MESSAGE)
    url = await generate(ivanov, PETROVA_ONLY)
    for client in (ivanov, await office.login(PETROVA)):
        assert await fetch(client, url.replace(old, new, 1)) is None


async def test_it_ends(ivanov: Client) -> None:
    past = await generate(ivanov, f"{RUMP};EXPIRE=2020-01-01T00:00:00Z;URLAUTH=anonymous")
    future = await generate(ivanov, f"{RUMP};EXPIRE=2100-01-01T00:00:00Z;URLAUTH=anonymous")
    assert await fetch(ivanov, past) is None
    assert await fetch(ivanov, future) == MESSAGE


@pytest.mark.parametrize("command", ["RESETKEY", "RESETKEY INBOX", "RESETKEY INBOX INTERNAL"])
async def test_a_new_key_ends_all_urls_of_the_old_one(ivanov: Client, command: str) -> None:
    url = await generate(ivanov, f"{RUMP};URLAUTH=anonymous")
    assert await fetch(ivanov, url) == MESSAGE
    *_, answer = await ivanov.command(command)
    assert answer.startswith(b"OK [URLMECH INTERNAL]" if "INBOX" in command else b"OK ")
    assert await fetch(ivanov, url) is None
    assert await fetch(ivanov, await generate(ivanov, f"{RUMP};URLAUTH=anonymous")) == MESSAGE


async def test_what_its_maker_loses_it_opens_no_more(ivanov: Client, office: Office) -> None:
    petrova = await office.login(PETROVA)
    await petrova.append(MESSAGE)
    await petrova.ok(f"SETACL INBOX {IVANOV} lr")
    rump = f"imap://ivanov%40digital.example@localhost/Other%20Users/{PETROVA}/INBOX/;UID=1;URLAUTH=anonymous"
    url = await generate(ivanov, rump)
    assert await fetch(petrova, url) == MESSAGE
    await petrova.ok(f"DELETEACL INBOX {IVANOV}")
    assert await fetch(petrova, url) is None


async def test_nobody_is_a_submission_server(ivanov: Client) -> None:
    url = await generate(ivanov, f"{RUMP};URLAUTH=submit+ivanov%40digital.example")
    assert await fetch(ivanov, url) is None


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("GENURLAUTH", b"BAD"),
        (f'GENURLAUTH "{RUMP}" INTERNAL', b"BAD"),
        (f'GENURLAUTH "{RUMP};URLAUTH=anonymous" MD5', b"BAD"),
        (f'GENURLAUTH "{RUMP.replace("ivanov", "petrova")};URLAUTH=anonymous" INTERNAL', b"BAD"),
        (f'GENURLAUTH "{RUMP.replace("localhost", "elsewhere")};URLAUTH=anonymous" INTERNAL', b"BAD"),
        (f'GENURLAUTH "{RUMP.replace("INBOX", "Nothing")};URLAUTH=anonymous" INTERNAL', b"NO [NONEXISTENT]"),
        ("URLFETCH", b"BAD"),
        ("RESETKEY Nothing", b"NO [NONEXISTENT]"),
    ],
)
async def test_what_is_refused(ivanov: Client, command: str, answer: bytes) -> None:
    assert (await ivanov.no(command)).startswith(answer)


async def test_nonsense_opens_nothing(ivanov: Client) -> None:
    for url in ("", "imap://x", f"{RUMP}", f"{RUMP}/;SECTION=9.9.9;URLAUTH=anonymous:internal:{'00' * 33}"):
        assert await fetch(ivanov, url) is None
