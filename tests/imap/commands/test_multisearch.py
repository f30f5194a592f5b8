# SPDX-License-Identifier: Apache-2.0
"""ESEARCH in several mailboxes (RFC 7377)."""

from __future__ import annotations

import re

import pytest

from tests.formats.mail_samples import crlf
from tests.imap.client import IVANOV, PETROVA, Client, Office

BOXES = ("INBOX", "Lists", "Lists/Work", "Lists/Work/Deep", "Misc")


@pytest.fixture
async def client(office: Office) -> Client:
    """In each mailbox a message of its own, and one that is everywhere."""
    client = await office.login()
    for name in BOXES[1:]:
        await client.ok(f"CREATE {name}")
    for name in BOXES:
        await client.append(crlf(f"Subject: only {name}\n\nText\n"), name)
        await client.append(crlf("Subject: everywhere\n\nText\n"), name, "(\\Flagged)")
    await client.ok("SUBSCRIBE Misc")
    return client


async def found(client: Client, program: str) -> dict[str, str]:
    """What is said of each mailbox."""
    answers = {}
    for line in await client.ok(f"ESEARCH {program}"):
        match = re.fullmatch(rb'\* ESEARCH \(TAG "\w+" MAILBOX (\S+) UIDVALIDITY \d+\) UID(.*)', line)
        assert match is not None, line
        assert match[1].decode() not in answers
        answers[match[1].decode()] = match[2].decode().strip()
    return answers


async def test_each_filter(client: Client) -> None:
    key = "SUBJECT everywhere"
    everywhere = dict.fromkeys(BOXES, "ALL 2")

    def some(*names: str) -> dict[str, str]:
        return {name: everywhere[name] for name in names}

    assert await found(client, f"IN (personal) {key}") == everywhere
    assert await found(client, f"IN (inboxes) {key}") == everywhere
    assert await found(client, f"IN (subscribed) {key}") == some("INBOX", "Misc")
    assert await found(client, f"IN (subtree Lists) {key}") == some("Lists", "Lists/Work", "Lists/Work/Deep")
    assert await found(client, f"IN (subtree-one Lists) {key}") == some("Lists", "Lists/Work")
    assert await found(client, f"IN (mailboxes (Misc inbox Nowhere)) {key}") == some("INBOX", "Misc")
    # Each once, whatever names it (§2.2).
    assert await found(client, f"IN (mailboxes Misc subtree Misc personal) {key}") == everywhere


async def test_only_mailboxes_with_results_are_answered_for(client: Client) -> None:
    """RFC 7377 §2.1"""
    assert await found(client, 'IN (personal) SUBJECT "only Misc"') == {"Misc": "ALL 1"}
    assert await found(client, "IN (personal) RETURN (COUNT MIN MAX) FLAGGED") == dict.fromkeys(
        BOXES, "MIN 2 MAX 2 COUNT 1"
    )
    assert await found(client, "IN (personal) RETURN (COUNT) DELETED") == {}


async def test_the_selected_mailbox(client: Client) -> None:
    assert (await client.no("ESEARCH ALL")).startswith(b"BAD")
    assert (await client.no("ESEARCH IN (selected personal) ALL")).startswith(b"BAD")
    await client.ok("SELECT Misc")
    assert await found(client, "ALL") == {"Misc": "ALL 1:2"}
    assert await found(client, "IN (selected) 2") == {"Misc": "ALL 2"}
    assert await found(client, "IN (selected mailboxes INBOX) UID 1") == {"INBOX": "ALL 1", "Misc": "ALL 1"}
    await client.ok("ESEARCH IN (selected) RETURN (SAVE) FLAGGED")
    assert await client.ok("FETCH $ UID") == [b"* 2 FETCH (UID 2)"]


@pytest.mark.parametrize(
    "command",
    [
        "ESEARCH",
        "ESEARCH IN () ALL",
        "ESEARCH IN (selected-delayed) ALL",
        "ESEARCH IN (personal (depth 1)) ALL",
        "ESEARCH IN (mailboxes) ALL",
        "ESEARCH IN (mailboxes ()) ALL",
        "ESEARCH IN (everything) ALL",
        "ESEARCH IN (personal)",
        "ESEARCH IN (personal) RETURN (SAVE) ALL",
        "ESEARCH IN (personal) RETURN (RELEVANCY) ALL",
        # Message numbers are of the selected mailbox (§2.1).
        "ESEARCH IN (personal) 1:2",
        "ESEARCH IN (personal) NOT $",
    ],
)
async def test_what_is_bad(client: Client, command: str) -> None:
    await client.ok("SELECT INBOX")
    assert (await client.no(command)).startswith(b"BAD")


async def test_rights(office: Office, client: Client) -> None:
    """What may not be read is not searched, and not said to be there."""
    petrova = await office.login(PETROVA)
    await client.ok(f"SETACL Misc {PETROVA} lr")
    await client.ok(f"SETACL Lists {PETROVA} l")
    lines = await petrova.ok('ESEARCH IN (subtree "Other Users") RETURN (COUNT) ALL')
    assert len(lines) == 1
    assert b'MAILBOX "Other Users/%b/Misc" ' % IVANOV.encode() in lines[0]
