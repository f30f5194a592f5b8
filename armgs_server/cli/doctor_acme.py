# SPDX-License-Identifier: Apache-2.0
"""How it stands with the CA that makes certificates by ACME: what `armgs doctor` says of it."""

from __future__ import annotations

from datetime import UTC, datetime

from armgs_server.cli.findings import Finding
from armgs_server.config import Config
from armgs_server.storage import Store, acme, clock


async def authority(config: Config, store: Store) -> list[Finding]:
    """Nothing where no CA is configured."""
    if not config.tls.acme_directory:
        return []
    state = await store.read(acme.state)
    found = []
    if state.failures:
        # Whether people notice is told by the certificate itself; this is why there is no newer one.
        fields = {"failures": str(state.failures), "error": state.error}
        found.append(Finding("authority", "warning", "authority_failed", fields, "see_authority"))
    elif not state.done:
        found.append(Finding("authority", "warning", "authority_waits", advice="see_authority"))
    else:
        fields = {"next": f"{datetime.fromtimestamp(state.renew / clock.SECOND, UTC):%Y-%m-%d}"}
        found.append(Finding("authority", "ok", "authority", fields))
    if state.refused:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in state.refused.items())
        found.append(Finding("authority", "warning", "authority_refused", {"names": reasons}, "name_dns"))
    return found
