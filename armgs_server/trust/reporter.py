# SPDX-License-Identifier: Apache-2.0
"""Counts what came under other domains, and tells those that ask for it once a day (RFC 9990).

Invariants: a report is queued in the transaction that takes its rows away, so a day is reported once,
whatever number of processes serve. What was counted in the last minute before a crash is lost.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial

from armgs_server import log
from armgs_server.errors import DomainError, Temporary
from armgs_server.formats import addresses
from armgs_server.service import Core
from armgs_server.storage import clock, dmarc_results, queue
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.dmarc_results import DAY, Counted
from armgs_server.storage.queue import Destination
from armgs_server.storage.tx import Tx
from armgs_server.trust import aggregate, dmarc
from armgs_server.trust.aggregate import Observation, Period
from armgs_server.trust.checks import Findings
from armgs_server.trust.lookups import Lookups
from armgs_server.trust.model import Arrival

WRITTEN_EVERY = 60.0
SENT_EVERY = 3600.0
# Different observations counted in memory before they are written.
COUNTED = 5000
# Reports made in one go, and rows told in one of them.
REPORTS = 100
# Days for which a domain that cannot be asked is tried again.
PATIENCE = 2
ROWS = 10_000

_log = log.get("trust")


class Reporter:
    """Counts in memory for a minute, in the store for a day."""

    def __init__(self, core: Core, lookups: Lookups) -> None:
        self._core = core
        self._lookups = lookups
        self._counts: Counter[Counted] = Counter()
        self._runner: asyncio.Task[None] | None = None
        self._is_crowded = asyncio.Event()

    async def start(self) -> None:
        """Begins to write down and to report."""
        self._runner = asyncio.create_task(self._run(), name="dmarc reports")

    async def stop(self) -> None:
        """Ends; what was counted is written down."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        try:
            await self.write_down()
        except DomainError as error:
            _log.warning("results not written down", error=error)

    def note(self, findings: Findings, arrival: Arrival, *, is_refused: bool, is_junk: bool) -> None:
        """Counts a message for each author's domain that asks for reports."""
        for outcome in findings.dmarc:
            if outcome.record is None or not outcome.record.report_addresses:
                continue
            seen = aggregate.observe(
                findings, outcome, arrival.peer, arrival.sender, is_refused=is_refused, is_junk=is_junk
            )
            self._counts[Counted(outcome.policy_domain, clock.now() // DAY, seen.serialise())] += 1
        if len(self._counts) >= COUNTED:
            self._is_crowded.set()

    async def write_down(self) -> None:
        """Counts go from memory into the store."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await self._core.store.write(lambda tx: dmarc_results.add(tx, counts))
        except DomainError:
            if len(counts) < COUNTED:  # another time; what is too much is given up
                self._counts.update(counts)
            raise

    async def report(self, today: int) -> int:
        """Makes the reports of days that are over; how many."""
        made = 0
        for domain, day in await self._core.store.read(lambda tx: dmarc_results.complete(tx, today, REPORTS)):
            try:
                made += await self._report_day(domain, day)
            except Temporary as error:  # of this domain's DNS, or of the store
                is_over = day < today - PATIENCE
                _log.info("no DMARC report", domain=domain, error=error, given_up=is_over)
                if is_over:
                    await self._core.store.write(partial(dmarc_results.remove, domain=domain, day=day))
        return made

    async def _run(self) -> None:
        reported = 0.0
        while True:
            try:
                async with asyncio.timeout(WRITTEN_EVERY):
                    await self._is_crowded.wait()
            except TimeoutError:
                _log.debug("a minute is over")
            self._is_crowded.clear()
            try:
                await self.write_down()
                if self._core.config.trust.reports and time.monotonic() - reported > SENT_EVERY:
                    reported = time.monotonic()
                    await self.report(clock.now() // DAY)
            except DomainError as error:
                _log.warning("no reports to other domains now", error=error)

    async def _report_day(self, domain: str, day: int) -> bool:
        """One report, or none where nobody wants it any more."""
        found = await dmarc.report_addresses(self._lookups, domain)
        rows = await self._core.store.read(lambda tx: dmarc_results.details(tx, domain, day, ROWS))
        texts: list[tuple[str, BlobRef]] = []
        if found is not None:
            record, recipients = found
            period = self._period(day)
            observations = [(Observation.parse(detail), count) for detail, count in rows]
            report = await asyncio.to_thread(aggregate.serialise_report, period, domain, record, observations)
            moment = datetime.fromtimestamp(clock.now() // clock.SECOND, UTC)
            for recipient in recipients:
                text = aggregate.serialise_message(period, domain, recipient, report, moment)
                texts.append((recipient, await self._core.store.blobs.put(text)))
        lifetime = round(self._core.config.smtp.queue_lifetime * clock.SECOND)

        async def work(tx: Tx) -> bool:
            if not await dmarc_results.remove(tx, domain, day):
                return False
            for recipient, ref in texts:
                address = addresses.parse(recipient)
                where = addresses.normalise_domain(address.domain)
                destination = Destination(str(address), where, {"size": ref.size})
                # The null path: nobody waits for a report that a report could not be sent.
                await queue.enqueue(
                    tx, ref, [destination], owner=0, sender="", now=clock.now(), lifetime=lifetime
                )
            return bool(texts)

        is_sent = await self._core.store.write(work)
        _log.info("DMARC report", domain=domain, rows=len(rows), sent=is_sent)
        return is_sent

    def _period(self, day: int) -> Period:
        begin = day * DAY // clock.SECOND
        domain = next(iter(self._core.config.server.domains or self._core.directory.domains), "localhost")
        return Period(
            begin=begin,
            end=begin + DAY // clock.SECOND - 1,
            organization=self._core.config.server.hostname,
            address=f"postmaster@{addresses.to_ascii(domain)}",
            report_id=f"{clock.unique_id():x}@{self._core.config.server.hostname}",
        )
