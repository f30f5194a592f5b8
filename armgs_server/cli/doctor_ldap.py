# SPDX-License-Identifier: Apache-2.0
"""The directory as address books use it: a simple bind with one's own name and password (RFC 4511 §4.2)."""

from __future__ import annotations

import asyncio
import ssl

from armgs_server.cli.probes import TIMEOUT, ProbeFailed, Target
from armgs_server.errors import DomainError
from armgs_server.ldap.client import Client, Url


def ldap(target: Target) -> str:
    """With StartTLS (RFC 4511 §4.14)."""
    return asyncio.run(_bind(target, secure=False))


def ldaps(target: Target) -> str:
    """Under TLS from the start."""
    return asyncio.run(_bind(target, secure=True))


async def _bind(target: Target, *, secure: bool) -> str:
    try:
        async with asyncio.timeout(TIMEOUT):
            client = await Client.connect(Url(secure, target.host, target.port, ""), target.context)
            await client.bind(target.address, target.password)
            await client.close()
            return "bind"
    except DomainError as error:
        if isinstance(error.__cause__, ssl.SSLCertVerificationError | ConnectionRefusedError):
            raise error.__cause__ from error  # said as of every other service
        raise ProbeFailed(error.text) from error
