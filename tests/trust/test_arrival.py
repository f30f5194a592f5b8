# SPDX-License-Identifier: Apache-2.0
"""Mail from outside over a socket, against a DNS of the test: who is believed, put into Junk, refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from armgs_server.storage import collections, items, queue
from armgs_server.storage.tx import Tx
from armgs_server.trust import keys
from armgs_server.trust.signing import Signer
from tests.name_server import name_server
from tests.smtp.client import Client
from tests.trust.test_dkim import signed
from tests.trust.zones import Zone, absolute, texts
from tests.world import IVANOV, PETROVA, World

OUR_KEY = Signer("digital.example", "s1", keys.load_private(keys.generate("ed25519-sha256")))
THEIR_KEY = Signer("strict.example", "s1", keys.load_private(keys.generate("ed25519-sha256")))
RECORDS = texts(
    {
        "friend.example": "v=spf1 ip4:127.0.0.0/8 -all",
        "_dmarc.friend.example": "v=DMARC1; p=reject",
        "mail.friend.example": "v=spf1 ip4:127.0.0.0/8 -all",
        "stranger.example": "v=spf1 ip4:192.0.2.1 -all",
        "strict.example": "v=spf1 ip4:192.0.2.1 -all",
        "_dmarc.strict.example": "v=DMARC1; p=reject; rua=mailto:reports@strict.example",
        "s1._domainkey.strict.example": keys.dns_record(THEIR_KEY.key),
        "suspicious.example": "v=spf1 ~all",
        "_dmarc.suspicious.example": "v=DMARC1; p=quarantine",
        "_dmarc.trying.example": "v=DMARC1; p=reject; t=y",
        "s1._domainkey.digital.example": keys.dns_record(OUR_KEY.key),
        "digital.example": "v=spf1 ip4:192.0.2.1 -all",
    }
)
MakeWorld = Callable[..., Any]


@asynccontextmanager
async def trusting_nobody(path: Path, zone: Zone = RECORDS, **trust: Any) -> AsyncIterator[World]:
    """A world in which loopback is the outside."""
    async with name_server(zone) as dns:
        settings: Mapping[str, Any] = {
            "smtp": {"dns_servers": (dns,), "dns_timeout": 5.0},
            "trust": {"trusted_networks": (), **trust},
        }
        async with World(path, settings=settings) as world:
            yield world


@pytest.fixture
async def make_world(tmp_path: Path) -> AsyncIterator[MakeWorld]:
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> World:
            return await stack.enter_async_context(trusting_nobody(tmp_path, **options))

        yield make


def message(author: str, *fields: str, subject: str = "A question") -> bytes:
    lines = [*fields, f"From: {author}", f"To: {IVANOV}", f"Subject: {subject}", "", "Text.", ""]
    return "\r\n".join(lines).encode()


async def send(world: World, sender: str, text: bytes, *recipients: str) -> str:
    """The reply to the message's text."""
    async with Client(world) as client:
        await client.expect("EHLO mx.elsewhere.example", "250")
        await client.expect(f"MAIL FROM:<{sender}>", "250")
        for recipient in recipients or (IVANOV,):
            await client.expect(f"RCPT TO:<{recipient}>", "250")
        await client.expect("DATA", "354")
        client.write(text + b".\r\n")
        return await client.reply()


async def kept(world: World, role: str = "inbox", address: str = IVANOV) -> list[str]:
    """The messages of a mailbox."""
    person = await world.directory.by_address(address)
    assert person is not None

    async def work(tx: Tx) -> list[bytes]:
        mailbox = await collections.by_role(tx, person.id, "mail", role)
        assert mailbox is not None
        return [item.blob for item in await items.scan(tx, person.id, mailbox.id)]

    blobs = await world.store.read(work)
    return [(await world.store.blobs.read(blob)).decode() for blob in blobs]


def results(text: str) -> str:
    """The Authentication-Results: of a kept message, unfolded."""
    [line] = [
        line
        for line in text.replace("\r\n\t", " ").split("\r\n")
        if line.startswith("Authentication-Results: localhost;")
    ]
    return line


async def test_friend_is_believed(make_world: MakeWorld) -> None:
    world = await make_world()
    assert (await send(world, "bob@friend.example", message("bob@friend.example"))).startswith("250 2.0.0")
    [text] = await kept(world)
    assert text.startswith(
        "Return-Path: <bob@friend.example>\r\nAuthentication-Results: localhost;\r\n\tspf=pass"
    )
    assert results(text) == (
        "Authentication-Results: localhost; "
        "spf=pass smtp.mailfrom=bob@friend.example smtp.remote-ip=127.0.0.1; "
        "dkim=none; dmarc=pass (p=reject) header.from=friend.example; arc=none"
    )
    assert text.endswith(
        "From: bob@friend.example\r\nTo: ivanov@digital.example\r\nSubject: A question\r\n\r\nText.\r\n"
    )


