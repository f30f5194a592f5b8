# SPDX-License-Identifier: Apache-2.0
"""Principals as resources: the properties of RFC 3744 §4 and §5.8, RFC 5397.

Everybody who is logged in may see every principal that is in use.
"""

from collections.abc import Iterable, Sequence
from functools import partial

from armgs_server.dav.features import Feature, Property, Shape
from armgs_server.dav.names import CALENDARSERVER, dav, escape, href
from armgs_server.dav.resources import PrincipalResource, ProxyResource, Resource, principal_href
from armgs_server.dav.view import View
from armgs_server.directory.model import Principal
from armgs_server.storage import scheduling

ALTERNATES = dav("alternate-URI-set")
MEMBERS = dav("group-member-set")
MEMBERSHIP = dav("group-membership")
EMAILS = f"{{{CALENDARSERVER}}}email-address-set"


def as_resource(principal: Principal) -> PrincipalResource:
    """The resource of a principal that has an href."""
    return PrincipalResource(Shape.PRINCIPAL, principal_href(principal), principal)


def _hrefs(principals: Iterable[Principal]) -> str:
    urls = filter(None, map(principal_href, principals))
    return "".join(f"<D:href>{url}</D:href>" for url in urls)


def _principal_url(view: View, resource: Resource) -> str:
    return f"<D:principal-URL><D:href>{resource.href}</D:href></D:principal-URL>"


def _current_user_principal(view: View, resource: Resource) -> str:
    url = principal_href(view.person)
    return f"<D:current-user-principal><D:href>{url}</D:href></D:current-user-principal>"


async def _prepare_alternate_uris(view: View, resources: Sequence[Resource]) -> None:
    known: dict[int, str] = view.cache.setdefault(ALTERNATES, {})
    for resource in resources:
        if isinstance(resource, PrincipalResource):
            principal = resource.principal
            addresses = [principal.address, *await view.engine.directory.aliases(principal)]
            known[principal.id] = "".join(f"<D:href>mailto:{escape(each)}</D:href>" for each in addresses)


def _alternate_uris(view: View, resource: PrincipalResource) -> str:
    return f"<D:alternate-URI-set>{view.cache[ALTERNATES][resource.principal.id]}</D:alternate-URI-set>"


def _email_addresses(view: View, resource: PrincipalResource) -> str:
    mail = f"<CS:email-address>{escape(resource.principal.address)}</CS:email-address>"
    return f"<CS:email-address-set>{mail}</CS:email-address-set>"


async def _prepare_members(view: View, resources: Sequence[Resource]) -> None:
    known: dict[str, str] = view.cache.setdefault(MEMBERS, {})
    for resource in resources:
        if isinstance(resource, PrincipalResource) and resource.principal.kind == "group":
            members = await view.engine.directory.direct_members(resource.principal)
            known[resource.href] = _hrefs(each for each in members if not each.disabled)
        elif isinstance(resource, ProxyResource):
            owner = resource.principal.id
            outbox = await view.engine.store.read(partial(scheduling.outbox, owner=owner))
            ids = scheduling.proxies(outbox, resource.mode)
            delegates = [await view.engine.directory.by_id(each) for each in ids]
            known[resource.href] = _hrefs(
                each for each in delegates if each is not None and not each.disabled
            )


def _members(view: View, resource: PrincipalResource | ProxyResource) -> str:
    return f"<D:group-member-set>{view.cache[MEMBERS].get(resource.href, '')}</D:group-member-set>"


async def _prepare_membership(view: View, resources: Sequence[Resource]) -> None:
    known: dict[int, str] = view.cache.setdefault(MEMBERSHIP, {})
    for resource in resources:
        if isinstance(resource, PrincipalResource):
            principal = resource.principal
            direct = _hrefs(await _direct_groups(view, principal))
            known[principal.id] = direct + await _delegations(view, principal)


async def _direct_groups(view: View, principal: Principal) -> list[Principal]:
    """RFC 3744 §4.4: the groups that it is itself a member of, not those that these are in."""
    directory = view.engine.directory
    found: list[Principal] = []
    for number in sorted(await directory.groups_of(principal) - {principal.id}):
        group = await directory.by_id(number)
        if group is None or not principal_href(group):
            continue
        if any(each.id == principal.id for each in await directory.direct_members(group)):
            found.append(group)
    return found


async def _delegations(view: View, principal: Principal) -> str:
    """The groups of delegates it is in: how Apple's clients find the calendars delegated to somebody."""
    directory = view.engine.directory
    shared = await directory.access.shared_with(principal, scheduling.OUTBOX)
    hrefs = ""
    for outbox in shared:
        owner = await directory.by_id(outbox.owner)
        if owner is None or owner.disabled or not principal_href(owner):
            continue
        for mode in ("read", "write"):
            if principal.id in scheduling.proxies(outbox, mode):
                hrefs += href(f"{principal_href(owner)}calendar-proxy-{mode}/")
    return hrefs


def _membership(view: View, resource: PrincipalResource) -> str:
    return f"<D:group-membership>{view.cache[MEMBERSHIP][resource.principal.id]}</D:group-membership>"


_ANY = Shape.ANY
FEATURE = Feature(
    properties=(
        Property(dav("principal-URL"), Shape.PRINCIPAL | Shape.PROXY, _principal_url),
        Property(ALTERNATES, Shape.PRINCIPAL, _alternate_uris, prepare=_prepare_alternate_uris),
        Property(MEMBERS, Shape.PRINCIPAL | Shape.PROXY, _members, prepare=_prepare_members),
        Property(MEMBERSHIP, Shape.PRINCIPAL, _membership, prepare=_prepare_membership),
        Property(EMAILS, Shape.PRINCIPAL, _email_addresses),
        Property(dav("current-user-principal"), _ANY, _current_user_principal),
        Property(
            dav("principal-collection-set"),
            _ANY,
            lambda view, resource: (
                "<D:principal-collection-set><D:href>/dav/principals/</D:href></D:principal-collection-set>"
            ),
        ),
    ),
)
