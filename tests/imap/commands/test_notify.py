# SPDX-License-Identifier: Apache-2.0
"""NOTIFY (RFC 5465): one client asks to be told, a second one changes things; nothing is asked for again."""

from __future__ import annotations

import pytest

from tests.formats.mail_samples import crlf
from tests.imap.client import IVANOV, PETROVA, Client, Office
from tests.imap.conftest import Offices

LETTER = crlf("From: ann@x.example\nSubject: news\n\nText\n")
EVENTS = (
    b"MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange"
    b" ServerMetadataChange"
)


@pytest.fixture
async def watcher(office: Office) -> Client:
    """Has INBOX, with two messages, open; Lists and Lists/Work are there, too."""
    client = await office.login(mailbox="INBOX")
    for name in ("Lists/Work", "Misc"):
        await client.ok(f"CREATE {name}")
    await client.append(LETTER)
    await client.append(LETTER, options="(\\Seen)")
    await client.ok("NOOP")
    return client


@pytest.fixture
async def other(office: Office, watcher: Client) -> Client:
    """The same person elsewhere, with INBOX open."""
    return await office.login(mailbox="INBOX")


async def told(client: Client) -> bytes:
    """The next thing the client is told, but for RECENT, which is no event."""
    while (line := await client.line()).endswith(b" RECENT"):
        pass
    return line


async def after(client: Client, command: str) -> list[bytes]:
    """What a command is answered, without RECENT."""
    return [line for line in await client.ok(command) if not line.endswith(b" RECENT")]


BAD = [
    "NOTIFY",
    "NOTIFY BOGUS",
    "NOTIFY NONE (personal NONE)",
    "NOTIFY SET",
    "NOTIFY SET STATUS",
    "NOTIFY SET ()",
    "NOTIFY SET personal (MailboxName)",
    "NOTIFY SET (everything (MailboxName))",
    "NOTIFY SET (personal)",
    "NOTIFY SET (personal ())",
    "NOTIFY SET (personal MailboxName)",
    "NOTIFY SET (personal (MailboxName) )",
    "NOTIFY SET (subtree (MailboxName))",
    "NOTIFY SET (subtree-one Lists (MailboxName))",
    "NOTIFY SET (mailboxes () (MailboxName))",
    "NOTIFY SET (personal INBOX (MailboxName))",
    # RFC 5465 §5: which go together
    "NOTIFY SET (personal (MessageNew))",
    "NOTIFY SET (selected (MessageExpunge))",
    "NOTIFY SET (personal (FlagChange))",
    "NOTIFY SET (personal (AnnotationChange))",
    # RFC 5465 §6.1
    "NOTIFY SET (selected NONE) (selected-delayed NONE)",
    "NOTIFY SET (selected (MailboxName))",
    # §5.2: attributes are of the selected mailbox, and no macros
    "NOTIFY SET (personal (MessageNew (UID) MessageExpunge))",
    "NOTIFY SET (selected (MessageNew () MessageExpunge))",
    "NOTIFY SET (selected (MessageNew (ALL) MessageExpunge))",
    "NOTIFY SET (selected (MessageNew (BODY.PEEK[FOO]) MessageExpunge))",
    "NOTIFY SET (selected (MessageNew MessageExpunge (UID)))",
]


@pytest.mark.parametrize("command", BAD)
async def test_what_is_bad(watcher: Client, command: str) -> None:
    assert (await watcher.no(command)).startswith(b"BAD")


@pytest.mark.parametrize(
    "groups",
    [
        "(selected (MessageNew MessageExpunge AnnotationChange))",
        "(personal (MailboxName FutureEvent))",
        "(selected (FutureEvent))",
    ],
)
async def test_events_that_are_not_known_are_refused_with_those_that_are(
    watcher: Client, groups: str
) -> None:
    """RFC 5465 §3.1"""
    assert (await watcher.no(f"NOTIFY SET {groups}")).startswith(b"NO [BADEVENT (%b)] " % EVENTS)


