# SPDX-License-Identifier: Apache-2.0
"""DKIM signatures: the example of RFC 8463, and everything that makes one worth nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats import mime
from armgs_server.trust import dkim, keys, signing
from armgs_server.trust.bodies import Bodies
from armgs_server.trust.dkim import Checked, Result, parse_signature
from armgs_server.trust.fields import split_fields
from armgs_server.trust.lookups import Lookups
from armgs_server.trust.signing import Signer
from tests.trust.conftest import MakeLookups
from tests.trust.zones import Zone, absolute, texts

NOW = 1_760_000_000
# RFC 8463 appendix A
EXAMPLE = (
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    b" subject : date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
    b" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
    b" date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
    b" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
    b" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
    b"From: Joe SixPack <joe@football.example.com>\r\n"
    b"To: Suzie Q <suzie@shopping.example.net>\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
    b"\r\n"
    b"Hi.\r\n"
    b"\r\n"
    b"We lost the game.  Are you hungry yet?\r\n"
    b"\r\n"
    b"Joe.\r\n"
)
EXAMPLE_KEYS = {
    "brisbane._domainkey.football.example.com": (
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    ),
    "test._domainkey.football.example.com": (
        "v=DKIM1; k=rsa; p="
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2"
        "jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2"
        "EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    ),
}
MESSAGE = (
    b"Received: from a by b; Mon, 6 Oct 2025 10:00:00 +0000\r\n"
    b"From: =?utf-8?b?0JHQvtCx?= <bob@other.example>\r\n"
    b"To: ivanov@digital.example\r\n"
    b"Subject:  A  question\r\n\tof two lines\r\n"
    b"Date: Mon, 6 Oct 2025 10:00:00 +0000\r\n"
    b"Message-ID: <1@other.example>\r\n"
    b"\r\n"
    b"Text  with \t blanks \r\n\r\n.\r\n\r\n\r\n"
)
ED25519 = Signer("other.example", "e1", keys.load_private(keys.generate("ed25519-sha256")))
RSA = Signer("other.example", "r1", keys.load_private(keys.generate("rsa-sha256")))
ZONE = texts(
    {f"{each.selector}._domainkey.other.example": keys.dns_record(each.key) for each in (ED25519, RSA)}
)


def signed(message: bytes, *signers: Signer, now: int = NOW) -> bytes:
    size = mime.header_end(message, 0, len(message))
    head = split_fields(message[:size])
    made = [signing.sign(signer, head, Bodies(message, size), now) for signer in signers or (ED25519,)]
    return b"".join(made) + message


async def verified(lookups: Lookups, message: bytes, limit: int = 10, now: int = NOW) -> list[Checked]:
    size = mime.header_end(message, 0, len(message))
    return await dkim.verify_all(lookups, split_fields(message[:size]), Bodies(message, size), now, limit)


async def test_example_of_the_standard(make_lookups: MakeLookups) -> None:
    lookups = await make_lookups(texts(EXAMPLE_KEYS))
    assert await verified(lookups, EXAMPLE) == [
        Checked(Result.PASS, "football.example.com", "brisbane", "ed25519-sha256", "", "/gCrinpc"),
        Checked(Result.PASS, "football.example.com", "test", "rsa-sha256", "", "F45dVWDf"),
    ]


async def test_what_is_signed_here_verifies(make_lookups: MakeLookups) -> None:
    lookups = await make_lookups(ZONE)
    message = signed(MESSAGE, RSA, ED25519)
    found = await verified(lookups, message)
    assert [(each.result, each.algorithm) for each in found] == [
        ("pass", "rsa-sha256"),
        ("pass", "ed25519-sha256"),
    ]
    assert all(len(line) <= 78 for line in message.split(b"\r\n\r\n")[0].split(b"\r\n"))


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (b"Text", b"Test", "body hash did not verify"),
        (b"blanks \r\n", b"blanks\r\nMore\r\n", "body hash did not verify"),
        (b"bob@", b"eve@", "signature verification failed"),
        (b"Subject:  A", b"Subject: B", "signature verification failed"),
        (b"From: =", b"From: eve@digital.example\r\nFrom: =", "signature verification failed"),
        (b"\r\nMessage-ID", b"\r\nFrom: eve@digital.example\r\nMessage-ID", "signature verification failed"),
    ],
)
async def test_change_breaks_it(make_lookups: MakeLookups, before: bytes, after: bytes, problem: str) -> None:
    lookups = await make_lookups(ZONE)
    assert MESSAGE.count(before) == 1
    message = signed(MESSAGE)
    [found] = await verified(lookups, message.replace(before, after))
    assert (found.result, found.problem) == (Result.FAIL, problem)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Text  with \t blanks \r\n", b"Text with blanks\r\n"),
        (b".\r\n\r\n\r\n", b".\r\n"),
        (b".\r\n\r\n\r\n", b".\r\n\r\n\r\n\r\n"),
        (b"Subject:  A  question\r\n\tof", b"SUBJECT : A question of"),
        (b"Received: from a", b"Received: from c by a; Mon\r\nReceived: from a"),
    ],
)
async def test_what_servers_on_the_way_may_do(make_lookups: MakeLookups, before: bytes, after: bytes) -> None:
    """RFC 6376 §3.4.2, §3.4.4: relaxed"""
    lookups = await make_lookups(ZONE)
    assert MESSAGE.count(before) == 1
    [found] = await verified(lookups, signed(MESSAGE).replace(before, after))
    assert found.result is Result.PASS


@pytest.mark.parametrize(
    ("record", "result", "problem"),
    [
        ("v=DKIM1; k=ed25519; p=", Result.PERMERROR, "the key is revoked"),
        ("v=DKIM2; p=AAAA", Result.PERMERROR, "the key's version is not DKIM1"),
        ("k=ed25519; h=sha1; p=AAAA", Result.PERMERROR, "the key is not for sha256"),
        ("k=ed25519; s=web; p=AAAA", Result.PERMERROR, "the key is not for mail"),
        ("k=ed25519; p=AAAA", Result.PERMERROR, "the key cannot be read"),
        ("k=ed25519; p=%%%", Result.PERMERROR, "a value is not base64"),
        ("v=DKIM1", Result.PERMERROR, "the record has no key"),
        (keys.dns_record(RSA.key), Result.PERMERROR, "the key is for another algorithm"),
        ("nonsense", Result.PERMERROR, "'nonsense' is no tag"),
    ],
)
async def test_keys_that_are_none(
    make_lookups: MakeLookups, record: str, result: Result, problem: str
) -> None:
    lookups = await make_lookups(texts({"e1._domainkey.other.example": record}))
    [found] = await verified(lookups, signed(MESSAGE))
    assert (found.result, found.problem) == (result, problem)


async def test_no_key_and_no_answer(make_lookups: MakeLookups) -> None:
    [found] = await verified(await make_lookups({}), signed(MESSAGE))
    assert (found.result, found.problem) == (Result.PERMERROR, "no key for the signature")
    broken: Zone = {(absolute("e1._domainkey.other.example"), "SERVFAIL"): []}
    [found] = await verified(await make_lookups(broken), signed(MESSAGE))
    assert found.result is Result.TEMPERROR


@pytest.mark.parametrize(
    ("before", "after", "result", "problem"),
    [
        (b"; t=", b"; x=1759990000; t=1759980000; y=", Result.POLICY, "the signature has expired"),
        (b"; t=", b"; t=1760009999; y=", Result.POLICY, "the signature is of the future"),
        (b"; t=", b"; x=5; t=6; y=", Result.PERMERROR, "the signature expires before it was made"),
        (b"; t=", b"; l=3; t=", Result.POLICY, "the signature leaves the end of the body open"),
        (
            b"; t=",
            b"; i=joe@sub.elsewhere.example; t=",
            Result.PERMERROR,
            "the identity is not below the domain",
        ),
        (b"; t=", b"; q=http; t=", Result.PERMERROR, "the key is not in the DNS"),
        (b"; t=", b"; l=many; t=", Result.PERMERROR, "'many' is no number"),
        (b"v=1", b"v=2", Result.PERMERROR, "the version is not 1"),
        (b"a=ed25519-sha256", b"a=rsa-sha1", Result.POLICY, "rsa-sha1 is not accepted"),
        (b"relaxed/relaxed", b"relaxed/strict", Result.PERMERROR, "the canonicalization is not known"),
        (b"\tbh=", b"\tbx=", Result.PERMERROR, "the tag bh= is missing"),
        (b"From:To", b"X:To", Result.PERMERROR, "From: is not signed"),
    ],
)
async def test_signatures_that_are_none(
    make_lookups: MakeLookups, before: bytes, after: bytes, result: Result, problem: str
) -> None:
    lookups = await make_lookups(ZONE)
    message = signed(MESSAGE.replace(b"Subject", b"X-Subject"))
    if before.startswith(b"From"):
        message = message.replace(b"h=From:Date:Message-ID:To:From", b"h=Date:Message-ID:To")
        message = message.replace(b"h=From:", b"h=", 1).replace(b":From;", b";", 1)
    else:
        message = message.replace(before, after, 1)
    [found] = await verified(lookups, message)
    assert (found.result, found.problem) == (result, problem)


async def test_weak_key_is_not_believed(make_lookups: MakeLookups) -> None:
    """RFC 8301 §3.2: 768 bits"""
    record = (
        "v=DKIM1; p=MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAMd610nw80I/e8jhaaVbw+zwoJ/1EzzuPp13PeFiCH4c2hRd"
        "j37ECVk/y/2ZGpVdb6JW1usNPPRTLE/MHvIczx6raLOtySygb4aeZOhJmsgJvKVyMt0Pflq2pA+G6X6uoQIDAQAB"
    )
    lookups = await make_lookups(texts({"r1._domainkey.other.example": record}))
    [found] = await verified(lookups, signed(MESSAGE, RSA))
    assert (found.result, found.problem) == (Result.POLICY, "the key is of unacceptable size")


async def test_no_more_are_looked_at_than_allowed(make_lookups: MakeLookups) -> None:
    lookups = await make_lookups(ZONE)
    assert len(await verified(lookups, signed(MESSAGE, *[ED25519] * 5), limit=2)) == 2


async def test_strict_key_is_for_its_domain_alone(make_lookups: MakeLookups) -> None:
    """RFC 6376 §3.6.1, t=s"""
    record = keys.dns_record(ED25519.key) + "; t=s"
    lookups = await make_lookups(texts({"e1._domainkey.other.example": record}))
    [found] = await verified(lookups, signed(MESSAGE))
    assert found.result is Result.PASS
    message = signed(MESSAGE).replace(b"; t=", b"; i=@sub.other.example; t=", 1)
    [found] = await verified(lookups, message)
    assert found.problem == "the key is for its own domain only"


@given(st.text(max_size=200) | st.from_regex(r"(v=1;)?( ?[a-z]{1,2}=[^;]{0,20};){0,12}", fullmatch=True))
def test_any_text_is_a_signature_or_none(text: str) -> None:
    try:
        signature = parse_signature(text)
    except Invalid:
        return
    assert signature.domain and signature.selector and signature.headers