async def test_relaxed_alignment_is_by_the_organization(make_world: MakeWorld) -> None:
    world = await make_world()
    await send(world, "bounce@mail.friend.example", message("bob@friend.example"))
    [text] = await kept(world)
    assert "dmarc=pass (p=reject) header.from=friend.example" in results(text)


async def test_policy_reject_is_done(make_world: MakeWorld) -> None:
    world = await make_world()
    reply = await send(world, "eve@stranger.example", message("ceo@strict.example"))
    assert reply == "550 5.7.1 The author's domain wants mail refused that fails its checks (DMARC)"
    reply = await send(world, "eve@friend.example", message("ceo@sub.strict.example"))
    assert reply.startswith("550 5.7.1")
    assert await kept(world) == await kept(world, "junk") == []


async def test_signature_saves_what_was_passed_on(make_world: MakeWorld) -> None:
    """SPF fails, as it must behind a forwarder; DKIM does not."""
    world = await make_world()
    reply = await send(world, "fwd@stranger.example", signed(message("ceo@strict.example"), THEIR_KEY, now=1))
    assert reply.startswith("250")
    [text] = await kept(world)
    assert "spf=fail" in results(text)
    assert "dkim=pass header.d=strict.example header.s=s1 header.a=ed25519-sha256 header.b=" in results(text)
    assert "dmarc=pass (p=reject)" in results(text)


async def test_policy_quarantine_is_junk(make_world: MakeWorld) -> None:
    world = await make_world()
    await send(world, "eve@stranger.example", message("ceo@suspicious.example"))
    assert await kept(world) == []
    [text] = await kept(world, "junk")
    assert "dmarc=fail (p=quarantine) header.from=suspicious.example" in results(text)
    assert "\r\nX-Spam-Flag: YES\r\n" in text


async def test_testing_policy_asks_for_one_level_less(make_world: MakeWorld) -> None:
    world = await make_world()
    await send(world, "eve@stranger.example", message("ceo@trying.example"))
    assert len(await kept(world, "junk")) == 1


@pytest.mark.parametrize(("dmarc", "inbox", "junk"), [("junk", 0, 1), ("observe", 1, 0)])
async def test_policies_may_be_weakened(make_world: MakeWorld, dmarc: str, inbox: int, junk: int) -> None:
    world = await make_world(dmarc=dmarc)
    await send(world, "eve@stranger.example", message("ceo@strict.example"))
    assert (len(await kept(world)), len(await kept(world, "junk"))) == (inbox, junk)


@pytest.mark.parametrize(
    ("sender", "author"),
    [
        ("eve@stranger.example", PETROVA),
        (PETROVA, "eve@stranger.example"),
        ("", PETROVA),
        ("eve@friend.example", f"eve@friend.example, {PETROVA}"),
        ("eve@stranger.example", "Petrova <petrova@DIGITAL.example>"),
    ],
)
async def test_nobody_writes_as_a_colleague(make_world: MakeWorld, sender: str, author: str) -> None:
    world = await make_world()
    reply = await send(world, sender, message(author))
    assert reply.startswith("550 5.7.1 The sender's address is of this server")
    assert await kept(world) == []


async def test_colleague_by_a_service_that_signs_for_us(make_world: MakeWorld) -> None:
    world = await make_world()
    reply = await send(world, "x@friend.example", signed(message(PETROVA), OUR_KEY, now=1))
    assert reply.startswith("250")
    assert len(await kept(world)) == 1


async def test_unproven_colleague_may_be_junk(make_world: MakeWorld) -> None:
    world = await make_world(own_domains="junk")
    assert (await send(world, "eve@friend.example", message(PETROVA))).startswith("250")
    assert (len(await kept(world)), len(await kept(world, "junk"))) == (0, 1)


