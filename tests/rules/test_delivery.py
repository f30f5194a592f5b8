# SPDX-License-Identifier: Apache-2.0
"""rules/plan.py, making.py, desk.py, smtp/filing.py: mail comes by SMTP, rules make something of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from armgs_server.storage import accounts, clock
from armgs_server.storage.items import Flags
from tests.rules.office import (
    OUTSIDER,
    TIMEOUT,
    counts,
    deliver,
    mailboxes,
    message,
    person_id,
    put_script,
    queued,
    send,
    texts,
    wait_for,
)
from tests.smtp.client import Client
from tests.world import IVANOV, PETROVA, SIDOROV, World


async def test_a_message_is_filed_with_its_flags_and_kept_once(world: World) -> None:
    script = """require ["fileinto", "mailbox", "imap4flags", "copy"];
        fileinto :copy :create :flags ["\\\\Flagged", "work"] "Projects/Новые";
        fileinto :copy "Archive";"""
    heard: list[bytes] = []
    owner = await person_id(world)
    unsubscribe = world.store.bus.subscribe(f"changes:{owner}", heard.append)
    assert await deliver(world, script, message()) == {"INBOX": 1, "Archive": 1, "Projects/Новые": 1}
    unsubscribe()
    assert heard  # whoever watches the mailboxes hears of it
    [item] = (await mailboxes(world))["Projects/Новые"]
    assert (item.flags, item.keywords) == (Flags.FLAGGED, "work")
    refs = await world.store.read(lambda tx: tx.value("SELECT refs FROM blob WHERE hash = ?", item.blob))
    assert refs == 3


async def test_a_mailbox_that_is_not_there_means_the_inbox(world: World) -> None:
    assert await deliver(world, 'require "fileinto"; fileinto "Nowhere";', message()) == {"INBOX": 1}
    assert await deliver(world, 'require "fileinto"; fileinto "inbox";', message()) == {"INBOX": 2}


async def test_special_use_goes_before_the_name(world: World) -> None:
    """RFC 8579 §4"""
    script = 'require ["fileinto", "special-use"]; fileinto :specialuse "\\\\Junk" "Nowhere";'
    assert await deliver(world, script, message()) == {"Junk": 1}


async def test_others_are_not_concerned(world: World) -> None:
    await put_script(world, "discard;")
    await send(world, message(), PETROVA, IVANOV)
    assert (await counts(world), await counts(world, IVANOV)) == ({}, {"INBOX": 1})


async def test_a_new_script_counts_at_once(world: World) -> None:
    await send(world, message())
    await put_script(world, 'require "fileinto"; fileinto "Archive";')
    await send(world, message())
    await put_script(world, "discard;")
    await send(world, message())
    assert await counts(world) == {"INBOX": 1, "Archive": 1}


async def test_a_department_has_a_script_for_all_its_people(world: World) -> None:
    script = 'require "fileinto"; if header :contains "subject" "bulk" { fileinto "Archive"; }'
    await put_script(world, script, "digital.example", "before")
    await send(world, message(Subject="bulk"), PETROVA, IVANOV, SIDOROV)
    await send(world, message(Subject="other"))
    assert await counts(world) == {"Archive": 1, "INBOX": 1}
    assert await counts(world, IVANOV) == {"Archive": 1}
    assert await counts(world, SIDOROV) == {"INBOX": 1}  # of another department
    await put_script(world, "keep;", "digital.example", "before")
    await send(world, message(Subject="bulk"))
    assert await counts(world) == {"Archive": 1, "INBOX": 2}


async def test_redirected_mail_goes_on_under_the_owners_name(world: World) -> None:
    """Decision 49: others' domains do not let us send for them; ours do."""
    await deliver(world, 'redirect "away@else.example";', message())
    await send(world, message(), sender=IVANOV)
    await send(world, message(), sender="")
    rows = await queued(world)
    assert [(sender, recipient) for sender, recipient, _ in rows] == [
        (PETROVA, "away@else.example"),
        (IVANOV, "away@else.example"),
        ("", "away@else.example"),
    ]
    assert rows[0][2].startswith(b"Delivered-To: petrova@digital.example\r\nReceived: ")
    assert await counts(world) == {}


async def test_redirection_ends_where_it_would_go_round(world: World) -> None:
    """RFC 5228 §4.2: two people who redirect to each other; the message stays with the first."""
    await put_script(world, f'redirect "{IVANOV}";')
    await put_script(world, f'redirect "{PETROVA}";', IVANOV)
    await send(world, message())
    [text] = await wait_for(world, PETROVA, "INBOX")
    assert b"Delivered-To: ivanov@digital.example" in text
    assert await counts(world, IVANOV) == {}
    await send(world, b"Received: x\r\n" * 60 + message())
    assert len(await texts(world)) == 2


