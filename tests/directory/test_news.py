# SPDX-License-Identifier: Apache-2.0
"""News as mail, whoever writes it."""

from __future__ import annotations

import email
from email.policy import default

import pytest

from armgs_server.directory import news
from armgs_server.storage import collections, items
from armgs_server.storage.tx import Tx
from tests.directory.conftest import Workplace


@pytest.mark.parametrize(
    ("address", "sender"),
    [
        ("иванова@цифра.example", "иванова@xn--80apypi.example"),
        ("ivanova@цифра.example", "ivanova@xn--80apypi.example"),
    ],
)
async def test_an_address_in_any_script_writes_news(workplace: Workplace, address: str, sender: str) -> None:
    author = await workplace.directory.create_person(address, 'Иванова, "А"')
    post = await news.write(
        workplace.store, workplace.directory.config, workplace.digital, author, "Title", "Text", must=False
    )

    async def read(tx: Tx) -> bytes:
        mailbox = await collections.by_role(tx, workplace.digital.id, "mail", news.ROLE)
        assert mailbox is not None
        [item] = await items.scan(tx, workplace.digital.id, mailbox.id)
        assert item.uid == post.uid
        return item.blob

    data = await workplace.store.blobs.read(await workplace.store.read(read))
    message = email.message_from_string(data.decode(), policy=default)
    [shown] = message["from"].addresses
    assert (shown.display_name, shown.addr_spec) == (author.name, sender)
