# SPDX-License-Identifier: Apache-2.0
"""What scripts ask of the world around them. `rules.host` answers from the store."""

from __future__ import annotations

from typing import Protocol

from armgs_server.rules.sieve.program import Program


class Host(Protocol):
    """What scripts ask of the world around them: one person's."""

    now: int
    addresses: tuple[str, ...]  # the owner's own, as compared
    name: str

    async def has_mailbox(self, name: str) -> bool:
        """RFC 5490 §3.1: a message could be filed into it."""

    async def special_use(self, attribute: str) -> str | None:
        """RFC 8579: the mailbox that has the attribute."""

    async def annotation(self, mailbox: str | None, name: str) -> str | None:
        """RFC 5490 §3.3: of a mailbox, or of the account; None where there is none."""

    async def is_remembered(self, key: str) -> bool:
        """RFC 7352."""

    async def script(self, location: str, name: str) -> Program | None:
        """RFC 6609: personal or global."""

    async def is_listed(self, list_name: str, value: str) -> bool:
        """RFC 6134. Invalid where there is no such list."""

    async def list_addresses(self, list_name: str) -> list[str]:
        """RFC 6134 §2.6: for redirect. Invalid where there is no such list."""

    def has_list(self, list_name: str) -> bool:
        """RFC 6134 §2.8."""

    def environment(self, item: str) -> str | None:
        """RFC 5183."""
