# SPDX-License-Identifier: Apache-2.0
"""One UID, one object in a collection: `no-uid-conflict` of RFC 4791 §5.3.2.1 and RFC 6352 §6.3.2.1."""

from collections.abc import Awaitable, Callable

from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Put
from armgs_server.dav.names import href
from armgs_server.dav.paths import quote
from armgs_server.errors import AlreadyExists
from armgs_server.storage import items
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

# The name of the item that has a UID: calindex.name_of_holder, cards.name_of_holder.
HolderName = Callable[[Tx, int, int, str], Awaitable[str | None]]


def conflict(condition: str, collection: str, name: str) -> DavError:
    """409 with the href of the object that has the UID already."""
    return DavError(409, condition=condition, content=href(collection + quote(name)))


async def check_before(put: Put, uid: str, holder_name: HolderName, condition: str) -> None:
    """COPY and MOVE bring their index rows along, so a conflict must be found before them."""
    if put.call.request.method == "PUT":
        return
    collection = put.collection.collection
    key = collection.owner, collection.id

    async def work(tx: Tx) -> str | None:
        holder = await holder_name(tx, *key, uid)
        if holder is not None:
            return holder if holder != put.name else None
        # Nor may it overwrite an object that has another UID.
        return put.name if await items.by_name(tx, *key, put.name) is not None else None

    name = await put.call.engine.store.read(work)
    if name is not None:
        raise conflict(condition, put.collection.href, name)


async def index(
    tx: Tx,
    item: Item,
    uid: str,
    collection: str,
    *,
    put: Awaitable[None],
    holder_name: HolderName,
    condition: str,
) -> None:
    """Awaits the `put` of the index rows; its AlreadyExists comes before any row was touched."""
    try:
        await put
    except AlreadyExists as error:
        name = await holder_name(tx, item.owner, item.collection, uid)
        raise conflict(condition, collection, name or item.name or "") from error
