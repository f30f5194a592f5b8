# SPDX-License-Identifier: Apache-2.0
"""/me/rights: who has access to what is the reader's, and to what of others the reader has; rights that the
reader has given are taken back here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from armgs_server import log
from armgs_server.directory import delegation
from armgs_server.directory.access import EVERYBODY, NOTHING, Rights, put_account_grant, put_grant
from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid
from armgs_server.net.http import Response
from armgs_server.portal.own_page import OwnPage
from armgs_server.portal.own_space import KINDS
from armgs_server.portal.safety import see_other
from armgs_server.portal.signin import Visit
from armgs_server.storage import collections
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

PATH: Final = "/me/rights"
_SHARED: Final = ("mail", "calendar", "tasks", "addressbook", "files")
_NUMBER_LIMIT: Final = 18  # digits

_log = log.get("portal")


class OwnRights(OwnPage):
    """The page and its forms."""

    path = PATH

    async def _act(self, visit: Visit) -> Response:
        numbers = [visit.value(name) for name in ("collection", "grantee")]
        if not all(each.isascii() and each.isdecimal() and len(each) <= _NUMBER_LIMIT for each in numbers):
            raise Invalid(visit.text("form_wrong"))
        collection, grantee = (int(each) for each in numbers)
        if visit.value("sends"):
            await self._no_longer_sends(visit.person, grantee)
        else:
            await self._store.write(lambda tx: _take_back(tx, visit.person.id, collection, grantee))
        _log.info("right taken back", account=visit.person.address, collection=collection, grantee=grantee)
        return see_other(PATH)

    async def _no_longer_sends(self, person: Principal, grantee: int) -> None:
        other = await self._directory.by_id(grantee)
        if other is not None:
            await self._store.write(lambda tx: delegation.delegate(tx, person, other, "none"))

    async def _page(self, visit: Visit) -> Response:
        person = visit.person

        async def work(tx: Tx) -> list[tuple[Collection | None, int, int]]:
            rows = await tx.rows(
                "SELECT collection, grantee, rights FROM grant_ WHERE owner = ? ORDER BY collection, grantee",
                person.id,
            )
            return [
                (await collections.get(tx, person.id, number) if number else None, grantee, rights)
                for number, grantee, rights in rows
            ]

        given = [
            {
                "collection": collection.id if collection is not None else 0,
                "what": self._named(visit, collection),
                "grantee": grantee,
                "who": await self._who(visit, grantee),
                "rights": said(visit, Rights(rights)),
            }
            for collection, grantee, rights in await self._store.read(work)
        ]
        senders = [
            {"grantee": each, "who": await self._who(visit, each), "how": visit.text(f"rights_{key}")}
            for key in delegation.KEYS.values()
            for each in _ids(person.data, key)
        ]
        taken = []
        for kind in _SHARED:
            for shared in await self._directory.access.shared_with(person, kind):
                rights = await self._directory.access.rights(person, shared)
                taken.append(
                    (self._named(visit, shared), await self._who(visit, shared.owner), said(visit, rights))
                )
        return self._sign_in.render("own_rights.html", visit, given=given, senders=senders, taken=taken)

    def _named(self, visit: Visit, collection: Collection | None) -> str:
        if collection is None:
            return visit.text("rights_all")
        kind = visit.text(f"kind_{collection.kind}" if collection.kind in KINDS else "kind_other")
        return f"{kind}: {collection.name or '/'}"

    async def _who(self, visit: Visit, number: int) -> str:
        if number == EVERYBODY:
            return visit.text("rights_everybody")
        found = await self._directory.by_id(number)
        if found is None:
            return visit.text("rights_gone")
        return f"{found.name} ({found.address})" if found.address else found.name


def said(visit: Visit, rights: Rights) -> str:
    """What somebody may do, in a person's words."""
    words = [
        (Rights.READ, "right_read"),
        (Rights.WRITE | Rights.INSERT, "right_write"),
        (Rights.DELETE_ITEMS, "right_delete"),
        (Rights.ADMIN, "right_admin"),
    ]
    found = [visit.text(name) for each, name in words if rights & each]
    return ", ".join(found) or visit.text("right_lookup")


def _ids(data: Mapping[str, object], key: str) -> list[int]:
    found = data.get(key, ())
    return [each for each in found if isinstance(each, int)] if isinstance(found, list) else []


async def _take_back(tx: Tx, owner: int, collection: int, grantee: int) -> None:
    if not collection:
        await put_account_grant(tx, owner, grantee, NOTHING)
        return
    await put_grant(tx, await collections.get(tx, owner, collection), grantee, NOTHING)