async def test_any_case_and_every_filter(watcher: Client) -> None:
    await watcher.ok(
        "notify set status (SELECTED-delayed (messagenew (uid body.peek[header.fields (subject)]<0.10>)"
        " MESSAGEEXPUNGE flagchange)) (personal NONE) (inboxes (mailboxname)) (subscribed NONE)"
        ' (subtree (Lists "Misc") (SubscriptionChange)) (mailboxes NONE NONE) (subtree Lists NONE)'
    )
    await watcher.ok("NOTIFY NONE")


async def test_it_needs_somebody_who_is_logged_in(office: Office) -> None:
    assert (await (await office.connect()).no("NOTIFY NONE")).startswith(b"BAD")


# The selected mailbox.


async def test_new_messages_come_at_once_with_what_was_asked_of_them(watcher: Client, other: Client) -> None:
    """RFC 5465 §5.2"""
    await watcher.ok(
        "NOTIFY SET (selected (MessageNew (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)]) MessageExpunge))"
    )
    await other.append(LETTER, options="(\\Flagged)")
    assert await told(watcher) == b"* 3 EXISTS"
    assert (await told(watcher)) == (
        b"* 3 FETCH (UID 3 FLAGS (\\Flagged) BODY[HEADER.FIELDS (SUBJECT)] {17}\r\nSubject: news\r\n\r\n)"
    )
    assert await watcher.ok("FETCH 3 FLAGS") == [b"* 3 FETCH (FLAGS (\\Flagged))"]


async def test_expunges_and_flags_come_at_once(watcher: Client, other: Client) -> None:
    """RFC 5465 §5.1, §5.3"""
    await watcher.ok("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))")
    await other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert await told(watcher) == b"* 1 FETCH (UID 1 FLAGS (\\Deleted))"
    await other.ok("EXPUNGE")
    assert await told(watcher) == b"* 1 EXPUNGE"


async def test_flags_are_told_only_where_they_were_asked_for(watcher: Client, other: Client) -> None:
    await watcher.ok("NOTIFY SET (selected (MessageNew MessageExpunge))")
    await other.ok("STORE 1 +FLAGS (\\Flagged)")
    await other.append(LETTER)
    assert await told(watcher) == b"* 3 EXISTS"
    assert await after(watcher, "NOOP") == []


async def test_delayed_expunges_wait_for_a_command_that_allows_them(watcher: Client, other: Client) -> None:
    """RFC 5465 §6.1, RFC 3501 §7.4.1"""
    await watcher.ok("NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange))")
    await other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert await told(watcher) == b"* 1 FETCH (UID 1 FLAGS (\\Deleted))"
    await other.ok("EXPUNGE")
    await other.append(LETTER)
    assert await told(watcher) == b"* 3 EXISTS"
    assert await after(watcher, "FETCH 2 UID") == [b"* 2 FETCH (UID 2)"]
    assert await after(watcher, "NOOP") == [b"* 1 EXPUNGE"]


async def test_delayed_expunges_come_in_idle(watcher: Client, other: Client) -> None:
    await watcher.ok("NOTIFY SET (selected-delayed (MessageNew MessageExpunge))")
    tag = await watcher.idle()
    await other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    await other.ok("EXPUNGE")
    assert await told(watcher) == b"* 1 EXPUNGE"
    assert await watcher.done(tag) == [b"OK IDLE completed"]


@pytest.mark.parametrize(
    "command", ["NOTIFY NONE", "NOTIFY SET (mailboxes Misc (MessageNew MessageExpunge))"]
)
async def test_without_selected_nothing_is_told_of_it(watcher: Client, other: Client, command: str) -> None:
    """RFC 5465 §3.1; what the client does itself is answered"""
    await watcher.ok(command)
    await other.append(LETTER)
    await other.ok("STORE 1 +FLAGS (\\Flagged)")
    assert await after(watcher, "NOOP") == []
    tag = await watcher.idle()
    await other.append(LETTER)
    assert await watcher.done(tag) == [b"OK IDLE completed"]
    *lines, tagged = await watcher.command(b"APPEND INBOX {%d+}\r\n%b" % (len(LETTER), LETTER))
    assert b"* 5 EXISTS" in lines and tagged.startswith(b"OK")


