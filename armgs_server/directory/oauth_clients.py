# SPDX-License-Identifier: Apache-2.0
"""Clients of OAuth 2.0: which there are, and where an answer for each may be sent (RFC 6749 §2, RFC 8252).

A program that registers itself (RFC 7591) costs the store nothing: its client identifier holds what it has
said, and a hash that only this store can make. Such programs run on the person's own machine: nothing of
theirs is sent anywhere else. Services elsewhere are entered by an administrator.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from armgs_server.config.oauth import OAuthSettings
from armgs_server.errors import Invalid
from armgs_server.storage import Store, clock, oauth

if TYPE_CHECKING:
    from armgs_server.directory.auth import Auth

NAME_LIMIT: Final = 100
REDIRECT_LIMIT: Final = 500
REDIRECTS_LIMIT: Final = 10
CLIENT_ID_LIMIT: Final = 16 * 1024
_REGISTERED: Final = "r."
_MAC_SIZE: Final = 16
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
# RFC 3986 §3.1; a private-use scheme is a domain name backwards (RFC 8252 §7.1), so it has a dot.
_PRIVATE_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
_URI: Final = re.compile(r"[\x21-\x7e]+")
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks. `secret` is the SHA-256 of it, empty for a public client (RFC 6749 §2.1)."""

    id: str
    name: str
    redirects: tuple[str, ...]
    secret: bytes = b""

    def __repr__(self) -> str:
        """Nothing secret, and not the whole of a registered one's identifier."""
        return f"Client({self.id[:40]})"

    @property
    def hash(self) -> bytes:
        """By which grants name it."""
        return oauth.hash_of(self.id)

    @property
    def is_unchecked(self) -> bool:
        """Whether nobody here has entered it: what it calls itself is its own word."""
        return self.id.startswith(_REGISTERED)

    def may_redirect(self, uri: str) -> bool:
        """RFC 9700 §2.1: exact comparison, but for the port of a loopback address (RFC 8252 §7.3)."""
        return uri in self.redirects or (
            bool(_URI.fullmatch(uri))
            and any(_without_port(uri) == _without_port(each) for each in self.redirects if is_loopback(each))
        )

    def is_secret(self, text: str) -> bool:
        """Whether it is the client's."""
        return bool(self.secret) and hmac.compare_digest(oauth.hash_of(text), self.secret)


# COMPAT Thunderbird: one identifier for each provider is written into it, and its window takes the answer.
BUILT_IN: Final = {
    client.id: client
    for client in (
        Client("thunderbird", "Thunderbird", ("https://localhost", "http://localhost", "http://127.0.0.1")),
    )
}


