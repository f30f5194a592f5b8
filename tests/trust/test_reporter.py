# SPDX-License-Identifier: Apache-2.0
"""DMARC aggregate reports: counted at arrival, sent once a day to who may have them, as signed mail."""

from __future__ import annotations

import email
import email.policy
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lxml import etree

from armgs_server.storage import clock, dmarc_results
from armgs_server.storage.dmarc_results import DAY, Counted
from armgs_server.trust import aggregate, dmarc, spf
from armgs_server.trust.aggregate import NAMESPACE, Observation
from armgs_server.trust.checks import Findings
from armgs_server.trust.dkim import Checked, Result
from armgs_server.trust.lookups import Lookups
from armgs_server.trust.reporter import PATIENCE, Reporter
from tests.name_server import name_server
from tests.smtp.relaying import route
from tests.smtp.sink import Sink, running_sink
from tests.trust.conftest import MakeLookups
from tests.trust.test_arrival import message, send
from tests.trust.test_departure import RECORDS, give_keys, sent
from tests.trust.test_dkim import verified
from tests.trust.zones import Zone, absolute, texts
from tests.world import World

ZONE = texts(
    {
        "asking.example": "v=spf1 ip4:127.0.0.0/8 -all",
        "_dmarc.asking.example": "v=DMARC1; p=quarantine; sp=reject; rua=mailto:rua@asking.example!1m",
        "_dmarc.silent-one.example": "v=DMARC1; p=reject",
        "_dmarc.elsewhere.example": "v=DMARC1; p=none; rua=mailto:a@asking.example,mailto:no address",
        "_dmarc.outsourced.example": "v=DMARC1; p=none; rua=mailto:b@asking.example",
        "outsourced.example._report._dmarc.asking.example": "v=DMARC1",
    }
)
WEEK = 7


@asynccontextmanager
async def reporting(path: Path, zone: Zone = ZONE) -> AsyncIterator[tuple[World, Sink, Reporter]]:
    async with running_sink(Sink()) as sink, name_server(zone) as dns:
        settings: dict[str, dict[str, Any]] = {
            "smtp": {"dns_servers": (dns,), "relay_routes": (route(sink, "asking.example"),)},
            "trust": {"trusted_networks": (), "reports": True},
        }
        async with World(path, settings=settings) as world:
            core = world.daemon.core
            yield world, sink, Reporter(core, Lookups(core.config))


async def kept(world: World) -> list[tuple[str, int]]:
    return await world.store.read(
        lambda tx: tx.rows("SELECT domain, messages FROM dmarc_result ORDER BY domain, messages")
    )


async def seen(world: World, domain: str, day: int) -> None:
    """Something to report, of a day that is over."""
    detail = Observation(
        "192.0.2.1", "none", "fail", "fail", domain, "", (), "x.example", "helo", "none"
    ).serialise()
    await world.store.write(lambda tx: dmarc_results.add(tx, {Counted(domain, day, detail): 2}))


