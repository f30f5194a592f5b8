# SPDX-License-Identifier: Apache-2.0
"""Private keys with which domains sign their mail (RFC 6376 §3.1: one selector for each)."""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.errors import AlreadyExists, NotFound
from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

# Published on the bus, with the domain, when its keys are others.
TOPIC = "dkim"


@dataclass(frozen=True, slots=True)
class DkimKey:
    """`private` is PEM. `is_used`: mail is signed with it."""

    domain: str
    selector: str
    private: bytes
    is_used: bool
    created: int

    def __repr__(self) -> str:
        """Nothing secret: this may get into a log."""
        return f"DkimKey({self.selector}._domainkey.{self.domain})"


async def add(tx: Tx, domain: str, selector: str, private: bytes, *, is_used: bool) -> None:
    """AlreadyExists where the domain has the selector."""
    rows = await tx.rows(
        "INSERT INTO dkim_key (domain, selector, private, used, created) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (domain, selector) DO NOTHING RETURNING selector",
        domain,
        selector,
        private,
        int(is_used),
        clock.now(),
    )
    if not rows:
        raise AlreadyExists(f"{domain} has a key {selector}")
    tx.publish(TOPIC, domain.encode())


async def of(tx: Tx, domain: str) -> list[DkimKey]:
    """All keys of a domain, the oldest first."""
    rows = await tx.rows(
        "SELECT domain, selector, private, used, created FROM dkim_key WHERE domain = ?"
        " ORDER BY created, selector",
        domain,
    )
    return [DkimKey(name, selector, bytes(pem), bool(used), made) for name, selector, pem, used, made in rows]


async def domains(tx: Tx) -> list[str]:
    """The domains that have keys."""
    rows = await tx.rows("SELECT DISTINCT domain FROM dkim_key ORDER BY domain")
    return [row[0] for row in rows]


async def use(tx: Tx, domain: str, selectors: list[str]) -> None:
    """From now on the domain signs with these and no others; NotFound."""
    known = {key.selector for key in await of(tx, domain)}
    for selector in selectors:
        if selector not in known:
            raise NotFound(f"{domain} has no key {selector}")
    await tx.executemany(
        "UPDATE dkim_key SET used = ? WHERE domain = ? AND selector = ?",
        [(int(selector in selectors), domain, selector) for selector in known],
    )
    tx.publish(TOPIC, domain.encode())


async def remove(tx: Tx, domain: str, selector: str) -> None:
    """NotFound."""
    if not await tx.execute("DELETE FROM dkim_key WHERE domain = ? AND selector = ?", domain, selector):
        raise NotFound(f"{domain} has no key {selector}")
    tx.publish(TOPIC, domain.encode())
