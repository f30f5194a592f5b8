# SPDX-License-Identifier: Apache-2.0
"""Which protection a server of another domain must have: DANE, then MTA-STS, then our own settings.

DANE goes first (RFC 8461 §2): where authentic TLSA records say who the server is, no policy fetched over the
web says otherwise. A policy that was fetched once holds until its time is over, whatever the DNS says then.
"""

from __future__ import annotations

from armgs_server import log
from armgs_server.directory.cache import Cache
from armgs_server.errors import DomainError
from armgs_server.service import Core
from armgs_server.smtp import sts, sts_fetch
from armgs_server.smtp.outbound import NoTls
from armgs_server.smtp.protection import Mode, Protection
from armgs_server.smtp.routing import Host, NoRoute, Routing
from armgs_server.smtp.sts_fetch import FetchFailed
from armgs_server.storage import clock, sts_policies
from armgs_server.storage.sts_policies import KeptPolicy

# What a domain says is believed so long without another look (RFC 8461 §5.1: not at every message).
REMEMBERED = 5 * clock.MINUTE
DOMAINS = 5000
MODES = {"none": Mode.NONE, "opportunistic": Mode.MAY, "required": Mode.VERIFY}

_log = log.get("relay")


class Policies:
    """Answers for each host. Remembers what was asked lately."""

    def __init__(self, core: Core, routing: Routing, https_port: int = sts_fetch.HTTPS_PORT) -> None:
        self._core = core
        self._routing = routing
        self._https_port = https_port
        self._sts: Cache[str, tuple[int, sts.Policy | None]] = Cache(DOMAINS)

    async def protection(self, domain: str, host: Host, *, needs_tls: bool) -> Protection:
        """What a connection to this host of that domain must have. NoTls: no mail may go there."""
        own = MODES[self._core.config.smtp.relay_tls]
        if needs_tls and own is not Mode.VERIFY:
            own = Mode.ENCRYPT if host.name.startswith("[") else Mode.VERIFY  # RFC 8689 §4.2.1
        if host.is_static or host.name.startswith("[") or own is Mode.NONE:
            return Protection(own)
        dane = await self._dane(domain, host)
        if dane is not None:
            return dane if dane.is_authenticated or not needs_tls else Protection(Mode.VERIFY)
        policy = await self.sts_policy(domain)
        if needs_tls and not host.is_secure and (policy is None or not policy.allows(host.name)):
            # RFC 8689 §4.2.1: an MX for which neither DNSSEC nor MTA-STS vouches may be anybody's.
            raise NoTls(f"nothing proves that {host.name} is a server of {domain}")
        if policy is None or policy.mode is sts.Mode.NONE:
            return Protection(own)
        if policy.mode is sts.Mode.TESTING:
            return Protection(Mode.VERIFY, policy="sts", is_tested=own is not Mode.VERIFY)
        if not policy.allows(host.name):
            raise NoTls(
                f"{host.name} is not a server that the policy of {domain} names", "validation-failure", "sts"
            )
        return Protection(Mode.VERIFY, policy="sts")

    async def sts_policy(self, domain: str) -> sts.Policy | None:
        """The MTA-STS policy that holds for a domain now."""
        if not self._core.config.smtp.sts:
            return None
        now = clock.now()
        remembered = self._sts.get(domain)
        if remembered is not None and remembered[0] > now:
            return remembered[1]
        policy = await self._find_policy(domain, now)
        self._sts.put(domain, (now + REMEMBERED, policy))
        return policy

    async def _dane(self, domain: str, host: Host) -> Protection | None:
        """RFC 7672 §2.2; None where there is no DANE for the host."""
        if not host.is_secure:
            return None
        try:
            records = await self._routing.tlsa(host)
        except NoRoute as error:
            text = f"{host.name}: its TLSA records cannot be had"
            raise NoTls(text, "dnssec-invalid", "tlsa") from error
        if not records:
            return None
        usable = tuple(record for record in records if record.is_usable)
        if not usable:  # §2.2: encryption is mandatory then, authentication impossible
            return Protection(Mode.ENCRYPT, policy="tlsa")
        return Protection(Mode.DANE, usable, (host.name, domain), "tlsa")

    async def _find_policy(self, domain: str, now: int) -> sts.Policy | None:
        store = self._core.store
        kept = await store.read(lambda tx: sts_policies.get(tx, domain, now))
        try:
            identity = sts.parse_record(await self._routing.texts(f"_mta-sts.{domain}"))
        except NoRoute as error:
            _log.debug("no policy record", domain=domain, error=error)
            identity = None
        if identity is not None and (kept is None or kept.identity != identity):
            try:
                text = await sts_fetch.fetch(domain, self._routing, self._core.config, self._https_port)
                fresh = sts.parse_policy(text)
                if fresh is None:
                    raise FetchFailed(f"{domain}: what it serves is no policy")
                kept = KeptPolicy(domain, identity, text, now + fresh.max_age * clock.SECOND)
                made = kept
                await store.write(lambda tx: sts_policies.put(tx, made))
            except (FetchFailed, DomainError) as error:
                _log.warning("policy not fetched", domain=domain, error=error)
        return sts.parse_policy(kept.text) if kept is not None else None