async def test_redirections_of_a_day_are_counted(tmp_path: Path) -> None:
    settings = {"sieve": {"redirects_per_day": 2}, "smtp": {"relay_routes": ["*=127.0.0.1:1"]}}
    async with World(tmp_path, settings=settings) as world:
        await put_script(world, 'require "copy"; redirect :copy "away@else.example";')
        for _ in range(3):
            await send(world, message())
        assert len(await queued(world)) == 2
        assert await counts(world) == {"INBOX": 3}


async def test_a_sender_is_answered_once(world: World) -> None:
    """RFC 5230 §4.2, §5"""
    script = 'require "vacation"; vacation :days 7 "Меня нет";'
    text = message(Message_ID="<1@x>", References="<0@x>", Subject="Вопрос")
    await deliver(world, script, text)
    await send(world, text)
    await send(world, text, sender="other@other.example")
    rows = await queued(world)
    assert [(sender, recipient) for sender, recipient, _ in rows] == [
        ("", OUTSIDER),
        ("", "other@other.example"),
    ]
    answer = rows[0][2].decode()
    assert "\r\nTo: <someone@other.example>\r\n" in answer
    assert "\r\nIn-Reply-To: <1@x>\r\nReferences: <0@x>\r\n\t<1@x>\r\n" in answer
    assert "\r\nAuto-Submitted: auto-replied\r\n" in answer
    assert "\r\nSubject: =?utf-8?b?QXV0bzog0JLQvtC/0YDQvtGB?=\r\n" in answer  # Auto: Вопрос
    assert await counts(world) == {"INBOX": 3}


async def test_an_answer_reaches_a_colleague(world: World) -> None:
    await put_script(world, 'require "vacation"; vacation "Back on Monday";')
    await send(world, message(From=IVANOV), sender=IVANOV)
    [answer] = await wait_for(world, IVANOV, "INBOX")
    assert b"Back on Monday" in answer
    assert answer.startswith(b"From: ")


async def test_the_only_recipient_refuses_in_the_dialogue(world: World) -> None:
    """RFC 5429 §2.1.1"""
    await put_script(world, 'require "ereject"; ereject "Not here\nnever";')
    reply = await send(world, message(), expect="550")
    assert reply == "550-5.7.1 Not here\n550 5.7.1 never"
    assert (await counts(world), await queued(world)) == ({}, [])
    await put_script(world, 'require "ereject"; ereject "Нет";')
    assert (await send(world, message(), expect="550")).isascii()


async def test_one_of_many_refuses_by_mail(world: World) -> None:
    """RFC 5429 §2.2: what the dialogue cannot say any more."""
    await put_script(world, 'require "reject"; reject "Not for me";')
    await send(world, message(), PETROVA, IVANOV)
    [(sender, recipient, report)] = await queued(world)
    assert (sender, recipient) == ("", OUTSIDER)
    assert b"report-type=disposition-notification" in report
    assert b"automatic-action/MDN-sent-automatically; deleted\r\n" in report
    assert b"Not for me" in report
    assert (await counts(world), await counts(world, IVANOV)) == ({}, {"INBOX": 1})
    await put_script(world, 'require "reject"; reject "Нет";')
    await send(world, message())  # a text that the dialogue may not say
    assert len(await queued(world)) == 2
    await send(world, message(), sender="")
    assert len(await queued(world)) == 2  # nobody to be told


async def test_the_owner_is_told_of_errors_once_a_day(world: World) -> None:
    script = 'require ["include", "fileinto"]; fileinto "Archive"; include "missing";'
    await deliver(world, script, message())
    await send(world, message())
    found = await texts(world)
    assert len(found) == 3
    [told] = [text for text in found if b"Auto-Submitted: auto-generated" in text]
    assert b"From: <postmaster@digital.example>" in told
    assert await counts(world) == {"INBOX": 3}


async def test_the_second_of_two_duplicates_is_gone(world: World) -> None:
    """RFC 7352"""
    script = 'require "duplicate"; if duplicate { discard; }'
    await deliver(world, script, message(Message_ID="<1@x>"))
    await send(world, message(Message_ID="<1@x>"))
    await send(world, message(Message_ID="<2@x>"))
    assert await counts(world) == {"INBOX": 2}


async def test_notifications_go_out_by_mail_and_chat(world: World) -> None:
    script = f"""require "enotify"; notify :message "New mail" "mailto:boss@else.example?subject=Look";
        notify :message "In chat" "xmpp:{SIDOROV}";"""
    await deliver(world, script, message())
    [(sender, recipient, text)] = await queued(world)
    assert (sender, recipient) == ("", "boss@else.example")
    assert b"\r\nSubject: Look\r\n" in text
    assert b'\r\nAuto-Submitted: auto-notified; owner-email="petrova@digital.example"\r\n' in text
    owner = await person_id(world, SIDOROV)
    async with asyncio.timeout(TIMEOUT):  # Sidorov is not there: it waits for him
        while not await world.store.read(
            lambda tx: tx.value("SELECT COUNT(*) FROM offline WHERE owner = ?", owner)
        ):
            await asyncio.sleep(0.02)
    await send(world, b"Auto-Submitted: auto-notified\r\n" + message())
    assert len(await queued(world)) == 1


