# SPDX-License-Identifier: Apache-2.0
"""XEP-0386: Bind 2: a resource bound with the log-in, and what the new session begins with."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass

from lxml import etree

from armgs_server.errors import Invalid
from armgs_server.xmpp.jid import parse_resource
from armgs_server.xmpp.stanza import element
from armgs_server.xmpp.xeps import xep_0198_sm as sm
from armgs_server.xmpp.xeps import xep_0280_carbons as carbons
from armgs_server.xmpp.xeps import xep_0352_csi as csi

NAMESPACE = "urn:xmpp:bind:0"
_TAG_LIMIT = 200  # characters of a client's tag; a resource has room for 1023 bytes
_IDENTIFIER_SIZE = 6  # bytes: 8 characters

# §3.1: what may be asked for in the same breath.
INLINE_FEATURE = element(
    "bind",
    {"xmlns": NAMESPACE},
    element(
        "inline",
        {},
        b"".join(
            element("feature", {"var": name}) for name in (carbons.NAMESPACE, csi.NAMESPACE, sm.NAMESPACE)
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Request:
    """§3.2: a `<bind/>`; `resumable` is None where stream management is not asked for."""

    tag: str
    wants_carbons: bool
    resumable: bool | None
    is_inactive: bool


def parse(authenticate: etree._Element) -> Request | None:
    """The `<bind/>` of an `<authenticate/>`, if it has one."""
    bind = authenticate.find(f"{{{NAMESPACE}}}bind")
    if bind is None:
        return None
    enable = bind.find(f"{{{sm.NAMESPACE}}}enable")
    return Request(
        (bind.findtext(f"{{{NAMESPACE}}}tag") or "").strip(),
        bind.find(f"{{{carbons.NAMESPACE}}}enable") is not None,
        None if enable is None else enable.get("resume") in ("true", "1"),
        bind.find(f"{{{csi.NAMESPACE}}}inactive") is not None,
    )


def resource(tag: str, device: str) -> str:
    """§3.2.1: the same for a device each time, so that its new session takes the place of its old one.

    The user-agent's id cannot be found out from it, nor from the device's.
    """
    if device:
        identifier = suffix(device)
    else:
        identifier = base64.urlsafe_b64encode(secrets.token_bytes(_IDENTIFIER_SIZE)).decode()
    if not tag:
        return identifier
    try:
        return parse_resource(f"{tag[:_TAG_LIMIT]}/{identifier}")
    except Invalid:  # a tag that no resource can hold
        return identifier


def suffix(device: str) -> str:
    """How the resources of a device end."""
    digest = hashlib.sha256(b"resource\0" + device.encode()).digest()[:_IDENTIFIER_SIZE]
    return base64.urlsafe_b64encode(digest).decode()


def bound(inner: bytes) -> bytes:
    """§3.2: the answer, with those of what was enabled."""
    return element("bound", {"xmlns": NAMESPACE}, inner)
