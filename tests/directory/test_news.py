# SPDX-License-Identifier: Apache-2.0
"""News as mail, whoever writes it."""

from __future__ import annotations

import email
from email.policy import default

import pytest

from armgs_server.directory import news
from armgs_server.directory.people import Change
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


async def test_each_is_reminded_in_the_own_language(workplace: Workplace) -> None:
    """What the person's entry says; else as the name is written."""
    directory, store = workplace.directory, workplace.store
    author = await directory.create_person("author@digital.example", "Author")
    await directory.update(workplace.ivanov.id, Change(name="Иванов"))
    await directory.update(workplace.petrova.id, Change(name="Петрова", data={"language": "en"}))
    post = await news.write(store, directory.config, workplace.digital, author, "Title", "Text", must=True)
    await store.write(lambda tx: tx.execute("UPDATE news SET remind = 1"))
    assert await news.remind(store, directory.config) >= 2
    rows = await store.read(lambda tx: tx.rows("SELECT owner, subject, text FROM notice"))
    told = {owner: (subject, text) for owner, subject, text in rows}
    link = news.url(directory.config, post)
    asked = "Прочтите, пожалуйста, новость «Title» и отметьте, что прочли:"
    assert told[workplace.ivanov.id] == ("Title", f"{asked}\n{link}")
    asked = "Please read the news “Title” and say that you have:"
    assert told[workplace.petrova.id] == ("Title", f"{asked}\n{link}")
    assert author.id not in told
