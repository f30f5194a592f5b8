# SPDX-License-Identifier: Apache-2.0
"""Our own domains' MTA-STS policy at https://mta-sts.DOMAIN/.well-known/mta-sts.txt (RFC 8461 §3.3)."""

from __future__ import annotations

from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.net.http import Handler, Request, Response
from armgs_server.service import Core
from armgs_server.smtp import sts
from armgs_server.smtp.sts import Mode, Policy

LABEL = "mta-sts."


def handler(core: Core) -> Handler:
    """Answers for the domains served here; others, and where there is no policy, get 404."""

    async def handle(request: Request) -> Response:
        policy = own_policy(core)
        if policy is None or not request.is_tls or not _is_ours(core, request.header("host") or ""):
            return Response(404, [("Content-Type", "text/plain")], b"Not found\n")
        return Response(
            200, [("Content-Type", "text/plain; charset=utf-8")], sts.serialise_policy(policy).encode()
        )

    return handle


def own_policy(core: Core) -> Policy | None:
    """What `[smtp] sts_…` say; None where there is no policy."""
    settings = core.config.smtp
    mode = Mode(settings.sts_mode)
    if mode is Mode.NONE:
        return None
    return Policy(mode, settings.sts_hosts or (core.config.server.hostname,), settings.sts_max_age)


def _is_ours(core: Core, host: str) -> bool:
    name = host.partition(":")[0].lower()
    if not name.startswith(LABEL):
        return False
    try:
        return core.directory.is_local(addresses.normalise_domain(name.removeprefix(LABEL)))
    except Invalid:
        return False
