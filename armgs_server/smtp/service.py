# SPDX-License-Identifier: Apache-2.0
"""The SMTP service: its listeners, its open sessions, the relay of the queue, reminders by mail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from armgs_server.net.http import Handler
from armgs_server.net.stream import Listener, Stream
from armgs_server.service import Core, Sessions
from armgs_server.smtp import replies, sts_fetch, sts_site
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.letters import Letters
from armgs_server.smtp.policy import LMTP, MX, SUBMISSION, SUBMISSIONS, Role
from armgs_server.smtp.relay import Relay
from armgs_server.smtp.session import Session
from armgs_server.smtp.task_reminders import TaskReminders
from armgs_server.trust.arrival import Judge
from armgs_server.trust.departure import Sealer
from armgs_server.trust.training import Trainer


class SmtpService:
    """See armgs_server.service.Service."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._sessions = Sessions[Session](core.store.bus)
        judge, self._sealer, self._trainer = Judge(core), Sealer(core), Trainer(core)
        self._reporter = judge.reporter
        self._delivery = Delivery(core, judge.judge, self._sealer.seal, judge.is_needed)
        self._relay = Relay(self._delivery)
        self._task_reminders = TaskReminders(self._delivery)
        self._letters = Letters(self._delivery)

    @property
    def listeners(self) -> Sequence[Listener]:
        """Ports 25, 587, 465 where there is a certificate, and LMTP where mail servers may deliver by it."""
        roles: tuple[Role, ...] = (
            (MX, SUBMISSION, SUBMISSIONS) if self._core.tls is not None else (MX, SUBMISSION)
        )
        if self._core.config.smtp.lmtp_hosts or self._core.config.smtp.lmtp_socket:
            roles = (*roles, LMTP)
        return [
            Listener(role.name, role.port, role.tls, self._connector(role), replies.TOO_BUSY_421.wire)
            for role in roles
        ]

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        """The MTA-STS policy of our domains."""
        return [(sts_fetch.PATH, sts_site.handler(self._core))]

    async def start(self) -> None:
        """Begins to send what is queued."""
        self._sessions.start()
        self._sealer.start()
        self._delivery.filing.start()
        await self._trainer.start()
        await self._reporter.start()
        await self._relay.start()
        self._task_reminders.start()
        self._letters.start()

    async def stop(self) -> None:
        """Says 421 to who waits; messages on their way in are finished, those on their way out given back."""
        await self._letters.stop()
        await self._task_reminders.stop()
        await self._relay.stop()
        await self._trainer.stop()
        await self._reporter.stop()
        self._sealer.stop()
        self._delivery.filing.stop()
        self._sessions.stop()

    def _connector(self, role: Role) -> Callable[[Stream], Awaitable[None]]:
        async def connect(stream: Stream) -> None:
            await self._sessions.run(Session(self._delivery, role, stream))

        return connect
