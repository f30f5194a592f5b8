# SPDX-License-Identifier: Apache-2.0
"""Counts how TLS with other servers goes, and tells those domains that ask, once a day (RFC 8460).

Counted are sessions under a policy (DANE, MTA-STS): a domain without one expects nothing. Counts wait in
memory for a minute; a process that is killed loses so much of a statistic, and no mail.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from armgs_server import log
from armgs_server.errors import DomainError
from armgs_server.service import Core
from armgs_server.smtp import tls_report
from armgs_server.smtp.header import moment_of
from armgs_server.smtp.routing import NoRoute, Routing
from armgs_server.smtp.tls_report import Heading
from armgs_server.storage import clock, queue, tls_results
from armgs_server.storage.queue import Destination
from armgs_server.storage.tls_results import Observed
from armgs_server.storage.tx import Tx

FLUSH = 60.0
DAY = 24 * clock.HOUR
REPORTED_EVERY = 3600.0

_log = log.get("relay")


class TlsReports:
    """One for each process that sends."""

    def __init__(self, core: Core, routing: Routing) -> None:
        self._core = core
        self._routing = routing
        self._counts: Counter[Observed] = Counter()
        self._task: asyncio.Task[None] | None = None

    def note(self, domain: str, host: str, policy: str, kind: str = "") -> None:
        """One session with a host under a policy, if there is one; `kind` says what has failed."""
        if policy and self._core.config.smtp.tls_reports:
            self._counts[Observed(clock.now() // DAY, domain, policy, host, kind)] += 1

    def start(self) -> None:
        """Begins to keep the counts, and to report the days that are over."""
        self._task = asyncio.create_task(self._run(), name="TLS reports")

    async def stop(self) -> None:
        """Keeps what was counted."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()

    async def flush(self) -> None:
        """Puts the counts into the store; they wait on when it does not take them."""
        if not self._counts:
            return
        counts, self._counts = self._counts, Counter()
        try:
            await self._core.store.write(lambda tx: tls_results.add(tx, counts))
        except DomainError as error:
            self._counts.update(counts)
            _log.warning("TLS results not kept", error=error)

    async def report(self, now: int) -> int:
        """Queues the reports of the days that are over; how many."""
        store = self._core.store
        made = 0
        for domain, day in await store.read(lambda tx: tls_results.days_before(tx, now // DAY)):
            try:
                recipients = tls_report.parse_record(await self._routing.texts(f"_smtp._tls.{domain}"))
            except NoRoute as error:
                if now // DAY - day <= tls_results.KEPT_DAYS:
                    _log.debug("TLS report waits", domain=domain, error=error)
                    continue
                recipients = []
            made += await self._queue(domain, day, recipients, now)
        return made

    async def _run(self) -> None:
        waited = 0.0
        while True:
            await asyncio.sleep(FLUSH)
            await self.flush()
            waited += FLUSH
            if waited < REPORTED_EVERY:
                continue
            waited = 0.0
            try:
                await self.report(clock.now())
            except DomainError as error:
                _log.warning("TLS reports wait", error=error)

    async def _queue(self, domain: str, day: int, recipients: list[str], now: int) -> int:
        core = self._core
        counts = await core.store.read(lambda tx: tls_results.of_day(tx, domain, day))
        own = next(iter(core.config.server.domains or core.directory.domains), core.config.server.hostname)
        messages = []
        for recipient in recipients:
            heading = Heading(
                hostname=core.config.server.hostname,
                contact=f"postmaster@{own}",
                recipient=recipient,
                domain=domain,
                day=day,
                identifier=f"{clock.unique_id():x}",
            )
            text = tls_report.serialise(heading, counts, moment_of(now))
            target = Destination(recipient, recipient.rpartition("@")[2].lower(), {"size": len(text)})
            messages.append((await core.store.blobs.put(text), target, heading.contact))
        lifetime = round(core.config.smtp.queue_lifetime * clock.SECOND)

        async def work(tx: Tx) -> int:
            if not await tls_results.finish(tx, domain, day):
                return 0
            for ref, target, contact in messages:
                await queue.enqueue(tx, ref, [target], owner=0, sender=contact, now=now, lifetime=lifetime)
            return len(messages)

        return await core.store.write(work)