async def test_the_selected_mailbox_is_not_told_of_twice(watcher: Client, other: Client) -> None:
    """RFC 5465 §6: of it `selected` alone speaks"""
    await watcher.ok(
        "NOTIFY SET (selected (MessageNew MessageExpunge)) (personal (MessageNew MessageExpunge FlagChange))"
    )
    await other.append(LETTER)
    assert await told(watcher) == b"* 3 EXISTS"
    await other.append(LETTER, "Misc")
    assert await told(watcher) == b"* STATUS Misc (MESSAGES 1 UIDNEXT 2 UNSEEN 1)"


# Other mailboxes.


async def test_status_first_and_then_of_what_comes(watcher: Client, other: Client) -> None:
    """RFC 5465 §3.1, §5.2"""
    lines = await watcher.ok("NOTIFY SET STATUS (subtree Lists (MessageNew MessageExpunge))")
    assert [line.partition(b" UIDVALIDITY")[0] for line in lines] == [
        b"* STATUS Lists (MESSAGES 0 UIDNEXT 1",
        b"* STATUS Lists/Work (MESSAGES 0 UIDNEXT 1",
    ]
    await other.append(LETTER, "Misc")
    await other.append(LETTER, "Lists/Work")
    assert await told(watcher) == b"* STATUS Lists/Work (MESSAGES 1 UIDNEXT 2)"


async def test_status_of_flags(watcher: Client, other: Client) -> None:
    """RFC 5465 §5.1: UNSEEN where it changes, HIGHESTMODSEQ for who knows it"""
    await other.append(LETTER, "Misc")
    [line] = await watcher.ok("NOTIFY SET STATUS (mailboxes Misc (MessageNew MessageExpunge FlagChange))")
    assert line.startswith(b"* STATUS Misc (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ")
    assert b" UNSEEN 1 HIGHESTMODSEQ " in line
    await other.ok("SELECT Misc")
    await other.ok("STORE 1 +FLAGS (\\Seen)")
    assert await told(watcher) == b"* STATUS Misc (UNSEEN 0)"
    await watcher.ok("ENABLE CONDSTORE")
    await other.ok("STORE 1 +FLAGS (\\Flagged)")
    line = await told(watcher)
    assert line.startswith(b"* STATUS Misc (UIDVALIDITY ") and b" HIGHESTMODSEQ " in line


async def test_a_move_is_told_of_both_mailboxes(watcher: Client, other: Client) -> None:
    await watcher.ok("UNSELECT")
    await watcher.ok("NOTIFY SET (mailboxes (INBOX Misc) (MessageNew MessageExpunge))")
    await other.ok("UID MOVE 1 Misc")
    lines = {await told(watcher), await told(watcher)}
    assert lines == {
        b"* STATUS INBOX (MESSAGES 1 UIDNEXT 3)",
        b"* STATUS Misc (MESSAGES 1 UIDNEXT 2)",
    }


async def test_no_status_of_the_selected_mailbox(watcher: Client) -> None:
    groups = "(selected (MessageNew MessageExpunge)) (mailboxes (INBOX Misc) (MessageNew MessageExpunge))"
    [line] = await watcher.ok(f"NOTIFY SET STATUS {groups}")
    assert line.startswith(b"* STATUS Misc ")


async def test_none_ends_what_further_groups_would_add(watcher: Client, other: Client) -> None:
    await watcher.ok(
        "NOTIFY SET (mailboxes Misc NONE) (personal (MessageNew MessageExpunge)) (subtree Misc (MailboxName))"
    )
    await other.append(LETTER, "Misc")
    await other.append(LETTER, "Lists/Work")
    assert await told(watcher) == b"* STATUS Lists/Work (MESSAGES 1 UIDNEXT 2)"


async def test_it_is_told_in_idle_without_a_mailbox(office: Office, watcher: Client, other: Client) -> None:
    """RFC 5465 §4"""
    await watcher.ok("UNSELECT")
    await watcher.ok("NOTIFY SET (inboxes (MessageNew MessageExpunge))")
    tag = await watcher.idle()
    await other.append(LETTER)
    assert await told(watcher) == b"* STATUS INBOX (MESSAGES 3 UIDNEXT 4)"
    assert await watcher.done(tag) == [b"OK IDLE completed"]


# Names, subscriptions, metadata.


