# SPDX-License-Identifier: Apache-2.0
"""XEP-0494: Client Access Management: what has access to one's own account, and how to take it away.

Three kinds of clients are listed: devices that have logged in to chat (XEP-0388); app passwords, which serve
mail, calendars and files as well; and programs that were let in by OAuth 2.0.
"""

from __future__ import annotations

from armgs_server.directory.devices import Device
from armgs_server.directory.oauth_model import grant_of
from armgs_server.xmpp.iq import ACCOUNT, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element, text_element
from armgs_server.xmpp.xeps import xep_0386_bind2 as bind2
from armgs_server.xmpp.xeps.xep_0160_offline import timestamp

NAMESPACE = "urn:xmpp:cam:0"
_APP = "app:"
_GRANT = "oauth:"
_TRUE, _FALSE = "true", "false"


async def handle_list(query: Query) -> bytes:
    """§3.1."""
    server, owner = query.server, query.owner
    devices, with_token = await server.directory.auth.tokens.devices(owner)
    apps = await server.directory.app_passwords(owner)
    resources = await _resources(query)
    changed = await _password_changed(query)
    inner = b"".join(
        _device(device, resources, has_token=device.id in with_token, changed=changed) for device in devices
    )
    inner += b"".join(_access(_APP + name, name, created, last_used) for name, created, last_used in apps)
    grants = await server.directory.auth.oauth.grants(owner)
    inner += b"".join(
        _access(_GRANT + grant.id, grant.name, grant.created, grant.last_used) for grant in grants
    )
    return element("clients", {"xmlns": NAMESPACE}, inner)


async def handle_revoke(query: Query) -> bytes:
    """§3.2."""
    session, directory = query.session, query.server.directory
    id_ = query.payload.get("id") or ""
    if id_.startswith(_APP):
        with session.spared():
            await directory.remove_app_password(query.owner, id_.removeprefix(_APP))
        return b""
    if id_.startswith(_GRANT):
        with session.spared():
            if not await directory.auth.oauth.end(query.owner, id_.removeprefix(_GRANT)):
                raise StanzaError("item-not-found")
        return b""
    devices, _ = await directory.auth.tokens.devices(query.owner)
    found = next((device for device in devices if device.id == id_), None)
    if found is None:
        raise StanzaError("item-not-found")
    if found.app:
        apps = {name for name, _, _ in await directory.app_passwords(query.owner)}
        if found.app in apps:
            with session.spared():
                await directory.remove_app_password(query.owner, found.app)
        elif grant := grant_of(found.app):
            with session.spared():
                await directory.auth.oauth.end(query.owner, grant)
    await directory.auth.tokens.revoke(query.owner, found.id)
    if _knows_password(found, await _password_changed(query)):
        # Its tokens and sessions are gone, but it may have kept the password.
        raise StanzaError(
            "service-unavailable", extra=element("password-reset-required", {"xmlns": NAMESPACE})
        )
    return b""


def _device(device: Device, resources: set[str], *, has_token: bool, changed: int) -> bytes:
    suffix = bind2.suffix(device.id)
    is_connected = device.id in resources or any(each.endswith(suffix) for each in resources)
    methods = element("password") if _knows_password(device, changed) else b""
    methods += element("grant") if device.app else b""
    methods += element("fast") if has_token else b""
    agent = text_element("software", device.software) if device.software else b""
    agent += text_element("device", device.name) if device.name else b""
    return _client(
        {"id": device.id, "type": "session", "connected": _TRUE if is_connected else _FALSE},
        (device.created, device.last_seen),
        methods,
        "unrestricted" if _knows_password(device, changed) else "normal",
        agent,
    )


def _access(id_: str, name: str, created: int, last_used: int) -> bytes:
    return _client(
        {"id": id_, "type": "access", "connected": _FALSE},
        (created, last_used),
        element("grant"),
        "normal",
        text_element("device", name),
    )


def _client(
    attributes: dict[str, str], seen: tuple[int, int], methods: bytes, status: str, agent: bytes
) -> bytes:
    first, last = seen
    inner = text_element("first-seen", timestamp(first))
    inner += text_element("last-seen", timestamp(last)) if last else b""
    inner += element("auth", {}, methods) + element("permission", {"status": status})
    return element("client", attributes, inner + element("user-agent", {}, agent))


def _knows_password(device: Device, changed: int) -> bool:
    """Whether it has logged in with the password that is still the account's."""
    return device.password > changed


async def _password_changed(query: Query) -> int:
    return await query.server.directory.password_changed(query.owner)


async def _resources(query: Query) -> set[str]:
    """Resources of the account's sessions in all processes, and the devices of those in this one."""
    account, processes = query.session.account, query.server.processes
    found = {session.jid.resource for session in account.sessions.values()}
    found |= {session.device for session in account.sessions.values() if session.device}
    if processes is not None:
        found |= {row.resource for row in await processes.sessions_of([account.bare])}
    return found


ROUTES = (
    Route("get", NAMESPACE, "list", ACCOUNT, handle_list),
    Route("set", NAMESPACE, "revoke", ACCOUNT, handle_revoke),
)
ACCOUNT_FEATURES = (NAMESPACE,)
