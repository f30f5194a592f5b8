# SPDX-License-Identifier: Apache-2.0
"""XEP-0077: In-Band Registration, for who has an account: its password is changed (§3.3), nothing else.

Accounts are made by the directory's administrators, or by invitation (`registration`); none is removed here.
"""

from __future__ import annotations

from lxml import etree

from armgs_server import log
from armgs_server.directory.new_passwords import PasswordRefused
from armgs_server.errors import Invalid
from armgs_server.xmpp.iq import At, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element, text_element

NAMESPACE = "jabber:iq:register"
FEATURES = (NAMESPACE,)
_AT: frozenset[At] = frozenset({"server", "account"})
_LOG = log.get("login")


async def handle_get(query: Query) -> bytes:
    """§3.1: one who is registered learns the own name."""
    local = query.session.jid.local
    return form(element("registered"), local)


async def handle_set(query: Query) -> bytes:
    """§3.2, §3.3."""
    session, server = query.session, query.server
    payload = query.payload
    if payload.find(f"{{{NAMESPACE}}}remove") is not None:
        raise StanzaError("not-allowed", "accounts are removed by administrators")
    if not server.config.security.change_password:
        raise StanzaError("not-allowed", "passwords are changed by administrators")
    username, password = filled_in(query.payload)
    # Aliases count: a client fills in what was used for log-in.
    address = username if "@" in username else f"{username}@{session.jid.domain}"
    named = await server.directory.by_address(address)
    if named is None or named.id != query.owner:
        raise StanzaError("not-allowed", "this is not your account")
    if not session.has_password:
        # A token or an app password, which a thief may have, must not become the whole account.
        raise StanzaError("not-allowed", "log in with the password to change it")
    check_password(password)
    try:
        with session.spared():
            await server.directory.set_password(query.owner, password)
    except PasswordRefused as error:
        raise StanzaError("not-acceptable", error.text) from error
    _LOG.info("password changed", service="xmpp", account=session.account.bare)
    return b""


def form(first: bytes, username: str = "") -> bytes:
    """§3.1.1: the inside of an answer to a get."""
    fields = first + text_element("username", username) + element("password")
    return element("query", {"xmlns": NAMESPACE}, fields)


def filled_in(payload: etree._Element) -> tuple[str, str]:
    """§3.1.1: name and password. StanzaError where one is missing."""
    username, password = (
        payload.findtext(f"{{{NAMESPACE}}}{name}") or "" for name in ("username", "password")
    )
    if not username.strip() or not password:
        raise StanzaError("bad-request", "username and password are needed")
    return username.strip(), password


def check_password(password: str) -> None:
    """Invalid. Whether it may be one by the policy is the directory's to say (§3.1.1: not-acceptable)."""
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise Invalid("half a character")


ROUTES = (
    Route("get", NAMESPACE, "query", _AT, handle_get),
    Route("set", NAMESPACE, "query", _AT, handle_set),
)
