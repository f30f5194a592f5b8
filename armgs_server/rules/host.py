# SPDX-License-Identifier: Apache-2.0
"""The world around a person's scripts: mailboxes, lists, other scripts, what was seen before.

Everything is read from the store when a script asks for it: most never do.
"""

from __future__ import annotations

from typing import Final

from armgs_server import __version__
from armgs_server.config import Config
from armgs_server.directory import Directory
from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid, NotFound
from armgs_server.formats import addresses
from armgs_server.rules import mailboxes
from armgs_server.rules.sieve.checking import check
from armgs_server.rules.sieve.program import Program, load
from armgs_server.storage import Store, collections, mail_metadata, sieve, traces
from armgs_server.storage.sieve import Script
from armgs_server.storage.tx import Tx

# RFC 6134 §2.4; `default` must be there, the others are ours: a book by its name, the department's people.
ADDRESS_BOOK: Final = "urn:ietf:params:sieve:addrbook:"
DIRECTORY_BOOK: Final = "directory"
LIST_LIMIT: Final = 100


class StoreHost:
    """See outside.Host."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        config: Config,
        owner: Principal,
        own: tuple[str, ...],
        now: int,
    ) -> None:
        self.now = now
        self.addresses = own
        self.name = owner.name
        self._store = store
        self._directory = directory
        self._config = config
        self._owner = owner

    async def has_mailbox(self, name: str) -> bool:
        owner = self._owner.id
        return await self._store.read(lambda tx: mailboxes.find(tx, owner, name)) is not None

    async def special_use(self, attribute: str) -> str | None:
        owner = self._owner.id
        return await self._store.read(lambda tx: mailboxes.name_of_role(tx, owner, attribute))

    async def annotation(self, mailbox: str | None, name: str) -> str | None:
        scope, slash, entry = name.lower().removeprefix("/").partition("/")
        if scope not in ("private", "shared") or not slash:
            return None
        owner = self._owner.id

        async def work(tx: Tx) -> bytes | None:
            number = 0
            if mailbox is not None:
                found = await mailboxes.find(tx, owner, mailbox)
                if found is None:
                    return None
                number = found.id
            kept = await mail_metadata.of(tx, owner, number, owner if scope == "private" else 0)
            return kept.get(f"/{entry}")

        value = await self._store.read(work)
        return None if value is None else value.decode("utf-8", "replace")

    async def is_remembered(self, key: str) -> bool:
        return await self._store.read(
            lambda tx: traces.is_there(tx, self._owner.id, "duplicate", key, self.now)
        )

    async def script(self, location: str, name: str) -> Program | None:
        owner = self._owner.department if location == "global" else self._owner.id
        try:
            found = await self._store.read(lambda tx: sieve.get(tx, owner, name))
        except NotFound:
            return None
        return program_of(found, self._config.sieve.nesting)

    def has_list(self, list_name: str) -> bool:
        return list_name.lower().startswith(ADDRESS_BOOK) and len(list_name) > len(ADDRESS_BOOK)

    async def is_listed(self, list_name: str, value: str) -> bool:
        book = self._book(list_name)
        try:
            address = addresses.normalise(value)
        except Invalid:
            return False
        if book == DIRECTORY_BOOK:
            found = await self._directory.resolve(address) if "@" in address else None
            return found is not None and found.department == self._owner.department
        owner = self._owner.id
        return await self._store.read(lambda tx: _is_in_book(tx, owner, book, value.casefold()))

    async def list_addresses(self, list_name: str) -> list[str]:
        """Only the default address book's: nobody sends mail on to a whole department by a rule."""
        book = self._book(list_name)
        if book == DIRECTORY_BOOK:
            raise Invalid("nothing is redirected to the whole directory")
        owner = self._owner.id
        return await self._store.read(lambda tx: _addresses_in_book(tx, owner, book))

    def _book(self, list_name: str) -> str:
        if not self.has_list(list_name):
            raise Invalid(f"there is no list {list_name[:60]!r}")
        return list_name[len(ADDRESS_BOOK) :]

    def environment(self, item: str) -> str | None:
        """RFC 5183 §4.1"""
        known = {
            "domain": self._owner.address.rpartition("@")[2],
            "host": self._config.server.hostname,
            "location": "MDA",
            "name": "armgs_server",
            "phase": "during",
            "version": __version__,
        }
        return known.get(item)


def program_of(script: Script, nesting: int) -> Program:
    """What is kept with a script; made anew from its text where another version of us has made it."""
    program = load(script.program)
    return program if program is not None else check(script.text, nesting).program


async def _is_in_book(tx: Tx, owner: int, book: str, value: str) -> bool:
    found = await _collection(tx, owner, book)
    if found is None:
        return False
    escaped = value.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    row = await tx.row(
        "SELECT 1 FROM card WHERE owner = ? AND collection = ?"
        " AND '\n' || search || '\n' LIKE ? ESCAPE '!' LIMIT 1",
        owner,
        found,
        f"%\n{escaped}\n%",
    )
    return row is not None


async def _addresses_in_book(tx: Tx, owner: int, book: str) -> list[str]:
    found = await _collection(tx, owner, book)
    if found is None:
        return []
    rows = await tx.rows(
        "SELECT search FROM card WHERE owner = ? AND collection = ? ORDER BY uid LIMIT ?",
        owner,
        found,
        LIST_LIMIT,
    )
    lines = (line for (text,) in rows for line in str(text).split("\n"))
    return [line for line in lines if "@" in line and addresses.is_valid(line)][:LIST_LIMIT]


async def _collection(tx: Tx, owner: int, book: str) -> int | None:
    if book.lower() == "default":
        found = await collections.by_role(tx, owner, "addressbook", "default")
    else:
        found = await collections.find(tx, owner, "addressbook", book)
    return None if found is None else found.id
