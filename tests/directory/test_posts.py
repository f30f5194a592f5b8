# SPDX-License-Identifier: Apache-2.0
"""A group with mailboxes: who is in it, who stands in for it, and who may send under its address."""

from __future__ import annotations

import pytest

from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.directory.people import Change
from armgs_server.directory.posts import MEMBER_RIGHTS, has_mailbox
from armgs_server.errors import AlreadyExists, NotFound
from armgs_server.storage import accounts, collections
from armgs_server.storage.collections import Collection
from tests.directory.conftest import Workplace

POST = "minister@digital.example"


async def make(workplace: Workplace, *members: Principal) -> Principal:
    post = await workplace.directory.create_group(POST, "Minister", [member.id for member in members])
    return await workplace.directory.open_mailbox(post, 1000)


async def inbox(workplace: Workplace, post: Principal) -> Collection:
    found = await workplace.store.read(lambda tx: collections.by_role(tx, post.id, "mail", "inbox"))
    assert found is not None
    return found


async def test_members_have_its_mailboxes_and_its_name(workplace: Workplace) -> None:
    directory = workplace.directory
    post = await make(workplace, workplace.ivanov)
    assert has_mailbox(post)
    assert (await workplace.store.read(lambda tx: accounts.usage(tx, post.id))).quota == 1000
    mailbox = await inbox(workplace, post)
    assert await directory.access.rights(workplace.ivanov, mailbox) == MEMBER_RIGHTS
    assert await directory.access.rights(workplace.petrova, mailbox) == Rights(0)
    assert await directory.may_send_as(workplace.ivanov, POST)
    assert not await directory.may_send_as(workplace.petrova, POST)
    await directory.remove_members(post, [workplace.ivanov.id])
    await directory.add_members(post, [workplace.petrova.id])
    assert await directory.access.rights(workplace.ivanov, mailbox) == Rights(0)
    assert await directory.may_send_as(workplace.petrova, POST)
    assert not await directory.may_send_as(workplace.ivanov, POST)


async def test_a_list_gives_no_name(workplace: Workplace) -> None:
    group = await workplace.directory.create_group(POST, "List", [workplace.ivanov.id])
    assert not has_mailbox(group)
    assert not await workplace.directory.may_send_as(workplace.ivanov, POST)


async def test_it_is_opened_once_and_closed(workplace: Workplace) -> None:
    post = await make(workplace, workplace.ivanov)
    with pytest.raises(AlreadyExists):
        await workplace.directory.open_mailbox(post)
    before = await inbox(workplace, post)
    closed = await workplace.directory.close_mailbox(post)
    assert not has_mailbox(closed)
    with pytest.raises(NotFound):
        await workplace.directory.close_mailbox(closed)
    await workplace.directory.open_mailbox(closed)  # what was in it is there again
    assert (await inbox(workplace, post)).id == before.id


async def test_deputies_stand_in_while_it_is_vacant(workplace: Workplace) -> None:
    directory = workplace.directory
    post = await make(workplace, workplace.ivanov)
    above = await directory.create_group("board@digital.example", "Board", [post.id])
    await directory.set_deputies(post, [workplace.petrova.id])
    assert [each.id for each in await directory.deputies(post)] == [workplace.petrova.id]
    assert post.id not in await directory.groups_of(workplace.petrova)
    await directory.disable(workplace.ivanov.id)
    assert {post.id, above.id} <= await directory.groups_of(workplace.petrova)
    assert await directory.may_send_as(workplace.petrova, POST)
    await directory.enable(workplace.ivanov.id)
    assert post.id not in await directory.groups_of(workplace.petrova)
    await directory.remove_members(post, [workplace.ivanov.id])
    assert post.id in await directory.groups_of(workplace.petrova)
    await directory.set_deputies(post, [])
    assert post.id not in await directory.groups_of(workplace.petrova)
    with pytest.raises(NotFound):
        await directory.set_deputies(post, [post.id])


async def test_who_may_write_on_behalf(workplace: Workplace) -> None:
    directory = workplace.directory
    delegates = Change(data={"delegates": [workplace.petrova.id]})
    await directory.update(workplace.ivanov.id, delegates)
    assert await directory.may_send_for(workplace.petrova, workplace.ivanov.address)
    assert not await directory.may_send_as(workplace.petrova, workplace.ivanov.address)
    assert not await directory.may_send_for(workplace.ivanov, workplace.petrova.address)
    assert not await directory.may_send_for(workplace.petrova, "nobody@digital.example")


async def test_a_deputy_or_a_post_that_is_deleted(workplace: Workplace) -> None:
    directory = workplace.directory
    post = await make(workplace)
    await directory.set_deputies(post, [workplace.petrova.id])
    await directory.delete(workplace.petrova.id)
    assert await directory.deputies(post) == []
    await directory.set_deputies(post, [workplace.ivanov.id])
    await directory.delete(post.id)
    assert post.id not in await directory.groups_of(workplace.ivanov)
