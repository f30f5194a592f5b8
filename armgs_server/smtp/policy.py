# SPDX-License-Identifier: Apache-2.0
"""Who may send what to whom: the roles of the ports, recipients, senders.

Invariants: the mx role takes mail for the department's domains only, from anybody; whoever sends to other
domains has logged in. A sender's address, in MAIL FROM and in From:, is one the person may send as.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from armgs_server.config import LMTP_PORT
from armgs_server.directory.forms import Form
from armgs_server.directory.model import Principal
from armgs_server.directory.posts import has_mailbox
from armgs_server.directory.succession import SUCCESSOR
from armgs_server.errors import NotFound
from armgs_server.formats import addresses
from armgs_server.formats.addresses import Address
from armgs_server.net.stream import Security
from armgs_server.service import Core
from armgs_server.smtp import lists, replies, routing
from armgs_server.smtp.lists import MailList
from armgs_server.smtp.replies import Reply
from armgs_server.storage import accounts

# A message declared larger than this is worth a look at the quota before it comes.
LARGE = 1024 * 1024
# Where people send a reply to what they want back.
RECALL = "recall"


@dataclass(frozen=True, slots=True)
class Role:
    """What a listening port is for."""

    name: str
    port: int
    tls: Security
    is_submission: bool
    is_lmtp: bool = False


MX = Role("smtp", 25, "starttls", is_submission=False)
SUBMISSION = Role("submission", 587, "starttls", is_submission=True)
SUBMISSIONS = Role("submissions", 465, "direct", is_submission=True)  # RFC 8314 §3.3
LMTP = Role("lmtp", LMTP_PORT, "starttls", is_submission=False, is_lmtp=True)  # RFC 2033


@dataclass(frozen=True, slots=True)
class Recipient:
    """One accepted forward-path. Without owners, list and requests it belongs to another server."""

    path: str
    domain: str
    owners: tuple[int, ...] = ()
    mail_list: MailList | None = None
    outside: tuple[str, ...] = ()  # where a list's mail goes beside its owners: contacts
    is_held: bool = False  # a moderator decides whether the list's members get it
    requests_of: MailList | None = None  # the list that is asked to do something
    is_recall: bool = False  # mail to it asks for another message back
    form: Form | None = None  # mail to it fills in a form, or decides a request
    notify: frozenset[str] = frozenset()  # RFC 3461 §4.1; empty = not given
    original: tuple[str, str] | None = None  # RFC 3461 §4.2

    @property
    def is_remote(self) -> bool:
        """Whether it must be sent on."""
        return not (self.owners or self.mail_list or self.asks)

    @property
    def asks(self) -> bool:
        """Whether mail to it asks something of the server, which hears only who has logged in."""
        return self.requests_of is not None or self.is_recall or self.form is not None

    @property
    def list_address(self) -> str:
        """The list's address; empty where it is none."""
        return self.mail_list.address if self.mail_list is not None else ""


async def find_recipient(
    core: Core,
    address: Address,
    *,
    may_relay: bool,
    may_ask: bool = False,
    is_report: bool = False,
    size: int = 0,
    may_be_full: Callable[[int], bool] = lambda owner: True,
) -> Recipient | Reply:
    """Where mail for an address goes, or why it is refused.

    `is_report`: the sender is the null path. `may_ask`: a colleague, for whom forms have addresses.
    `may_be_full` spares a look at the quota, which the delivery itself looks at again.
    """
    domain = addresses.normalise_domain(address.domain)
    if not core.directory.is_local(domain):
        return Recipient(str(address), domain) if may_relay else replies.NO_RELAY_550
    principal = await core.directory.resolve(address.normalised)
    if principal is None and address.local.lower() in ("postmaster", "abuse"):
        return await _find_postmaster(core, address, domain)  # RFC 5321 §4.5.1, RFC 2142 §4
    if principal is None:
        return await _find_unknown(core, address, domain, may_ask and not is_report)
    if principal.disabled and not principal.data.get(SUCCESSOR):  # else somebody looks after the mail
        return replies.DISABLED_550
    if principal.kind in lists.KINDS and not has_mailbox(principal):
        if is_report:
            return replies.NULL_TO_LIST_550
        return await _find_list(core, address, principal)
    is_suspect = size > LARGE or may_be_full(principal.id)
    found = await find_mailbox(core, address, principal, size if is_suspect else None)
    return await _with_deputies(core, principal, found) if principal.kind == "group" else found


def own_domain(core: Core) -> str:
    """The domain of an address that has none."""
    return next(iter(core.config.server.domains or core.directory.domains), core.config.server.hostname)


async def may_send_from(core: Core, person: Principal, sender: Address) -> bool:
    """Whether the person may use the address as the reverse-path: as its own, or on behalf of who has it."""
    return await core.directory.may_send_as(person, sender.normalised) or await core.directory.may_send_for(
        person, sender.normalised
    )


async def find_mailbox(
    core: Core, address: Address, principal: Principal, size: int | None
) -> Recipient | Reply:
    """A person's or a post's mailbox; with a size, only if it has room for so much."""
    if not has_mailbox(principal):
        return replies.NO_MAILBOX_550
    if size is not None:
        try:
            usage = await core.store.read(lambda tx: accounts.usage(tx, principal.id))
        except NotFound:
            return replies.NO_MAILBOX_550
        if usage.quota and usage.bytes + size >= usage.quota:
            return replies.MAILBOX_FULL_452
    return Recipient(str(address), principal.domain, (principal.id,))


async def _with_deputies(core: Core, group: Principal, found: Recipient | Reply) -> Recipient | Reply:
    """Mail to a post that is vacant reaches who stands in for it, too (directory.posts)."""
    if isinstance(found, Reply):
        return found
    if not all(member.disabled for member in await core.directory.members(group)):
        return found
    acting = [each.id for each in await core.directory.deputies(group) if not each.disabled]
    return replace(found, owners=(*found.owners, *acting))


async def _find_list(core: Core, address: Address, group: Principal) -> Recipient | Reply:
    members = await core.directory.members(group)
    owners = tuple(sorted({member.id for member in members if not member.disabled}))
    outside = await lists.outside(core, group)
    if not owners and not outside:
        return replies.EMPTY_LIST_550
    return Recipient(str(address), group.domain, owners, lists.list_of(group, str(address)), outside=outside)


async def _find_unknown(core: Core, address: Address, domain: str, may_ask: bool) -> Recipient | Reply:
    """Nobody has the address: who looks after a list, a form, or somebody on the domain's other server."""
    service = await lists.find_service(core, address)
    if service is not None:
        group, kind = service
        if kind == lists.REQUEST:
            reached = f"{address.local[: -len(kind)]}@{address.domain}"
            return Recipient(str(address), domain, requests_of=lists.list_of(group, reached))
        owners = await lists.caretakers(core, group)
        return Recipient(str(address), domain, owners) if owners else replies.NO_SUCH_USER_550
    if address.local.lower() == RECALL:
        return Recipient(str(address), domain, is_recall=True)
    form = core.directory.forms.addressed(address.local) if may_ask else None
    if form is not None:
        return Recipient(str(address), domain, form=form)
    if routing.split_host(core.config.smtp, domain) is not None:
        return Recipient(str(address), domain)
    return replies.NO_SUCH_USER_550


async def _find_postmaster(core: Core, address: Address, domain: str) -> Recipient | Reply:
    """Nobody has the address: it reaches who leads the department."""
    heads = await core.directory.heads(core.directory.domains[domain])
    owners = tuple(sorted(head.id for head in heads if not head.disabled))
    return Recipient(str(address), domain, owners) if owners else replies.NO_SUCH_USER_550