async def test_mailboxes_made_renamed_and_deleted(watcher: Client, other: Client) -> None:
    """RFC 5465 §5.4"""
    await watcher.ok("NOTIFY SET (personal (MailboxName))")
    await other.ok("CREATE Misc/New")
    assert {await told(watcher), await told(watcher)} == {
        b'* LIST (\\HasChildren) "/" Misc',
        b'* LIST (\\HasNoChildren) "/" Misc/New',
    }
    await other.ok("RENAME Misc/New Misc/Old")
    assert await told(watcher) == b'* LIST (\\HasNoChildren) "/" Misc/Old ("OLDNAME" (Misc/New))'
    await other.ok("DELETE Misc/Old")
    assert {await told(watcher), await told(watcher)} == {
        b'* LIST (\\NonExistent) "/" Misc/Old',
        b'* LIST (\\HasNoChildren) "/" Misc',
    }


async def test_a_name_that_is_watched_no_more(watcher: Client, other: Client) -> None:
    """Renamed away, or no longer subscribed to: it is still there."""
    await watcher.ok(
        "NOTIFY SET (mailboxes Misc (MailboxName)) (subscribed (MailboxName SubscriptionChange))"
    )
    await other.ok("RENAME Misc Else")
    assert await told(watcher) == b'* LIST (\\HasNoChildren) "/" Else ("OLDNAME" (Misc))'
    await other.ok("SUBSCRIBE Else")
    assert await told(watcher) == b'* LIST (\\HasNoChildren \\Subscribed) "/" Else'
    await other.ok("UNSUBSCRIBE Else")
    assert await told(watcher) == b'* LIST (\\HasNoChildren) "/" Else'


async def test_another_mailbox_of_the_same_name(watcher: Client, other: Client) -> None:
    """RFC 5465 §5.1: with UIDVALIDITY; what is told is how it stands, not how it came to that"""
    await watcher.ok("NOTIFY SET (mailboxes (Misc Aside) (MessageNew MessageExpunge))")
    await other.ok("RENAME Misc Aside")
    await other.ok("CREATE Misc")
    await other.ok("DELETE Aside")
    await other.append(LETTER, "Misc")
    line = await told(watcher)
    assert line.startswith(b"* STATUS Misc (MESSAGES ")


async def test_a_mailbox_with_others_below_it_is_emptied_to_a_name(watcher: Client, other: Client) -> None:
    await watcher.ok("NOTIFY SET (subtree Lists (MailboxName))")
    await other.ok("DELETE Lists")
    assert await told(watcher) == b'* LIST (\\Noselect \\HasChildren) "/" Lists'


async def test_subscriptions(watcher: Client, other: Client) -> None:
    """RFC 5465 §5.5"""
    await watcher.ok("NOTIFY SET (personal (SubscriptionChange))")
    await other.ok("SUBSCRIBE Misc")
    assert await told(watcher) == b'* LIST (\\HasNoChildren \\Subscribed) "/" Misc'
    await other.ok("UNSUBSCRIBE Misc")
    assert await told(watcher) == b'* LIST (\\HasNoChildren) "/" Misc'


async def test_what_is_subscribed_later_is_watched(watcher: Client, other: Client) -> None:
    """RFC 5465 §6.4"""
    await watcher.ok("NOTIFY SET (subscribed (MessageNew MessageExpunge))")
    await other.append(LETTER, "Misc")
    await other.ok("SUBSCRIBE Misc")
    await other.append(LETTER, "Misc")
    assert await told(watcher) == b"* STATUS Misc (MESSAGES 2 UIDNEXT 3)"


async def test_metadata(office: Office, watcher: Client, other: Client) -> None:
    """RFC 5465 §5.6, §5.7"""
    await watcher.ok("NOTIFY SET (personal (MailboxMetadataChange ServerMetadataChange))")
    await other.ok('SETMETADATA Misc (/private/comment "a" /shared/comment "b")')
    lines = [await told(watcher)]
    if not (b"/private/comment" in lines[0] and b"/shared/comment" in lines[0]):
        lines.append(await told(watcher))
    assert all(line.startswith(b"* METADATA Misc /") for line in lines)
    assert b"/private/comment" in b"".join(lines) and b"/shared/comment" in b"".join(lines)
    await other.ok('SETMETADATA "" (/private/comment "c")')
    assert await told(watcher) == b'* METADATA "" /private/comment'


