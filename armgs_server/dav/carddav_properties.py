# SPDX-License-Identifier: Apache-2.0
"""Properties of RFC 6352 §6.2 and §7.1, and CR:address-data (§10.4)."""

from dataclasses import dataclass

from armgs_server.dav.caldav_data import escape_data
from armgs_server.dav.caldav_properties import MAX_TEXT, settable_text
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Property, Shape
from armgs_server.dav.filters import COLLATIONS
from armgs_server.dav.member_data import load
from armgs_server.dav.names import CARDDAV
from armgs_server.dav.paths import quote
from armgs_server.dav.resources import CollectionResource, MemberResource, PrincipalResource, Resource
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element
from armgs_server.errors import Invalid
from armgs_server.formats.contentline import scan, serialise
from armgs_server.formats.vcard import VERSIONS
from armgs_server.formats.vcard_convert import convert

# §10.4.2 leaves it to the client to ask for what every vCard must have; those that forget get it anyway.
ALWAYS = frozenset(("BEGIN", "VERSION", "UID", "END"))


def carddav(local: str) -> str:
    """The name in CardDAV's namespace."""
    return f"{{{CARDDAV}}}{local}"


ADDRESS_DATA = carddav("address-data")


@dataclass(frozen=True, slots=True)
class DataRequest:
    """The properties to give: name -> whether without its value; None = the card as it is.

    `version` is the one to give it in, '' = whichever it is stored in.
    """

    props: dict[str, bool] | None
    version: str = ""


def parse_data_request(element: Element | None) -> DataRequest:
    """The parameters inside CR:address-data; DavError for a media type that is not served."""
    if element is None:
        return DataRequest(None)
    if element.get("content-type", "text/vcard").lower() not in (
        "text/vcard",
        "text/directory",
    ) or element.get("version", "3.0") not in (*VERSIONS, "*"):
        raise DavError(403, condition=carddav("supported-address-data"))
    # COMPAT: §10.4 makes 3.0 the default; clients that say nothing take what they have stored.
    version = element.get("version", "*").replace("*", "")
    props = element.findall(carddav("prop"))
    if not props or element.find(carddav("allprop")) is not None:
        return DataRequest(None, version)
    chosen = {prop.get("name", "").upper(): prop.get("novalue", "no") == "yes" for prop in props}
    return DataRequest(chosen, version)


def select(data: bytes, props: dict[str, bool]) -> bytes:
    """The card with only these properties; a group before the name does not matter (§10.5.1)."""
    chosen = []
    for line in scan(data):
        name = line[0].rpartition(".")[2]
        if name in ALWAYS:
            chosen.append(line)
        elif name in props or line[0] in props:
            chosen.append((line[0], line[1], "") if props.get(name, props.get(line[0])) else line)
    return serialise(chosen)


def _address_data(view: View, resource: MemberResource) -> str | None:
    data, asked = resource.data, view.cache[ADDRESS_DATA]
    if data is None:
        return None
    try:
        data = convert(data, asked.version) if asked.version else data
        data = select(data, asked.props) if asked.props is not None else data
    except Invalid:
        data = resource.data  # stored by an older version: given whole
    return f"<CR:address-data>{escape_data(data or b'')}</CR:address-data>"


def _home(view: View, resource: PrincipalResource) -> str | None:
    principal = resource.principal
    if principal.kind != "person":
        return None
    url = f"/dav/addressbooks/{quote(principal.address)}/"
    return f"<CR:addressbook-home-set><D:href>{url}</D:href></CR:addressbook-home-set>"


def _supported_data(view: View, resource: Resource) -> str:
    return _SUPPORTED_DATA


def _supported_collations(view: View, resource: Resource) -> str:
    return _SUPPORTED_COLLATIONS


def _max_size(view: View, resource: CollectionResource) -> str:
    return f"<CR:max-resource-size>{view.engine.config.dav.card_size}</CR:max-resource-size>"


_TYPES = "".join(f'<CR:address-data-type content-type="text/vcard" version="{each}"/>' for each in VERSIONS)
_SUPPORTED_DATA = f"<CR:supported-address-data>{_TYPES}</CR:supported-address-data>"
_COLLATIONS = "".join(f"<CR:supported-collation>{name}</CR:supported-collation>" for name in COLLATIONS)
_SUPPORTED_COLLATIONS = f"<CR:supported-collation-set>{_COLLATIONS}</CR:supported-collation-set>"
PROPERTIES = (
    Property(carddav("addressbook-home-set"), Shape.PRINCIPAL, _home),
    settable_text(carddav("addressbook-description"), "description", MAX_TEXT, Shape.ADDRESSBOOK),
    Property(carddav("supported-address-data"), Shape.ADDRESSBOOK, _supported_data),
    Property(carddav("supported-collation-set"), Shape.ADDRESSBOOK, _supported_collations),
    Property(carddav("max-resource-size"), Shape.ADDRESSBOOK, _max_size),
    Property(ADDRESS_DATA, Shape.CARD, _address_data, prepare=load, parse=parse_data_request, listed=False),
)
