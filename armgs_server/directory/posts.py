# SPDX-License-Identifier: Apache-2.0
"""Mailboxes that belong to a post or a team: a group with mailboxes of its own, under its address.

Mail to the address goes to the group's INBOX instead of to its members, who reach all its mailboxes and may
send under its address for as long as they are members: who comes into the post has everything at once, who
leaves it nothing. While no member can log in the post is vacant, and its deputies stand in: they have what
a member has, and get the post's new mail in their own INBOX as well, since they may not look elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from armgs_server.directory import lookup
from armgs_server.directory.access import EVERYTHING, Rights, put_account_grant
from armgs_server.directory.model import Principal
from armgs_server.directory.people import Change, update
from armgs_server.directory.structure import announce
from armgs_server.errors import AlreadyExists, NotFound
from armgs_server.storage import accounts, collections
from armgs_server.storage.tx import Tx

KEY: Final = "mailbox"
# What a member may do with the mailboxes; who may come into them is the administrator's to say.
MEMBER_RIGHTS: Final = EVERYTHING & ~Rights.ADMIN


def has_mailbox(principal: Principal) -> bool:
    """Whether mail to the address goes to mailboxes of its own."""
    return principal.kind == "person" or bool(principal.data.get(KEY))


async def open_mailbox(tx: Tx, group: Principal, quota: int) -> Principal:
    """Gives a group the mailboxes that a person has."""
    if has_mailbox(group):
        raise AlreadyExists(f"{group.address} has a mailbox")
    await accounts.provide(tx, group.id)
    await accounts.set_quota(tx, group.id, quota)
    for role, name in accounts.MAILBOXES:
        there = await collections.find(tx, group.id, "mail", name)
        if there is None:
            await collections.create(tx, group.id, "mail", name, role=role, subscribed=1)
        else:
            await collections.update(tx, there, role=role, subscribed=1)
    await put_account_grant(tx, group.id, group.id, MEMBER_RIGHTS)
    return await update(tx, group.id, Change(data={KEY: True}))


async def close_mailbox(tx: Tx, group: Principal) -> Principal:
    """The group is a mail list again; its mailboxes stay where they are."""
    if not has_mailbox(group):
        raise NotFound(f"{group.address} has no mailbox")
    return await update(tx, group.id, Change(data={KEY: None}))


async def set_deputies(tx: Tx, group: Principal, ids: Sequence[int]) -> None:
    """Who stands in while the group has nobody; nobody else does any more."""
    await tx.execute("DELETE FROM deputy WHERE principal = ?", group.id)
    for id_ in dict.fromkeys(ids):
        await lookup.existing(tx, id_, "person")
        await tx.execute("INSERT INTO deputy (principal, deputy) VALUES (?, ?)", group.id, id_)
    announce(tx, group.id)