async def test_mailboxes_of_others(office: Office, watcher: Client, other: Client) -> None:
    """Only as far as the rights go (RFC 5465 §3, RFC 4314)."""
    petrova = await office.login(PETROVA)
    await petrova.ok('NOTIFY SET (subtree "Other Users" (MessageNew MessageExpunge MailboxName))')
    await other.append(LETTER, "Misc")
    await other.ok(f"SETACL Misc {PETROVA} lr")
    name = b'"Other Users/%b/Misc"' % IVANOV.encode()
    assert await petrova.line() == b'* LIST (\\HasNoChildren) "/" %b' % name
    await other.append(LETTER, "Misc")
    assert await petrova.line() == b"* STATUS %b (MESSAGES 2 UIDNEXT 3)" % name
    await other.ok(f"SETACL Misc {PETROVA} l")
    await other.append(LETTER, "Misc")
    await other.ok(f"DELETEACL Misc {PETROVA}")
    assert await petrova.line() == b'* LIST (\\NonExistent) "/" %b' % name


async def test_what_the_client_does_itself_is_no_news(watcher: Client, other: Client) -> None:
    """RFC 5465 §5; what comes between is"""
    await watcher.ok(
        "NOTIFY SET (selected NONE) (personal (MessageNew MessageExpunge MailboxName SubscriptionChange))"
    )
    quiet = [
        "CREATE Own/Below",
        "SUBSCRIBE Own",
        "UNSUBSCRIBE Own",
        "RENAME Own Mine",
        "COPY 1:2 Misc",
        "DELETE Mine/Below",
    ]
    for command in quiet:
        assert await after(watcher, command) == [], command
    assert (await watcher.append(LETTER, "Misc")).startswith(b"OK")
    assert await after(watcher, "NOOP") == []
    await other.append(LETTER, "Misc")
    assert await told(watcher) == b"* STATUS Misc (MESSAGES 4 UIDNEXT 5)"
    await other.ok("SUBSCRIBE Mine")
    assert await told(watcher) == b'* LIST (\\HasNoChildren \\Subscribed) "/" Mine'


# Bounds.


async def test_too_many_mailboxes(offices: Offices) -> None:
    """RFC 5465 §5.8: told once, and then nothing any more"""
    office = await offices(imap={"notify_mailboxes": 10})
    watcher, other = await office.login(), await office.login()
    await watcher.ok("NOTIFY SET (personal (MailboxName MessageNew MessageExpunge))")
    for number in range(10):
        await other.ok(f"CREATE Some{number}")
    lines = []
    while not lines or not lines[-1].startswith(b"* OK"):
        lines.append(await told(watcher))
    assert lines[-1].startswith(b"* OK [NOTIFICATIONOVERFLOW] ")
    await other.ok("CREATE More")
    assert await after(watcher, "NOOP") == []


async def test_too_many_groups(offices: Offices) -> None:
    office = await offices(imap={"notify_groups": 10})
    client = await office.login()
    names = " ".join(f"Box{number}" for number in range(10))
    assert (await client.no(f"NOTIFY SET (mailboxes ({names}) (MailboxName))")).startswith(b"NO [LIMIT]")


async def test_who_logs_out_of_the_account_is_told_nothing(watcher: Client, other: Client) -> None:
    """RFC 8437 §4.1"""
    await watcher.ok("NOTIFY SET (personal (MailboxName))")
    await watcher.ok("UNAUTHENTICATE")
    await other.ok("CREATE Later")
    assert await after(watcher, "NOOP") == []


async def test_qresync_gets_vanished(watcher: Client, other: Client) -> None:
    """RFC 5465 §5.3, RFC 7162 §3.2.10"""
    await watcher.ok("ENABLE QRESYNC")
    await watcher.ok("SELECT INBOX")
    await watcher.ok("NOTIFY SET (selected (MessageNew MessageExpunge))")
    await other.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    await other.ok("EXPUNGE")
    assert await told(watcher) == b"* VANISHED 1:2"
