# SPDX-License-Identifier: Apache-2.0
"""Who may send what to whom: the roles of the ports, recipients, senders.

Invariants: the mx role takes mail for the department's domains only, from anybody; whoever sends to other
domains has logged in. A sender's address, in MAIL FROM and in From:, is one the person may send as.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound
from armgs_server.formats import addresses
from armgs_server.formats.addresses import Address
from armgs_server.net.stream import Security
from armgs_server.service import Core
from armgs_server.smtp import replies
from armgs_server.smtp.replies import Reply
from armgs_server.storage import accounts

# A message declared larger than this is worth a look at the quota before it comes.
LARGE = 1024 * 1024
LIST_KINDS = ("group", "unit", "department")


@dataclass(frozen=True, slots=True)
class Role:
    """What a listening port is for."""

    name: str
    port: int
    tls: Security
    is_submission: bool


MX = Role("smtp", 25, "starttls", is_submission=False)
SUBMISSION = Role("submission", 587, "starttls", is_submission=True)
SUBMISSIONS = Role("submissions", 465, "direct", is_submission=True)  # RFC 8314 §3.3


@dataclass(frozen=True, slots=True)
class Recipient:
    """One accepted forward-path. Without owners and list it belongs to another domain."""

    path: str
    domain: str
    owners: tuple[int, ...] = ()
    list_address: str = ""
    list_name: str = ""
    notify: frozenset[str] = frozenset()  # RFC 3461 §4.1; empty = not given
    original: tuple[str, str] | None = None  # RFC 3461 §4.2

    @property
    def is_remote(self) -> bool:
        """Whether it must be sent on."""
        return not self.owners and not self.list_address


async def find_recipient(
    core: Core,
    address: Address,
    *,
    may_relay: bool,
    is_report: bool = False,
    size: int = 0,
    may_be_full: Callable[[int], bool] = lambda owner: True,
) -> Recipient | Reply:
    """Where mail for an address goes, or why it is refused.

    `is_report`: the sender is the null path. `may_be_full` spares a look at the quota, which the delivery
    itself looks at again.
    """
    domain = addresses.normalise_domain(address.domain)
    if not core.directory.is_local(domain):
        return Recipient(str(address), domain) if may_relay else replies.NO_RELAY_550
    principal = await core.directory.resolve(address.normalised)
    if principal is None and address.local.lower() in ("postmaster", "abuse"):
        return await _find_postmaster(core, address, domain)  # RFC 5321 §4.5.1, RFC 2142 §4
    if principal is None:
        return replies.NO_SUCH_USER_550
    if principal.disabled:
        return replies.DISABLED_550
    if principal.kind in LIST_KINDS:
        if is_report:
            return replies.NULL_TO_LIST_550
        return await _find_list(core, address, principal)
    is_suspect = size > LARGE or may_be_full(principal.id)
    return await find_mailbox(core, address, principal, size if is_suspect else None)


def own_domain(core: Core) -> str:
    """The domain of an address that has none."""
    return next(iter(core.config.server.domains or core.directory.domains), core.config.server.hostname)


async def may_send_as(core: Core, person: Principal, sender: Address) -> bool:
    """Whether the person may use the address as sender."""
    return await core.directory.may_send_as(person, sender.normalised)


async def find_mailbox(
    core: Core, address: Address, principal: Principal, size: int | None
) -> Recipient | Reply:
    """A person's mailbox; with a size, only if it has room for so much."""
    if principal.kind != "person":
        return replies.NO_MAILBOX_550
    if size is not None:
        try:
            usage = await core.store.read(lambda tx: accounts.usage(tx, principal.id))
        except NotFound:
            return replies.NO_MAILBOX_550
        if usage.quota and usage.bytes + size >= usage.quota:
            return replies.MAILBOX_FULL_452
    return Recipient(str(address), principal.domain, (principal.id,))


async def _find_list(core: Core, address: Address, group: Principal) -> Recipient | Reply:
    members = await core.directory.members(group)
    owners = tuple(sorted({member.id for member in members if not member.disabled}))
    if not owners:
        return replies.EMPTY_LIST_550
    return Recipient(str(address), group.domain, owners, group.address, group.name or group.address)


async def _find_postmaster(core: Core, address: Address, domain: str) -> Recipient | Reply:
    """Nobody has the address: it reaches who leads the department."""
    heads = await core.directory.heads(core.directory.domains[domain])
    owners = tuple(sorted(head.id for head in heads if not head.disabled))
    return Recipient(str(address), domain, owners) if owners else replies.NO_SUCH_USER_550
