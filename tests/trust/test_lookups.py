# SPDX-License-Identifier: Apache-2.0
"""Look-ups: found, empty, failed, impossible; kept as long as the records say."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from armgs_server.config import Config, SmtpSettings
from armgs_server.errors import Temporary
from armgs_server.trust.lookups import Lookups
from tests.name_server import name_server
from tests.trust.conftest import MakeLookups
from tests.trust.zones import Zone, absolute, texts

ZONE: Zone = texts({"a.example": "x" * 300, "пример.example": "идн"}) | {
    (absolute("a.example"), "A"): ["192.0.2.1"],
    (absolute("a.example"), "AAAA"): ["2001:db8::1"],
    (absolute("a.example"), "MX"): ["20 b.example.", "10 a.example."],
    ("1.2.0.192.in-addr.arpa.", "PTR"): ["a.example."],
    (absolute("failing.example"), "SERVFAIL"): [],
}


async def test_records(make_lookups: MakeLookups) -> None:
    lookups = await make_lookups(ZONE)
    assert await lookups.texts("a.example") == (b"x" * 300,)
    assert await lookups.texts("пример.example.") == ("идн".encode(),)
    assert await lookups.addresses("A.example", "A") == (ip_address("192.0.2.1"),)
    assert await lookups.addresses("a.example", "AAAA") == (ip_address("2001:db8::1"),)
    assert await lookups.exchangers("a.example") == ("a.example", "b.example")
    assert await lookups.names(ip_address("192.0.2.1")) == ("a.example",)
    assert await lookups.exists("a.example")


async def test_nothing(make_lookups: MakeLookups) -> None:
    lookups = await make_lookups(ZONE)
    for name in (
        "b.example",
        "a..example",
        "x" * 64 + ".example",
        ".".join(["x" * 60] * 5),
        "a\udc80.example",
    ):
        assert await lookups.texts(name) == ()
        assert not await lookups.exists(name)
    assert await lookups.exchangers("пример.example") == ()


async def test_failures(make_lookups: MakeLookups) -> None:
    lookups = await make_lookups(ZONE)
    with pytest.raises(Temporary):
        await lookups.texts("failing.example")
    with pytest.raises(Temporary):
        await lookups.exists("failing.example")


async def test_silence_is_a_failure(tmp_path: Path) -> None:
    async with name_server({}) as dns:
        lookups = Lookups(Config(tmp_path, smtp=SmtpSettings(dns_servers=(dns,), dns_timeout=0.2)))
        with pytest.raises(Temporary):
            await lookups.texts("silent.example")


async def test_answers_are_kept_and_others_asked_when_the_settings_change(tmp_path: Path) -> None:
    config = Config(tmp_path, smtp=SmtpSettings(dns_timeout=0.3))
    lookups = Lookups(config)
    async with name_server(ZONE) as dns:
        object.__setattr__(config.smtp, "dns_servers", (dns,))
        assert await lookups.texts("a.example") == (b"x" * 300,)
        assert await lookups.texts("b.example") == ()
    assert await lookups.texts("a.example") == (b"x" * 300,)  # nobody is there to answer
    assert await lookups.texts("b.example") == ()
    async with name_server(texts({"a.example": "other"})) as dns:
        object.__setattr__(config.smtp, "dns_servers", (dns,))
        assert await lookups.texts("a.example") == (b"other",)
