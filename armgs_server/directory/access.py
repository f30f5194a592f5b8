# SPDX-License-Identifier: Apache-2.0
"""Who may do what on a collection: one model for RFC 4314 (IMAP ACL) and RFC 3744 (WebDAV ACL).

Invariants:
- The owner may do everything. Everybody else has the union of what is granted, on the collection or on
  one above it, to the principal itself, its groups, its units, its department, or to everybody.
- Collection 0 stands for the whole account: a grant on it holds for all the owner has.
- Who may not LOOKUP learns nothing: check() answers NotFound, as for what does not exist.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import IntFlag
from typing import Final

from armgs_server.directory.cache import Cache
from armgs_server.directory.model import Principal
from armgs_server.errors import Denied, Invalid, NotFound
from armgs_server.storage import Store, collections
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

TOPIC: Final = "grants"
EVERYBODY: Final = 0


class Rights(IntFlag):
    """RFC 4314 §2.1. The numbers are kept in the store and never change."""

    LOOKUP = 1  # l
    READ = 2  # r
    SEEN = 4  # s
    WRITE = 8  # w
    INSERT = 16  # i
    POST = 32  # p
    CREATE = 64  # k
    DELETE_COLLECTION = 128  # x
    DELETE_ITEMS = 256  # t
    EXPUNGE = 512  # e
    ADMIN = 1024  # a
    # Beside RFC 4314, for calendars and inboxes. Owners have them, and READ of a calendar holds the first.
    FREE_BUSY = 2048  # RFC 4791 §6.1.1
    DELIVER_INVITE = 4096  # RFC 6638 §6.1, as the next two
    DELIVER_REPLY = 8192
    QUERY_FREE_BUSY = 16384


LETTERS: Final[Mapping[str, Rights]] = dict(
    zip("lrswipkxtea", Rights, strict=False)
)  # not those of calendars
NOTHING: Final = Rights(0)
EVERYTHING: Final = Rights(2 * Rights.ADMIN - 1)
DELIVER: Final = Rights.DELIVER_INVITE | Rights.DELIVER_REPLY | Rights.QUERY_FREE_BUSY
READ_ONLY: Final = Rights.LOOKUP | Rights.READ | Rights.SEEN
READ_WRITE: Final = EVERYTHING & ~(Rights.ADMIN | Rights.POST)

# What the people of a department may do on what the department owns.
DEPARTMENT_FILES: Final = READ_WRITE
DEPARTMENT_BOOK: Final = READ_ONLY
RESOURCE_CALENDAR: Final = READ_ONLY

Grants = Mapping[int, Mapping[int, Rights]]  # collection -> grantee -> rights


def parse_rights(letters: str) -> Rights:
    """Rights from RFC 4314 letters; the obsolete c and d (§2.1.1) mean what their successors mean."""
    rights = NOTHING
    for letter in letters:
        if letter == "c":
            rights |= Rights.CREATE | Rights.DELETE_COLLECTION
        elif letter == "d":
            rights |= Rights.DELETE_ITEMS | Rights.EXPUNGE
        else:
            try:
                rights |= LETTERS[letter]
            except KeyError:
                raise Invalid(f"no right has the letter {letter!r}") from None
    return rights


def serialise_rights(rights: Rights) -> str:
    """The letters of the rights, in the order of RFC 4314 §2.1."""
    return "".join(letter for letter, right in LETTERS.items() if right in rights)


async def put_grant(tx: Tx, collection: Collection, grantee: int, rights: Rights) -> None:
    """Sets what a grantee may do on a collection and below it; no rights take the grant away."""
    await _put(tx, (collection.owner, collection.id, grantee), rights)


async def granted(tx: Tx, collection: Collection, grantee: int) -> Rights:
    """What a grantee was granted on this very collection."""
    rights = await tx.value(
        "SELECT COALESCE(MAX(rights), 0) FROM grant_ WHERE owner = ? AND collection = ? AND grantee = ?",
        *(collection.owner, collection.id, grantee),
    )
    return Rights(rights)


async def put_account_grant(tx: Tx, owner: int, grantee: int, rights: Rights) -> None:
    """The same for everything that an owner has and will have."""
    await _put(tx, (owner, 0, grantee), rights)


async def _put(tx: Tx, key: tuple[int, int, int], rights: Rights) -> None:
    await tx.execute("DELETE FROM grant_ WHERE owner = ? AND collection = ? AND grantee = ?", *key)
    if rights:
        await tx.execute(
            "INSERT INTO grant_ (owner, collection, grantee, rights) VALUES (?, ?, ?, ?)", *key, int(rights)
        )
    tx.publish(TOPIC, b"%d" % key[0])


class Access:
    """The one place where rights are worked out. Keeps them until a hint says that they may have changed."""

    def __init__(
        self, store: Store, groups_of: Callable[[Principal], Awaitable[frozenset[int]]], limit: int
    ) -> None:
        self._store = store
        self._groups_of = groups_of
        self._grants: Cache[int, Grants] = Cache(limit)
        # owner -> (principal, collection) -> rights; an owner in it is watched
        self._rights: dict[int, dict[tuple[int, int], Rights]] = {}
        self._watched: dict[int, Callable[[], None]] = {}  # owner -> unsubscribe
        self._kept = 0  # entries of _rights, all owners together
        self._limit = limit
        self._generation = 0
        self._unsubscribe = [
            store.bus.subscribe(TOPIC, self._on_grants),
            store.bus.subscribe("directory", lambda _: self._forget()),
        ]

    async def rights(self, principal: Principal, collection: Collection) -> Rights:
        """What the principal may do on the collection."""
        if collection.owner == principal.id:
            return EVERYTHING
        key = (principal.id, collection.id)
        known = self._rights.get(collection.owner)
        if known is not None and key in known:
            return known[key]
        self._watch(collection.owner)
        generation = self._generation
        rights = await self._work_out(principal, collection)
        if generation == self._generation:
            self._rights[collection.owner][key] = rights
            self._kept += 1
        return rights

    async def account_rights(self, principal: Principal, owner: int) -> Rights:
        """What the principal may do on everything that an owner has: collections at the top included."""
        if owner == principal.id:
            return EVERYTHING
        granted = (await self._grants_of(owner)).get(0, {})
        groups = await self._groups_of(principal) | {EVERYBODY} if granted else frozenset()
        rights = NOTHING
        for grantee, each in granted.items():
            if grantee in groups:
                rights |= each
        return rights

    async def _work_out(self, principal: Principal, collection: Collection) -> Rights:
        grants = await self._grants_of(collection.owner)
        rights = NOTHING
        if grants:
            groups = await self._groups_of(principal)
            chain = await self._store.read(lambda tx: collections.ancestors(tx, collection))
            for above in [*(each.id for each in chain), 0]:
                for grantee, granted in grants.get(above, {}).items():
                    if grantee == EVERYBODY or grantee in groups:
                        rights |= granted
        return rights

    async def check(self, principal: Principal, collection: Collection, wanted: Rights) -> None:
        """Returns where all of the wanted rights are there; NotFound without LOOKUP, else Denied."""
        rights = await self.rights(principal, collection)
        if Rights.LOOKUP not in rights:
            raise NotFound()
        if wanted not in rights:
            raise Denied()

    async def grant(self, tx: Tx, collection: Collection, grantee: int, rights: Rights) -> None:
        """See put_grant; whether the asker has ADMIN is the caller's to check."""
        await put_grant(tx, collection, grantee, rights)

    async def grants(self, collection: Collection) -> Mapping[int, Rights]:
        """Who was granted what on this very collection: GETACL, DAV:acl."""
        return (await self._grants_of(collection.owner)).get(collection.id, {})

    async def shared_with(self, principal: Principal, kind: str) -> list[Collection]:
        """Collections of others on which the principal may LOOKUP: the tops of shared trees."""
        groups = sorted(await self._groups_of(principal) | {EVERYBODY})
        places = ", ".join("?" * len(groups))

        async def work(tx: Tx) -> list[Collection]:
            rows = await tx.rows(
                f"SELECT owner, collection, rights FROM grant_ WHERE grantee IN ({places}) AND owner <> ?",
                *groups,
                principal.id,
            )
            found: dict[tuple[int, int], Collection] = {}
            for owner, number, rights in rows:
                if Rights.LOOKUP not in Rights(rights):
                    continue
                if number == 0:
                    tops = [each for each in await collections.roots(tx, owner) if each.kind == kind]
                else:
                    top = await collections.get(tx, owner, number)
                    tops = [top] if top.kind == kind else []
                found.update({(top.owner, top.id): top for top in tops})
            return [found[key] for key in sorted(found)]

        return await self._store.read(work)

    def forget_all(self) -> None:
        """Messages may have been missed: everything is worked out again."""
        self._grants.clear()
        self._forget()

    def close(self) -> None:
        """Stops listening."""
        self._forget()
        for unsubscribe in self._unsubscribe:
            unsubscribe()

    async def _grants_of(self, owner: int) -> Grants:
        known = self._grants.get(owner)
        if known is not None:
            return known
        generation = self._generation
        rows = await self._store.read(
            lambda tx: tx.rows("SELECT collection, grantee, rights FROM grant_ WHERE owner = ?", owner)
        )
        grants: dict[int, dict[int, Rights]] = {}
        for collection, grantee, rights in rows:
            grants.setdefault(collection, {})[grantee] = Rights(rights)
        if generation == self._generation:
            self._grants.put(owner, grants)
        return grants

    def _watch(self, owner: int) -> None:
        """A collection of this owner that moves in the tree inherits other grants from then on."""
        if self._kept >= self._limit:
            self._forget()
        if owner not in self._watched:
            self._watched[owner] = self._store.bus.subscribe(f"changes:{owner}", lambda _: self._drop(owner))
            self._rights[owner] = {}

    def _drop(self, owner: int) -> None:
        self._generation += 1
        unsubscribe = self._watched.pop(owner, None)
        if unsubscribe is not None:
            unsubscribe()
            self._kept -= len(self._rights.pop(owner))

    def _on_grants(self, data: bytes) -> None:
        self._grants.drop(int(data))
        self._drop(int(data))

    def _forget(self) -> None:
        for owner in tuple(self._watched):
            self._drop(owner)
        self._generation += 1
