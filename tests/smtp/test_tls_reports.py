# SPDX-License-Identifier: Apache-2.0
"""smtp/tls_reports.py: what is counted is reported once, by whichever process is first."""

from __future__ import annotations

from armgs_server.service import Core
from armgs_server.smtp.routing import Routing
from armgs_server.smtp.tls_reports import DAY, TlsReports
from armgs_server.storage import clock, queue, tls_results
from armgs_server.storage.tls_results import Observed
from tests.name_server import name_server
from tests.smtp.conftest import MakeCore

ASKS = {("_smtp._tls.other.example.", "TXT"): ['"v=TLSRPTv1; rua=mailto:tls@other.example"']}


def reports_of(core: Core) -> TlsReports:
    return TlsReports(core, Routing(core.config.smtp, "mx.digital.example"))


async def test_a_day_is_reported_when_it_is_over(make_core: MakeCore) -> None:
    async with name_server(ASKS) as dns:
        core = await make_core(dns_servers=(dns,), dns_timeout=2.0)
        first, second = reports_of(core), reports_of(core)
        first.note("other.example", "mx.other.example", "sts")
        first.note("other.example", "mx.other.example", "sts", "certificate-expired")
        first.note("third.example", "mx.third.example", "")  # no policy: nothing is expected
        second.note("other.example", "mx.other.example", "sts")
        second.note("silent-about.example", "mx.silent-about.example", "tlsa")
        await first.flush()
        await second.stop()
        now = clock.now()
        today = now // DAY
        counted = await core.store.read(lambda tx: tls_results.of_day(tx, "other.example", today))
        assert counted == {
            Observed(today, "other.example", "sts", "mx.other.example", ""): 2,
            Observed(today, "other.example", "sts", "mx.other.example", "certificate-expired"): 1,
        }
        assert await first.report(now) == 0
        assert await first.report(now + DAY) + await second.report(now + DAY) == 1
    [entry] = await core.store.read(queue.scan)
    assert (entry.sender, entry.recipient) == ("postmaster@digital.example", "tls@other.example")
    assert (await core.store.blobs.read(entry.blob)).startswith(b"From: <postmaster@digital.example>\r\n")
    assert await core.store.read(lambda tx: tls_results.days_before(tx, today + 9)) == []


async def test_a_name_service_that_is_away_is_waited_for(make_core: MakeCore) -> None:
    async with name_server({}) as dns:
        core = await make_core(dns_servers=(dns,), dns_timeout=0.2)
        reports = reports_of(core)
        counts = {Observed(100, "broken.example", "sts", "mx", ""): 1}
        await core.store.write(lambda tx: tls_results.add(tx, counts))
        # The name server answers for _smtp._tls.broken.example that there is no such name …
        assert await reports.report(101 * DAY) == 0
        assert await core.store.read(lambda tx: tls_results.days_before(tx, 101)) == []
        counts = {Observed(100, "silent.example", "sts", "mx", ""): 1}  # of which no answer is remembered
        await core.store.write(lambda tx: tls_results.add(tx, counts))
    # … and is gone now: the day waits, but not for ever.
    assert await reports.report(101 * DAY) == 0
    assert await core.store.read(lambda tx: tls_results.days_before(tx, 101)) == [("silent.example", 100)]
    assert await reports.report(110 * DAY) == 0
    assert await core.store.read(lambda tx: tls_results.days_before(tx, 101)) == []


async def test_who_does_not_want_reports_counts_nothing(make_core: MakeCore) -> None:
    core = await make_core(tls_reports=False)
    reports = reports_of(core)
    reports.note("other.example", "mx.other.example", "sts")
    await reports.flush()
    assert await core.store.read(lambda tx: tls_results.days_before(tx, 1 << 40)) == []
