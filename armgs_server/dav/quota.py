# SPDX-License-Identifier: Apache-2.0
"""RFC 4331: quota-available-bytes and quota-used-bytes, of the owner's account over all kinds.

An account without a limit has no quota-available-bytes: there is no number to tell.
"""

from collections.abc import Sequence

from armgs_server.dav.features import Feature, Property, Shape
from armgs_server.dav.names import dav
from armgs_server.dav.resources import CollectionResource, HomeResource, Resource
from armgs_server.dav.view import View
from armgs_server.directory.access import Rights
from armgs_server.storage import accounts
from armgs_server.storage.accounts import Usage
from armgs_server.storage.tx import Tx

CACHE = "quota"


def _owner_of(view: View, resource: Resource) -> int | None:
    """Whose account it is, for those who may read there."""
    if isinstance(resource, HomeResource):
        return resource.principal.id if resource.principal.id == view.person.id else None
    if isinstance(resource, CollectionResource) and Rights.READ in resource.rights:
        return resource.collection.owner
    return None


async def _prepare(view: View, resources: Sequence[Resource]) -> None:
    known: dict[int, Usage] = view.cache.setdefault(CACHE, {})
    owners = {_owner_of(view, resource) for resource in resources} - {None, *known}

    async def work(tx: Tx) -> dict[int, Usage]:
        return {owner: await accounts.usage(tx, owner) for owner in owners if owner is not None}

    if owners:
        known.update(await view.engine.store.read(work))


def _available(view: View, resource: Resource) -> str | None:
    owner = _owner_of(view, resource)
    if owner is None:
        return None
    usage: Usage = view.cache[CACHE][owner]
    if not usage.quota:
        return None
    return f"<D:quota-available-bytes>{max(0, usage.quota - usage.bytes)}</D:quota-available-bytes>"


def _used(view: View, resource: Resource) -> str | None:
    owner = _owner_of(view, resource)
    if owner is None:
        return None
    return f"<D:quota-used-bytes>{view.cache[CACHE][owner].bytes}</D:quota-used-bytes>"


_SHAPES = Shape.COLLECTION | Shape.HOME
FEATURE = Feature(
    properties=(
        Property(dav("quota-available-bytes"), _SHAPES, _available, prepare=_prepare),
        Property(dav("quota-used-bytes"), _SHAPES, _used, prepare=_prepare),
    )
)