class Clients:
    """Made by OAuth, as `directory.auth.oauth.clients`."""

    def __init__(self, auth: Auth, store: Store, settings: OAuthSettings) -> None:
        self._auth = auth
        self._store = store
        self._settings = settings

    async def find(self, id_: str) -> Client | None:
        """The client of an identifier, if it may ask for anything here."""
        if len(id_) > CLIENT_ID_LIMIT:
            return None
        if id_.startswith(_REGISTERED):
            return self._registered(id_) if self._settings.registration else None
        entered = await self._store.read(lambda tx: oauth.client(tx, id_))
        if entered is not None:
            return Client(entered.id, entered.name, entered.redirects, entered.secret)
        return BUILT_IN.get(id_)

    def register(self, metadata: Mapping[str, Any]) -> Client:
        """RFC 7591 §2: a public client that names itself and where it listens. Invalid."""
        name, redirects = metadata.get("client_name", ""), metadata.get("redirect_uris", ())
        if not isinstance(name, str) or not isinstance(redirects, list):
            raise Invalid("client_name is a text, redirect_uris are a list of texts")
        checked = _checked_redirects(redirects)
        for uri in checked:
            if not is_loopback(uri) and not _is_private(uri):
                raise Invalid(f"{uri}: neither a loopback address nor a scheme of the program's own")
        client = Client("", _checked_name(name) or "?", checked)
        data = json.dumps([client.name, *checked], ensure_ascii=False, separators=(",", ":")).encode()
        text = f"{_REGISTERED}{_base64(data)}.{_base64(self._mac(data))}"
        return Client(text, client.name, checked)

    async def enter(
        self, id_: str, name: str, redirects: Sequence[str], *, is_confidential: bool
    ) -> tuple[Client, str]:
        """An administrator's entry, and the secret of a confidential client, shown this once. Invalid."""
        if not _CLIENT_ID.fullmatch(id_) or id_.startswith(_REGISTERED):
            raise Invalid("an identifier has up to 64 letters, digits, '.', '_' and '-'")
        secret = secrets.token_urlsafe(oauth.SECRET_SIZE) if is_confidential else ""
        checked = _checked_redirects(list(redirects))
        hashed = oauth.hash_of(secret) if secret else b""
        row = oauth.Client(id_, _checked_name(name) or id_, hashed, checked, clock.now())
        await self._store.write(lambda tx: oauth.put_client(tx, row))
        return Client(row.id, row.name, row.redirects, row.secret), secret

    def _registered(self, id_: str) -> Client | None:
        head, _, mac = id_.removeprefix(_REGISTERED).partition(".")
        try:
            data, given = _from_base64(head), _from_base64(mac)
        except (ValueError, binascii.Error):
            return None
        if not hmac.compare_digest(given, self._mac(data)):
            return None
        name, *redirects = json.loads(data)
        return Client(id_, name, tuple(redirects))

    def _mac(self, data: bytes) -> bytes:
        return self._auth.passwords.keyed(b"oauth client", data, size=_MAC_SIZE)


def is_loopback(uri: str) -> bool:
    """RFC 8252 §7.3; COMPAT Thunderbird: `https://localhost`, at which its own window stops."""
    parts = urlsplit(uri)
    return parts.scheme in ("http", "https") and parts.hostname in _LOOPBACK


def _is_private(uri: str) -> bool:
    return bool(_PRIVATE_SCHEME.fullmatch(urlsplit(uri).scheme))


def _checked_redirects(uris: Sequence[object]) -> tuple[str, ...]:
    if not 1 <= len(uris) <= REDIRECTS_LIMIT:
        raise Invalid(f"1 to {REDIRECTS_LIMIT} redirection URIs are needed")
    return tuple(_checked_redirect(uri) for uri in uris)


def _checked_redirect(uri: object) -> str:
    """RFC 6749 §3.1.2: absolute, without a fragment; over TLS, but on one's own machine (RFC 9700 §2.6)."""
    if not isinstance(uri, str) or len(uri) > REDIRECT_LIMIT or not _URI.fullmatch(uri):
        raise Invalid(f"a redirection URI has up to {REDIRECT_LIMIT} ASCII characters, no space among them")
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018  (raises ValueError on a port that is none)
    except ValueError as error:
        raise Invalid(f"{uri}: {error}") from error
    if (
        parts.fragment
        or uri.endswith("#")
        or parts.username is not None
        or any(sign in uri for sign in "\"'<>\\")
    ):
        raise Invalid(f"{uri}: no fragment, user name or quotes are permitted")
    if parts.scheme == "https" and parts.hostname:
        return uri
    if is_loopback(uri) or _is_private(uri):
        return uri
    raise Invalid(f"{uri}: https, a loopback address or a scheme with a dot in it")


def _without_port(uri: str) -> tuple[str, str | None, str, str]:
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018
    except ValueError:
        return "", None, uri, ""
    # COMPAT: `http://127.0.0.1:1234` and the same with a slash are one place (RFC 3986 §6.2.3)
    is_plain = parts.username is None and not parts.fragment
    return parts.scheme, parts.hostname, (parts.path or "/") if is_plain else uri, parts.query


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if len(name) > NAME_LIMIT or not name.isprintable():
        raise Invalid(f"a client's name has up to {NAME_LIMIT} printable characters")
    return name


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