async def test_own_host_is_trusted_unless_told_otherwise(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert (await send(world, PETROVA, message(PETROVA))).startswith("250")
        [text] = await kept(world)
        assert "Authentication-Results" not in text


async def test_dns_that_fails_defers_a_colleague(make_world: MakeWorld) -> None:
    zone: Zone = {(absolute("digital.example"), "SERVFAIL"): []}
    world = await make_world(zone=zone)
    reply = await send(world, PETROVA, message(PETROVA))
    assert reply == "451 4.4.3 The sender cannot be checked now: the DNS does not answer"


async def test_dns_that_fails_lets_others_through(make_world: MakeWorld) -> None:
    zone: Zone = {
        (absolute("other.example"), "SERVFAIL"): [],
        (absolute("_dmarc.other.example"), "SERVFAIL"): [],
    }
    world = await make_world(zone=zone)
    assert (await send(world, "bob@other.example", message("bob@other.example"))).startswith("250")
    [text] = await kept(world)
    assert "spf=temperror" in results(text)
    assert "dmarc=temperror header.from=other.example" in results(text)


async def test_two_authors_fields_are_refused(make_world: MakeWorld) -> None:
    world = await make_world()
    reply = await send(world, "bob@friend.example", message("bob@friend.example", f"From: {PETROVA}"))
    assert reply == "550 5.7.1 The message must have one From: field, well-formed"


async def test_results_that_claim_to_be_ours_are_taken_out(make_world: MakeWorld) -> None:
    """RFC 8601 §5"""
    world = await make_world()
    forged = (
        "Authentication-Results: (a \\) comment) LOCALHOST;",
        " dmarc=pass header.from=ceo.example",
        "Authentication-Results: mx.elsewhere.example; spf=pass",
        'authentication-results : "localhost"; dkim=pass',
    )
    await send(world, "bob@friend.example", message("bob@friend.example", *forged))
    [text] = await kept(world)
    assert "ceo.example" not in text and '"localhost"' not in text
    assert "\r\nAuthentication-Results: mx.elsewhere.example; spf=pass\r\n" in text
    assert "spf=pass smtp.mailfrom=bob@friend.example" in results(text)


async def test_large_message_is_judged_and_kept_byte_for_byte(make_world: MakeWorld) -> None:
    world = await make_world()
    body = b"".join(b"%06d %s\r\n" % (number, b"x" * 60) for number in range(9000))
    text = signed(message("ceo@strict.example") + body, THEIR_KEY, now=1)
    assert (await send(world, "ceo@strict.example", text)).startswith("250")
    [found] = await kept(world)
    assert found.encode().endswith(text)
    assert "dkim=pass" in results(found)
    reply = await send(world, "ceo@strict.example", text.replace(b"000500 x", b"000500 y"))
    assert reply.startswith("550 5.7.1")


async def test_nothing_is_asked_when_checks_are_off(make_world: MakeWorld) -> None:
    world = await make_world(check=False)
    assert (await send(world, PETROVA, message(PETROVA))).startswith("250")
    [text] = await kept(world)
    assert "Authentication-Results" not in text


@pytest.mark.parametrize("size", [0, 300_000])
async def test_people_may_not_claim_our_results_either(tmp_path: Path, size: int) -> None:
    """RFC 8601 §5; a message sent on by hand brings those of its arrival along."""
    async with World(tmp_path) as world, Client(world, "submission") as client:
        await client.expect("EHLO client.example", "250")
        assert (await client.login(PETROVA)).startswith("235")
        forged = message(PETROVA, "Authentication-Results: localhost; dmarc=pass", "X-Other: stays")
        text = forged + b"%s\r\n" % (b"x" * 70) * (size // 70)
        assert (await client.mail(PETROVA, IVANOV, text=text)).startswith("250")
        [found] = await kept(world)
    assert "Authentication-Results" not in found
    assert "\r\nX-Other: stays\r\n" in found
    assert found.endswith(text.decode().split("\r\n\r\n", 1)[1])


async def ask_for_reports(world: World, sender: str) -> list[queue.Entry]:
    """A message with all of RFC 3461; the reports that go out."""
    async with Client(world) as client:
        assert "DSN" in await client.expect("EHLO mx.elsewhere.example", "250")
        await client.expect(f"MAIL FROM:<{sender}> RET=FULL ENVID=QQ1", "250 ")
        await client.expect(f"RCPT TO:<{IVANOV}> NOTIFY=SUCCESS ORCPT=rfc822;boss@old.example", "250 ")
        await client.expect("DATA", "354")
        client.write(message(sender) + b".\r\n")
        assert (await client.reply()).startswith("250 ")
    return await world.store.read(lambda tx: queue.scan(tx))


async def test_success_is_reported_to_another_server_that_is_believed(make_world: MakeWorld) -> None:
    world = await make_world()
    [report] = await ask_for_reports(world, "bob@friend.example")
    assert (report.sender, report.recipient) == ("", "bob@friend.example")
    text = (await world.store.blobs.read(report.blob)).decode()
    assert "Original-Envelope-Id: QQ1\r\n" in text
    assert "Original-Recipient: rfc822; boss@old.example\r\n" in text
    assert "Action: delivered\r\n" in text
    assert "Content-Type: message/rfc822\r\n" in text  # RET=FULL
    assert len(await kept(world)) == 1
    # The report is found by the number of its message.
    assert f"X-Trace-ID: {report.data['id']}\r\n" in text


async def test_success_is_not_reported_to_whom_anybody_may_have_named(make_world: MakeWorld) -> None:
    world = await make_world()
    assert await ask_for_reports(world, "victim@suspicious.example") == []
    assert len(await kept(world, "junk")) + len(await kept(world)) == 1
