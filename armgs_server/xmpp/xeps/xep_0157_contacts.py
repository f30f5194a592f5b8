# SPDX-License-Identifier: Apache-2.0
"""XEP-0157: Contact Addresses: whom to write to about this server, in a form beside its disco#info."""

from __future__ import annotations

from urllib.parse import urlsplit

from armgs_server.config import Config
from armgs_server.errors import Invalid
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field

FORM_TYPE = "http://jabber.org/network/serverinfo"
# §3: what an address may be for.
KINDS = ("abuse", "admin", "feedback", "sales", "security", "status", "support")


def addresses(config: Config) -> dict[str, tuple[str, ...]]:
    """Field → addresses, of the kinds that have any."""
    found: dict[str, list[str]] = {}
    for contact in config.xmpp.contacts:
        kind, _, uri = contact.partition(" ")
        found.setdefault(f"{kind}-addresses", []).append(uri.strip())
    return {field: tuple(uris) for field, uris in sorted(found.items())}


def form(config: Config) -> bytes:
    """The form, empty where no address is known."""
    known = addresses(config)
    fields = (Field(name, "list-multi", values=uris) for name, uris in known.items())
    return forms.form(FORM_TYPE, fields, type="result") if known else b""


def parts(config: Config) -> list[str]:
    """The form in the text that is hashed for XEP-0115 §5.1."""
    known = addresses(config)
    return (
        [FORM_TYPE, *(text for name, uris in known.items() for text in (name, *sorted(uris)))]
        if known
        else []
    )


def check(config: Config) -> None:
    """Invalid where a contact is not a kind and a URI."""
    for contact in config.xmpp.contacts:
        kind, _, uri = contact.partition(" ")
        if kind not in KINDS or not urlsplit(uri.strip()).scheme:
            raise Invalid(f"[xmpp] contacts: {contact!r} is not a kind ({', '.join(KINDS)}) and an address")
