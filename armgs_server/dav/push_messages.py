# SPDX-License-Identifier: Apache-2.0
"""What is said in WebDAV-Push (draft-bitfire-webdav-push): push-register, Push-Dont-Notify, push-message.

Pure.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from armgs_server.dav.errors import DavError
from armgs_server.dav.names import dav, escape
from armgs_server.dav.xml import Element, text_of
from armgs_server.errors import Invalid
from armgs_server.net.fetch import check_url
from armgs_server.net.web_push import SECRET_SIZE, parse_base64url, parse_key

NAMESPACE = "https://bitfire.at/webdav-push"
PREFIX = "/dav/push/"  # of registration URLs
MAX_URL = 2000
NONE, SELF, MEMBERS = -1, 0, 1  # depth of content updates
_TOPICS = uuid.UUID("6b3c1a52-5d0e-4f7e-9a53-0b8f0c1d7f11")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_REGISTRATION = re.compile(r"(\d{1,18})-([A-Za-z0-9_-]{1,64})\Z")


def push(local: str) -> str:
    """The name in the namespace of the draft."""
    return f"{{{NAMESPACE}}}{local}"


REGISTER = push("push-register")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A push-register: where to send what; `expires` in seconds, None where it is not said."""

    endpoint: str
    public_key: bytes
    auth_secret: bytes
    content: int
    properties: bool
    expires: float | None


def parse_register(root: Element, *, plain: bool) -> Wanted:
    """403 with the condition that the draft names; `plain`: http is good enough."""
    subscription = root.find(f"{push('subscription')}/{push('web-push-subscription')}")
    if subscription is None:
        raise _invalid("A web-push-subscription is needed.")
    try:
        endpoint = check_url(_text(subscription, "push-resource"))
        public_key = parse_base64url(_text(subscription, "subscription-public-key", "p256dh"))
        auth_secret = parse_base64url(_text(subscription, "auth-secret"))
        parse_key(public_key)
    except Invalid as error:
        raise _invalid(error.text) from error
    if _text(subscription, "content-encoding") != "aes128gcm":
        raise _invalid("Only aes128gcm is understood.")
    if len(endpoint) > MAX_URL or len(auth_secret) != SECRET_SIZE:
        raise _invalid("The push resource or the authentication secret has another size.")
    # RFC 8030 §8: TLS for all, unless the settings say otherwise
    if not plain and urlsplit(endpoint).scheme != "https":
        raise _invalid("The push resource needs https.")
    content, properties = _parse_trigger(root.find(push("trigger")))
    return Wanted(endpoint, public_key, auth_secret, content, properties, _parse_expires(root))


def _text(parent: Element, name: str, kind: str = "") -> str:
    found = parent.find(push(name))
    if found is None or (kind and found.get("type") != kind):
        raise _invalid(f"{name} is missing.")
    return text_of(found)


def _parse_trigger(trigger: Element | None) -> tuple[int, bool]:
    """A greater depth than there is becomes the greatest that there is."""
    content = trigger.find(push("content-update")) if trigger is not None else None
    properties = trigger.find(push("property-update")) if trigger is not None else None
    if content is None and properties is None:
        raise DavError(403, "No trigger that is supported.", condition=push("no-supported-trigger"))
    depth = content.find(dav("depth")) if content is not None else None
    is_self = depth is not None and text_of(depth) == "0"
    return NONE if content is None else SELF if is_self else MEMBERS, properties is not None


def _parse_expires(root: Element) -> float | None:
    given = root.find(push("expires"))
    if given is None:
        return None
    try:
        moment = parsedate_to_datetime(text_of(given))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None  # what the client asks for is a wish: the answer says what it gets


def _invalid(text: str) -> DavError:
    return DavError(403, text, condition=push("invalid-subscription"))


def registration_path(owner: int, id_: str) -> str:
    """The path of a registration URL."""
    return f"{PREFIX}{owner}-{id_}"


def parse_registration(path: str) -> tuple[int, str] | None:
    """Owner and id of a registration path."""
    match = _REGISTRATION.match(path.removeprefix(PREFIX)) if path.startswith(PREFIX) else None
    return (int(match[1]), match[2]) if match else None


def parse_dont_notify(values: Iterable[str]) -> list[tuple[int, str]] | None:
    """Push-Dont-Notify: the registrations named, None for all of them (`*`). What is invalid is ignored."""
    text = ",".join(values).strip()
    if text == "*":
        return None
    found: list[tuple[int, str]] = []
    for quoted in _QUOTED.findall(text):
        try:
            path = urlsplit(re.sub(r"\\(.)", r"\1", quoted)).path
        except ValueError:
            continue
        registration = parse_registration(path)
        if registration is not None:
            found.append(registration)
    return found


def topic(owner: int, collection: int) -> str:
    """The push topic of a collection: ids are never used again, so it is one for all time."""
    return str(uuid.uuid5(_TOPICS, f"{owner}.{collection}"))


def push_message(topic: str, sync_token: str, *, content: bool, properties: bool) -> bytes:
    """What a device is told; without a sync token of a collection that is gone."""
    token = f"<D:sync-token>{escape(sync_token)}</D:sync-token>" if sync_token else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<push-message xmlns="{NAMESPACE}" xmlns:D="DAV:"><topic>{escape(topic)}</topic>'
        + (f"<content-update>{token}</content-update>" if content else "")
        + ("<property-update/>" if properties else "")
        + "</push-message>"
    ).encode()
