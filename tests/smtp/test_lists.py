# SPDX-License-Identifier: Apache-2.0
"""smtp/lists.py, requests.py, notices.py: who may post, what members can do, what moderators decide."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Sequence
from email.message import EmailMessage

import pytest

from armgs_server.directory.people import Change
from armgs_server.errors import Invalid
from armgs_server.smtp import lists
from armgs_server.smtp.lists import MailList, Rules
from armgs_server.storage import clock, queue
from armgs_server.storage.tx import Tx
from tests.smtp.client import Client, inbox, wait_for_mail
from tests.world import IVANOV, PETROVA, SIDOROV, World

LIST = "team@digital.example"
REQUEST = "team-request@digital.example"


async def make_list(world: World, *members: str, **rules: object) -> None:
    people = [await world.directory.by_address(member) for member in members]
    group = await world.directory.create_group(LIST, "Team", [each.id for each in people if each])
    kept = lists.serialise_rules(Rules(**rules))  # type: ignore[arg-type]
    await world.directory.update(group.id, Change(data={lists.KEY: kept}))


async def submit(world: World, author: str, recipient: str, subject: str, *more: str) -> str:
    """The reply to RCPT where it is no success, else to the text."""
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(author)
        await client.expect(f"MAIL FROM:<{author}>", "250 ")
        answer = await client.say(f"RCPT TO:<{recipient}>")
        if not answer.startswith("250 "):
            return answer
        fields = "".join(f"{field}\r\n" for field in (f"Subject: {subject}", *more))
        return await client.send_text(f"{fields}\r\nbody\r\n".encode())


def read(message: bytes) -> EmailMessage:
    found = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


async def members(world: World) -> Sequence[str]:
    group = await world.directory.by_address(LIST)
    assert group is not None
    return sorted(member.address for member in await world.directory.direct_members(group))


def test_rules_are_read_as_they_were_kept() -> None:
    rules = Rules("members", True, (IVANOV,), True, True, "https://lists.example/team")
    assert lists.rules_of({lists.KEY: lists.serialise_rules(rules)}) == rules
    assert lists.serialise_rules(Rules()) == {}
    for data in ({}, {lists.KEY: 5}, {lists.KEY: {"post": "god", "is_moderated": 1, "moderators": [5]}}):
        assert lists.rules_of(data) == Rules()


def test_fields_of_a_list() -> None:
    found = MailList(1, LIST, "Team", Rules(may_leave=True, may_join=True, archive="https://a.example/t"))
    assert found.fields().decode().split("\r\n") == [
        "List-Help: <mailto:team-request@digital.example?subject=help>",
        "List-Owner: <mailto:team-owner@digital.example>",
        "List-Unsubscribe: <mailto:team-request@digital.example?subject=unsubscribe>",
        "List-Subscribe: <mailto:team-request@digital.example?subject=subscribe>",
        "List-Archive: <https://a.example/t>",
        "",
    ]
    for url in ("ftp://x", "https://a b", "https://x>\r\nBcc: y", "https://é", "https://x/" + "y" * 500):
        with pytest.raises(Invalid):
            lists.check_archive(url)


@pytest.mark.parametrize(
    ("post", "member", "colleague", "stranger"),
    [
        ("anyone", True, True, True),
        ("inside", True, True, False),
        ("members", True, False, False),
        ("moderators", False, False, False),
    ],
)
async def test_who_may_post(world: World, post: str, member: bool, colleague: bool, stranger: bool) -> None:
    await make_list(world, PETROVA, post=post, moderators=(SIDOROV,))
    assert (await submit(world, PETROVA, LIST, "a")).startswith("250 " if member else "550 5.7.2 ")
    assert (await submit(world, IVANOV, LIST, "b")).startswith("250 " if colleague else "550 5.7.2 ")
    assert (await submit(world, SIDOROV, LIST, "c")).startswith("250 ")
    async with Client(world) as client:
        await client.ehlo()
        await client.expect(f"MAIL FROM:<{PETROVA}>", "250 ")  # a name that anybody may give
        await client.expect(f"RCPT TO:<{LIST}>", "250 " if stranger else "550 5.7.2 ")


async def test_a_moderator_lets_a_message_through(world: World) -> None:
    await make_list(world, PETROVA, post="moderators", is_moderated=True, moderators=(SIDOROV,))
    assert (await submit(world, IVANOV, LIST, "Пикник")).startswith("250 ")
    assert (await submit(world, IVANOV, LIST, "Реклама")).startswith("250 ")
    assert await inbox(world, PETROVA) == []
    question, other = [read(each) for each in await wait_for_mail(world, SIDOROV, 2)]
    assert question["Subject"] == "[Team] Пикник"
    [approve] = re.findall(r"approve%20([0-9a-f]+)", question.get_content())
    [reject] = re.findall(r"reject%20([0-9a-f]+)", other.get_content())
    assert (await submit(world, IVANOV, REQUEST, f"approve {approve}")).startswith("250 ")  # not for IVANOV
    [refusal] = await wait_for_mail(world, IVANOV)
    assert "не разрешено" in read(refusal).get_content()
    assert (await submit(world, SIDOROV, REQUEST, f"approve {approve}")).startswith("250 ")
    assert (await submit(world, SIDOROV, REQUEST, f"reject {reject}")).startswith("250 ")
    [message] = await wait_for_mail(world, PETROVA)
    assert message.startswith(b"Return-Path: <team-owner@digital.example>\r\n")
    assert read(message)["Subject"] == "Пикник"
    assert read(message)["List-Id"] == '"Team" <team.digital.example>'
    assert await world.store.read(lambda tx: queue.scan(tx)) == []
    assert (await submit(world, SIDOROV, REQUEST, f"approve {approve}")).startswith("250 ")
    answers = await wait_for_mail(world, SIDOROV, 5)
    assert "решение уже принято" in read(answers[-1]).get_content()


async def test_members_come_and_go(world: World) -> None:
    await make_list(world, PETROVA, may_join=True, may_leave=True)
    assert (await submit(world, IVANOV, REQUEST, "subscribe")).startswith("250 ")
    assert await members(world) == [IVANOV, PETROVA]
    assert (await submit(world, PETROVA, REQUEST, "Отписаться пожалуйста")).startswith("250 ")
    assert await members(world) == [IVANOV]
    assert (await submit(world, SIDOROV, REQUEST, "join")).startswith("250 ")  # of another department
    assert await members(world) == [IVANOV]
    [answer] = await inbox(world, IVANOV)
    assert answer.startswith(b"Return-Path: <>\r\n")
    assert (read(answer)["Subject"], read(answer)["From"]) == ("Re: subscribe", REQUEST)
    assert read(answer)["Auto-Submitted"] == "auto-replied"


async def test_a_list_that_does_not_let_go(world: World) -> None:
    await make_list(world, PETROVA)
    for subject in ("leave", "help", "", "approve", "approve xyz"):
        assert (await submit(world, PETROVA, REQUEST, subject)).startswith("250 ")
    assert await members(world) == [PETROVA]
    texts = [read(each).get_content() for each in await inbox(world, PETROVA)]
    assert ["не разрешено" in text for text in texts] == [True, False, False, True, True]


async def test_strangers_ask_in_vain(world: World) -> None:
    await make_list(world, PETROVA, may_leave=True)
    async with Client(world) as client:
        await client.ehlo()
        await client.expect(f"MAIL FROM:<{PETROVA}>", "250 ")
        await client.expect(f"RCPT TO:<{REQUEST}>", "550 5.7.1 ")
    assert await members(world) == [PETROVA]


async def test_who_looks_after_a_list_gets_its_failures(world: World) -> None:
    await make_list(world, PETROVA, moderators=(IVANOV,))
    async with Client(world) as client:
        await client.ehlo()
        assert (await client.mail("", "team-owner@digital.example")).startswith("250 ")
        await client.expect("MAIL FROM:<>", "250 ")
        await client.expect("RCPT TO:<nothing-owner@digital.example>", "550 5.1.1 ")
        await client.expect(f"RCPT TO:<{LIST}>", "550 5.7.1 ")
    assert len(await inbox(world, IVANOV)) == 1


async def test_what_programs_answer_is_not_for_lists(world: World) -> None:
    await make_list(world, PETROVA)
    answer = await submit(world, IVANOV, LIST, "away", "Auto-Submitted: auto-replied")
    assert answer.startswith("550 5.7.1 ")
    assert (await submit(world, IVANOV, LIST, "cron", "Auto-Submitted: auto-generated")).startswith("250 ")


async def test_what_nobody_decides_comes_back_to_who_should_have(world: World) -> None:
    await make_list(world, PETROVA, post="moderators", is_moderated=True, moderators=(SIDOROV,))
    assert (await submit(world, IVANOV, LIST, "Пикник")).startswith("250 ")
    await wait_for_mail(world, SIDOROV)
    [entry] = await world.store.read(queue.scan)
    assert await world.store.write(lambda tx: queue.release_expired(tx, entry.expires)) == 1
    await world.store.write(lambda tx: queue.retry(tx, [entry], clock.now(), 0))
    _, report = await wait_for_mail(world, SIDOROV, 2)
    assert read(report).get_content_type() == "multipart/report"
    assert b"No moderator has decided in time" in report
    assert await inbox(world, PETROVA) == []


async def test_an_administrator_may_decide_too(world: World) -> None:
    await make_list(world, PETROVA, post="moderators", is_moderated=True)
    assert (await submit(world, IVANOV, LIST, "Пикник")).startswith("250 ")
    [entry] = await world.store.read(queue.scan)

    async def release(tx: Tx) -> None:
        await queue.annotate(tx, entry, {**entry.data, "approved": True})
        await queue.retry(tx, [entry], clock.now(), 0)

    await world.store.write(release)
    assert len(await wait_for_mail(world, PETROVA)) == 1


async def test_a_unit_may_be_moderated_but_not_left(world: World) -> None:
    head = await world.directory.by_address(PETROVA)
    assert head is not None
    unit = await world.directory.create_unit(head.department, "Отдел", address="unit@digital.example")
    await world.directory.update(head.id, Change(unit=unit.id, head=True))
    rules = Rules(post="moderators", is_moderated=True, may_leave=True)
    await world.directory.update(unit.id, Change(data={lists.KEY: lists.serialise_rules(rules)}))
    assert (await submit(world, IVANOV, "unit@digital.example", "Новость")).startswith("250 ")
    question, *_ = await wait_for_mail(world, PETROVA)
    [approve] = re.findall(r"approve%20([0-9a-f]+)", read(question).get_content())
    request = "unit-request@digital.example"
    assert (await submit(world, PETROVA, request, "leave")).startswith("250 ")
    assert (await submit(world, PETROVA, request, f"approve {approve}")).startswith("250 ")
    messages = await wait_for_mail(world, PETROVA, 4)
    assert any(read(message)["Subject"] == "Новость" for message in messages)
    assert any("не разрешено" in read(message).get_content() for message in messages[1:])
