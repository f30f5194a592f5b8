# SPDX-License-Identifier: Apache-2.0
"""XEP-0060: nodes and their configuration, as far as personal eventing (XEP-0163) needs them."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from armgs_server.xmpp.stanza import StanzaError, element, text_element

NAMESPACE = "http://jabber.org/protocol/pubsub"
OWNER = f"{NAMESPACE}#owner"
ERRORS = f"{NAMESPACE}#errors"
NODE_CONFIG = f"{NAMESPACE}#node_config"
PUBLISH_OPTIONS = f"{NAMESPACE}#publish-options"
_DATA = "jabber:x:data"
MAX_ITEMS = 1000  # what `max_items` = "max" means
MAX_NODES = 200

# XEP-0163 §6: defaults of a personal node. Access may be presence, open, whitelist (nobody but the owner).
DEFAULTS = {
    "access_model": "presence",
    "max_items": "1",
    "persist_items": "1",
    "send_last_published_item": "on_sub_and_presence",
    "notify_retract": "1",
    "notify_delete": "1",
}
# Bookmarks (XEP-0402, XEP-0048) concern nobody else, even where a client
# forgets to say so.
PRIVATE_NODES = ("urn:xmpp:bookmarks:1", "storage:bookmarks")
_ACCESS_MODELS = ("presence", "open", "whitelist", "roster", "authorize")


def defaults(node: str) -> dict[str, str]:
    """The configuration of a node that is made by publishing to it."""
    return DEFAULTS | {"access_model": "whitelist"} if node in PRIVATE_NODES else dict(DEFAULTS)


def parse_options(parent: etree._Element, form_type: str) -> dict[str, str]:
    """A submitted form's `pubsub#…` fields that mean something here; others are passed over."""
    form = parent.find(f"{{{_DATA}}}x")
    if form is None:
        return {}
    found = {}
    for field in form.iterfind(f"{{{_DATA}}}field"):
        name, value = field.get("var") or "", field.findtext(f"{{{_DATA}}}value") or ""
        if name == "FORM_TYPE":
            if value != form_type:
                raise StanzaError("bad-request", "a form of another type")
        elif name.startswith("pubsub#") and name[7:] in DEFAULTS:
            found[name[7:]] = _normal(name[7:], value)
    return found


def _normal(name: str, value: str) -> str:
    if name == "access_model" and value not in _ACCESS_MODELS:
        raise StanzaError("not-acceptable", "no such access model")
    if name == "max_items":
        if value == "max":
            return str(MAX_ITEMS)
        if not (value.isascii() and value.isdecimal()) or not 1 <= int(value) <= MAX_ITEMS:
            raise StanzaError("not-acceptable", f"max_items is between 1 and {MAX_ITEMS}, or max")
    return {"true": "1", "false": "0"}.get(value, value)


def serialise_config(node: str, config: Mapping[str, str]) -> bytes:
    """§8.2.2: the form for the owner."""
    fields = element("field", {"var": "FORM_TYPE", "type": "hidden"}, text_element("value", NODE_CONFIG))
    for name, value in (DEFAULTS | dict(config)).items():
        inner = text_element("value", value)
        options = _ACCESS_MODELS[:3] if name == "access_model" else ()
        inner += b"".join(element("option", {}, text_element("value", option)) for option in options)
        type_ = {"access_model": "list-single", "max_items": "text-single"}.get(name, "text-single")
        fields += element("field", {"var": f"pubsub#{name}", "type": type_}, inner)
    form = element("x", {"xmlns": _DATA, "type": "form"}, fields)
    return element("pubsub", {"xmlns": OWNER}, element("configure", {"node": node}, form))


def error(condition: str, specific: str, **attributes: str) -> StanzaError:
    """An error with the pubsub condition beside it (§14)."""
    return StanzaError(condition, extra=element(specific, {"xmlns": ERRORS, **attributes}))
