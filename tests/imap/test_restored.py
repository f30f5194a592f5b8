# SPDX-License-Identifier: Apache-2.0
"""What was expunged is in Restored, for its owner, in any client: read, moved back, expunged for good."""

from __future__ import annotations

from armgs_server.storage import accounts
from tests.imap.client import DOMAIN, IVANOV, PETROVA, Client, Office
from tests.imap.conftest import Offices

LETTER = b"Subject: letter\r\n\r\ntext\r\n"


async def make(offices: Offices, url: str = "sqlite") -> Office:
    return await offices(url, imap={"undelete_days": 30})


async def expunged(office: Office, mailbox: str = "INBOX") -> Client:
    """ivanov, who has just expunged a letter."""
    client = await office.login()
    await client.append(LETTER, mailbox, r"(\Seen)")
    await client.ok(f"SELECT {mailbox}")
    await client.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    assert await client.ok("EXPUNGE") == [b"* 1 EXPUNGE"]
    return client


async def test_a_person_takes_a_message_back(store_url: str, offices: Offices) -> None:
    office = await make(offices, store_url)
    watcher = await office.login(mailbox="INBOX")
    client = await expunged(office)
    assert rb'* LIST (\HasNoChildren) "/" Restored/INBOX' in await client.ok('LIST "" "Restored/*"')
    assert rb'* LIST (\Noselect \HasChildren) "/" Restored' in await client.ok('LIST "" Restored')
    lines = await client.ok("SELECT Restored/INBOX")
    assert rb"* OK [PERMANENTFLAGS (\Deleted)] kept" in lines
    assert await client.ok("FETCH 1 (FLAGS BODY[TEXT])") == [
        b"* 1 FETCH (FLAGS (\\Seen) BODY[TEXT] {6}\r\ntext\r\n)"
    ]
    await watcher.ok("NOOP")
    tag = await watcher.idle()
    moved = await client.ok("MOVE 1 INBOX")
    assert moved[0].startswith(b"* OK [COPYUID ") and moved[1] == b"* 1 EXPUNGE"
    assert await watcher.line() == b"* 1 EXISTS"
    await watcher.done(tag)
    assert await watcher.ok("FETCH 1 (FLAGS)") == [rb"* 1 FETCH (FLAGS (\Seen))"]


async def test_who_has_it_open_sees_it_come(offices: Offices) -> None:
    office = await make(offices)
    await expunged(office)
    watcher = await office.login(mailbox="Restored/INBOX")
    tag = await watcher.idle()
    client = await office.login(mailbox="INBOX")
    await client.append(LETTER, options=r"(\Deleted)")
    await client.ok("CLOSE")
    assert await watcher.line() == b"* 2 EXISTS"
    await watcher.done(tag)


async def test_nothing_else_comes_there(offices: Offices) -> None:
    office = await make(offices)
    client = await expunged(office)
    assert (await client.append(LETTER, "Restored/INBOX")).startswith(b"NO [NOPERM]")
    await client.append(LETTER)
    await client.ok("SELECT INBOX")
    assert (await client.no("COPY 1 Restored/INBOX")).startswith(b"NO [NOPERM]")
    for command in ("CREATE Restored/mine", "RENAME Drafts Restored/mine"):
        assert (await client.no(command)).startswith(b"NO [CANNOT]")
    for command in ("DELETE Restored/INBOX", "RENAME Restored mine"):
        assert (await client.no(command)).startswith(b"NO [NOPERM]")
    await client.ok("SELECT Restored/INBOX")
    assert (await client.no(r"STORE 1 +FLAGS (\Flagged)")).startswith(b"NO [NOPERM]")
    assert b"* MYRIGHTS Restored/INBOX lrted" in await client.ok("MYRIGHTS Restored/INBOX")


async def test_expunged_once_more_it_is_gone(offices: Offices) -> None:
    office = await make(offices)
    client = await expunged(office)
    ivanov = await office.directory.by_address(IVANOV)
    assert ivanov is not None
    usage = await office.store.read(lambda tx: accounts.usage(tx, ivanov.id))
    assert (usage.items, usage.bytes) == (0, 0)
    await client.ok("SELECT Restored/INBOX")
    await client.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    assert await client.ok("EXPUNGE") == [b"* 1 EXPUNGE"]
    assert await client.ok("STATUS Restored/INBOX (MESSAGES)") == [b"* STATUS Restored/INBOX (MESSAGES 0)"]


async def test_a_mailbox_that_is_deleted(offices: Offices) -> None:
    office = await make(offices)
    client = await office.login()
    await client.ok("CREATE Projects/2026")
    await client.append(LETTER, "Projects/2026")
    await client.ok("DELETE Projects/2026")
    assert b"* STATUS Restored/Projects/2026 (MESSAGES 1)" in await client.ok(
        "STATUS Restored/Projects/2026 (MESSAGES)"
    )


async def test_others_do_not_see_it(offices: Offices) -> None:
    office = await make(offices)
    owner, other = await office.login(), await office.login(PETROVA)
    await owner.ok(f"SETACL INBOX petrova@{DOMAIN} lrstwie")
    name = f'"Other Users/{IVANOV}/'
    await other.append(LETTER, f'{name}INBOX"', r"(\Deleted)")
    await other.ok(f'SELECT {name}INBOX"')
    await other.ok("EXPUNGE")
    assert (await other.no(f'SELECT {name}Restored/INBOX"')).startswith(b"NO [NONEXISTENT]")
    assert await owner.ok("STATUS Restored/INBOX (MESSAGES)") == [b"* STATUS Restored/INBOX (MESSAGES 1)"]


async def test_switched_off_it_is_gone_at_once(offices: Offices) -> None:
    office = await offices(imap={"undelete_days": 0})
    client = await expunged(office)
    assert await client.ok('LIST "" "Restored*"') == []
