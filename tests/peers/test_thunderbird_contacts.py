# SPDX-License-Identifier: Apache-2.0
"""Thunderbird's address book: books found by the server's name, colleagues read, one's own card written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from armgs_server.storage import collections, items
from armgs_server.storage.tx import Tx
from tests.peers.test_imap_clients import Debian
from tests.thunderbird import PACKAGES, Thunderbird
from tests.world import IVANOV, PASSWORD, PETROVA, World

pytestmark = pytest.mark.peer

COMMON = """
    const { CardDAVUtils } = ChromeUtils.importESModule("resource:///modules/CardDAVUtils.sys.mjs");
    const { CardDAVDirectory } = ChromeUtils.importESModule("resource:///modules/CardDAVDirectory.sys.mjs");
    const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
    const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
    const until = async condition => {
        for (;;) {
            const found = condition();
            if (found) return found;
            await new Promise(done => setTimeout(done, 100));
        }
    };
    const books = () => MailServices.ab.directories.filter(
        each => each.dirType == Ci.nsIAbManager.CARDDAV_DIRECTORY_TYPE);
"""
DETECT = (
    COMMON
    + """
    const [user, password, location] = args;
    const found = await CardDAVUtils.detectAddressBooks(user, password, location, false, true);
    for (const book of found) book.create();
    return found.map(each => new URL(each.url).pathname);
"""
)
COLLEAGUE = (
    COMMON
    + """
    const [address] = args;
    const card = await until(() => books().map(each => each.cardForEmailAddress(address)).find(Boolean));
    return [card.displayName, books().find(each => each.cardForEmailAddress(address)).readOnly];
"""
)
ADD = (
    COMMON
    + """
    const [path, name, address] = args;
    const book = books().find(each => each.getStringValue("carddav.url", "").endsWith(path));
    const card = Cc["@mozilla.org/addressbook/cardproperty;1"].createInstance(Ci.nsIAbCard);
    card.displayName = name;
    card.primaryEmail = address;
    const added = book.addCard(card);
    await until(() => book.childCards.find(each => each.UID == added.UID)?.getProperty("_href", ""));
"""
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        yield world


async def test_books_are_found_read_and_written(world: World, debian: Debian, tmp_path: Path) -> None:
    debian(*PACKAGES)
    location = f"https://localhost:{world.ports['https']}"
    async with Thunderbird(tmp_path / "thunderbird", world.ports["http"], world.ca) as thunderbird:
        paths = await thunderbird.run(DETECT, IVANOV, PASSWORD, location)
        [own] = [each for each in paths if each.endswith("/contacts/")]
        assert await thunderbird.run(COLLEAGUE, PETROVA) == ["Петрова Анна", True]
        await thunderbird.run(ADD, own, "Сосед", "neighbour@elsewhere.example")
    person = await world.directory.by_address(IVANOV)
    assert person is not None

    async def cards(tx: Tx) -> list[bytes]:
        book = await collections.by_path(tx, person.id, "addressbook", ["contacts"])
        assert book is not None
        return [item.blob for item in await items.scan(tx, person.id, book.id)]

    [blob] = await world.store.read(cards)
    assert b"neighbour@elsewhere.example" in await world.store.blobs.read(blob)