async def test_a_changed_message_is_what_lies_in_the_mailbox(world: World) -> None:
    script = """require ["editheader", "fileinto", "copy"];
        fileinto :copy "Archive"; addheader "X-Sorted" "yes"; deleteheader "Subject";"""
    await deliver(world, script, message())
    [kept], [before] = await texts(world), await texts(world, "Archive")
    assert b"X-Sorted: yes\r\n" in kept and b"Subject" not in kept
    assert b"Subject: Hello\r\n" in before and b"X-Sorted" not in before


async def test_a_large_message_is_read_aside(world: World) -> None:
    script = 'require ["body", "fileinto"]; if body :contains "needle" { fileinto "Archive"; }'
    await put_script(world, script)
    body = "hay " * 100_000 + "needle"
    await send(world, message(body=body))
    assert await counts(world) == {"Archive": 1}


async def test_a_full_mailbox_lets_the_message_wait(world: World) -> None:
    """The rules are asked again when there is room."""
    await put_script(world, 'require "fileinto"; fileinto "Archive";')
    owner = await person_id(world)
    await world.store.write(lambda tx: accounts.set_quota(tx, owner, 10))
    await send(world, message(), PETROVA, IVANOV)
    assert (await counts(world), await counts(world, IVANOV)) == ({}, {"INBOX": 1})
    await world.store.write(lambda tx: accounts.set_quota(tx, owner, 0))
    now = clock.now()
    await world.store.write(lambda tx: tx.execute("UPDATE queue SET next_attempt = ?", now))
    world.store.bus.publish("queue", b"")
    await wait_for(world, PETROVA, "Archive")


async def test_a_report_of_failure_meets_the_rules_of_who_is_told(world: World) -> None:
    script = """require ["fileinto", "envelope", "mailbox"];
        if envelope "from" "" { fileinto :create "Returned"; }"""
    await put_script(world, script)
    await put_script(world, f'redirect "{IVANOV}";', SIDOROV)
    await put_script(world, 'require "reject"; reject "No";', IVANOV)
    await send(world, message(From=PETROVA), SIDOROV, sender=PETROVA)
    [report] = await wait_for(world, PETROVA, "Returned")
    assert b"report-type=disposition-notification" in report


async def test_mail_for_a_detail_is_seen_by_its_envelope(world: World) -> None:
    script = """require ["envelope", "subaddress", "fileinto", "variables", "mailbox"];
        if envelope :matches :detail "to" "*" { fileinto :create "${1}"; }"""
    await put_script(world, script)
    async with Client(world) as client:
        await client.ehlo()
        await client.mail(OUTSIDER, "petrova+shop@digital.example", text=message())
    assert await counts(world) == {"shop": 1}


async def test_it_is_the_same_on_both_engines(tmp_path: Path, store_url: str) -> None:
    script = """require ["fileinto", "mailbox", "imap4flags", "duplicate", "vacation", "extlists", "include",
            "special-use", "mboxmetadata", "copy"];
        if duplicate { discard; stop; }
        if address :list "to" "urn:ietf:params:sieve:addrbook:default" { discard; stop; }
        if metadataexists "INBOX" "/private/comment" { discard; stop; }
        if not specialuse_exists "\\\\Junk" { discard; stop; }
        include :optional "nothing";
        vacation "away";
        redirect :copy "away@else.example";
        fileinto :create :flags "work" "A/Б";"""
    settings = {"smtp": {"relay_routes": ["*=127.0.0.1:1"]}}
    async with World(tmp_path, store_url=store_url, settings=settings) as world:
        await put_script(world, script)
        for _ in range(2):
            await send(world, message(Message_ID="<1@x>"))
        assert await counts(world) == {"A/Б": 1}
        assert [recipient for _, recipient, _ in await queued(world)] == [OUTSIDER, "away@else.example"]


async def test_many_messages_make_one_mailbox(tmp_path: Path, store_url: str) -> None:
    """They come at the same time, and each would make it."""
    script = 'require ["fileinto", "mailbox"]; fileinto :create "New/Deep";'
    async with World(tmp_path, store_url=store_url) as world:
        await put_script(world, script)
        await asyncio.gather(*(send(world, message(Subject=str(number))) for number in range(8)))
        assert await counts(world) == {"New/Deep": 8}


async def test_a_deleted_person_takes_the_rules_along(world: World) -> None:
    await deliver(world, 'require "duplicate"; if duplicate { discard; }', message(Message_ID="<1@x>"))
    owner = await person_id(world)
    await world.directory.delete(owner)
    for table in ("sieve_script", "sieve_trace"):
        assert not await world.store.read(lambda tx, table=table: tx.value(f"SELECT COUNT(*) FROM {table}"))