async def test_what_comes_is_counted_and_told(tmp_path: Path, make_lookups: MakeLookups) -> None:
    async with reporting(tmp_path) as (world, sink, reporter):
        await give_keys(world)
        for sender in ("a@asking.example", "b@asking.example", "x@other.example"):
            await send(world, sender, message("bob@asking.example"))
        await send(world, "a@asking.example", message("bob@sub.asking.example"))
        await send(world, "x@other.example", message("bob@sub.asking.example"))
        await send(world, "x@other.example", message("bob@silent-one.example"))
        await world.stop()  # counts are written down
        await world.start()
        assert await kept(world) == [("asking.example", count) for count in (1, 1, 1, 2)]
        reporter = Reporter(world.daemon.core, Lookups(world.daemon.core.config))
        today = clock.now() // DAY
        assert await reporter.report(today) == 0  # the day is not over
        assert await reporter.report(today + 1) == 1
        assert await reporter.report(today + 1) == 0
        text = await sent(sink)
    [envelope] = sink.messages
    assert (envelope.mail_from, envelope.rcpt_tos) == ("<>", ["rua@asking.example"])
    found = await verified(await make_lookups(RECORDS), text, now=2_000_000_000)
    assert {each.result for each in found} == {"pass"}
    mail = email.message_from_bytes(text, policy=email.policy.default)
    assert mail["Subject"].startswith("Report Domain: asking.example Submitter: localhost Report-ID: <")
    [attachment] = mail.iter_attachments()
    assert (
        attachment.get_filename()
        == f"localhost!asking.example!{today * 86400}!{today * 86400 + 86399}.xml.gz"
    )
    root = etree.fromstring(gzip.decompress(attachment.get_content()))
    assert root.tag == f"{{{NAMESPACE}}}feedback"

    def values(path: str) -> list[str]:
        return [
            str(each.text)
            for each in root.iterfind(path.replace("/", "/{*}").replace("{*}", f"{{{NAMESPACE}}}"))
        ]

    assert values("./policy_published/domain") == ["asking.example"]
    assert values("./policy_published/p") == ["quarantine"]
    rows = zip(
        values("./record/row/count"),
        values("./record/row/policy_evaluated/disposition"),
        values("./record/row/policy_evaluated/spf"),
        values("./record/identifiers/header_from"),
        strict=True,
    )
    assert sorted(rows) == [
        ("1", "pass", "pass", "sub.asking.example"),
        ("1", "quarantine", "fail", "asking.example"),
        ("1", "reject", "fail", "sub.asking.example"),
        ("2", "pass", "pass", "asking.example"),
    ]
    assert set(values("./record/row/source_ip")) == {"127.0.0.1"}


async def test_others_get_reports_only_where_they_want_them(tmp_path: Path) -> None:
    """RFC 9990 §4: nobody is flooded by what a stranger's record says."""
    async with reporting(tmp_path) as (world, sink, reporter):
        for domain in ("elsewhere.example", "outsourced.example", "gone.example"):
            await seen(world, domain, 1)
        assert await reporter.report(WEEK) == 1
        await sent(sink)
        assert await kept(world) == []
    assert [envelope.rcpt_tos for envelope in sink.messages] == [["b@asking.example"]]


async def test_a_day_is_told_once_whoever_tells_it(tmp_path: Path) -> None:
    async with reporting(tmp_path) as (world, _, reporter):
        await seen(world, "asking.example", 1)
        other = Reporter(world.daemon.core, Lookups(world.daemon.core.config))
        assert await reporter.report(WEEK) + await other.report(WEEK) == 1


async def test_a_domain_without_an_answer_waits_and_is_given_up(tmp_path: Path) -> None:
    zone = ZONE | {(absolute("_dmarc.failing.example"), "SERVFAIL"): []}
    async with reporting(tmp_path, zone) as (world, _, reporter):
        await seen(world, "failing.example", WEEK)
        await seen(world, "asking.example", WEEK)
        assert await reporter.report(WEEK + 1) == 1
        assert await kept(world) == [("failing.example", 2)]
        assert await reporter.report(WEEK + PATIENCE + 1) == 0
        assert await kept(world) == []


async def test_nothing_is_counted_unless_asked_for(tmp_path: Path) -> None:
    async with name_server(ZONE) as dns:
        settings: dict[str, dict[str, Any]] = {
            "smtp": {"dns_servers": (dns,)},
            "trust": {"trusted_networks": ()},
        }
        async with World(tmp_path, settings=settings) as world:
            await send(world, "a@asking.example", message("bob@asking.example"))
            await world.stop()
            await world.start()
            assert await kept(world) == []


def test_what_is_noted_is_bounded() -> None:
    """It is a key in the store."""
    long = "п" * 300
    findings = Findings(
        spf.Outcome("none", long, "helo"),
        [Checked(Result.FAIL, long, long)] * 50,
        dmarc=[dmarc.Outcome("fail", long)],
    )
    seen = aggregate.observe(
        findings, findings.dmarc[0], "192.0.2.1", f"x@{long}", is_refused=True, is_junk=False
    )
    assert len(seen.serialise().encode()) < 2000
    assert Observation.parse(seen.serialise()) == seen
    assert seen.disposition == "reject"
