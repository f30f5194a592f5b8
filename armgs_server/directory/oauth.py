# SPDX-License-Identifier: Apache-2.0
"""Log-in by tokens: what people let programs do, given out, renewed and taken back (RFC 6749, RFC 9700).

What must hold:
- A token is 256 random bits: no throttle guards it, for there is nothing to guess, and a device that keeps
  an old one locks nobody out.
- Every code needs the verifier of its challenge (RFC 7636); a code used twice, and a refresh token used
  twice, void everything of that grant: one of the two who have it is a thief.
- Who is disabled or deleted has no tokens from the same transaction on; taking a grant back ends the sessions
  that began by it (topic `kick`).
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Final

from armgs_server import log
from armgs_server.config import Config
from armgs_server.config.oauth import OAuthSettings
from armgs_server.directory import devices, scopes
from armgs_server.directory.model import HOSTS, TOPIC_KICK, Principal
from armgs_server.directory.oauth_clients import Client, Clients
from armgs_server.directory.oauth_model import (
    Bearing,
    Consent,
    Issued,
    OAuthError,
    Refusal,
    device_mark,
    is_verifier,
)
from armgs_server.directory.remembered import Remembered
from armgs_server.storage import clock
from armgs_server.storage import oauth as rows
from armgs_server.storage.oauth import Grant, Kind, Token
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.directory.auth import Auth
    from armgs_server.directory.finder import Finder

LAST_USED_STEP: Final = clock.HOUR  # how exactly the last use of a grant is kept
HTTPS_PORT: Final = 443
_log = log.get("login")


_NOT_GOOD: Final = "it is unknown, over, used already, or not this client's"
_TWICE: Final = "it was used twice, so all that was given for it is void"


class OAuth:
    """Made by Auth, as `directory.auth.oauth`."""

    def __init__(self, auth: Auth, directory: Finder) -> None:
        self._directory = directory
        self._store = directory.store
        self.config: Config = directory.config
        self.is_permitted = auth.is_permitted
        self._admit = auth.admit
        security = directory.config.security
        self._seen: Remembered[int] = Remembered(security.verified_passwords, security.verified_time)
        self.clients = Clients(auth, directory.store, directory.config.oauth)

    @property
    def settings(self) -> OAuthSettings:
        return self.config.oauth

    @property
    def issuer(self) -> str:
        """The issuer identifier (RFC 8414 §2): where the authorization server is."""
        port = self.config.port(HTTPS_PORT)
        return f"https://{self.config.server.hostname}" + ("" if port == HTTPS_PORT else f":{port}")

    @property
    def configuration_url(self) -> str:
        """Where a client learns the rest (OpenID Connect Discovery §4)."""
        return f"{self.issuer}/.well-known/openid-configuration"

    # Given out

    async def consent(self, person: Principal, given: Consent) -> str:
        """An authorization code for the client."""
        now = clock.now()
        expires = now + int(self.settings.code_lifetime * clock.SECOND)
        id_ = secrets.token_hex(rows.GRANT_SIZE)
        client = given.client
        grant = Grant(person.id, id_, client.hash, client.name, given.scope, now, 0, expires)
        code = rows.new_text(person.id)
        data = json.dumps(
            {
                "redirect_uri": given.redirect_uri,
                "challenge": given.challenge,
                "nonce": given.nonce,
                "auth_time": given.auth_time,
            }
        )
        token = Token(person.id, rows.hash_of(code), id_, "code", given.scope, data, now, expires, 0)

        async def work(tx: Tx) -> None:
            await rows.add_grant(tx, grant, limit=self.settings.grants, now=now)
            await rows.add_token(tx, token)

        await self._store.write(work)
        _log.info("program permitted", account=person.address, client=client.name, scope=given.scope)
        return code

    async def redeem(self, client: Client, code: str, redirect_uri: str, verifier: str) -> Issued:
        """RFC 6749 §4.1.3. OAuthError."""
        await self._check_person(code)
        now = clock.now()

        async def work(tx: Tx) -> Issued | None:
            found, grant = await self._of_client(tx, code, client, "code")
            if found is None or grant is None or found.expires <= now:
                return None
            data = json.loads(found.data)
            is_theirs = data["redirect_uri"] == redirect_uri and is_verifier(verifier, data["challenge"])
            if not is_theirs and not found.spent:
                return None
            if not await rows.spend(tx, found, now):
                # RFC 6749 §4.1.2: "If an authorization code is used more than once, the authorization server
                # MUST deny the request and SHOULD revoke … all tokens previously issued based on that code"
                await _end(tx, grant)
                return None
            return await self._issue(tx, grant, grant.scope, now, data["nonce"], data["auth_time"])

        issued = await self._store.write(work)
        if issued is None:
            _log.warning("authorization code refused", client=client.name)
            raise OAuthError("invalid_grant", f"the authorization code: {_NOT_GOOD}")
        return issued

    async def refresh(self, client: Client, text: str, scope: str = "") -> Issued:
        """RFC 6749 §6, with the rotation of RFC 9700 §4.14.2. OAuthError."""
        await self._check_person(text)
        now = clock.now()
        grace = int(self.settings.refresh_grace * clock.SECOND)

        async def work(tx: Tx) -> Issued | str:
            found, grant = await self._of_client(tx, text, client, "refresh")
            if found is None or grant is None or found.expires <= now:
                return _NOT_GOOD
            is_first = await rows.spend(tx, found, now)
            if not is_first and now - (found.spent or now) >= grace:
                await _end(tx, grant)
                return _TWICE
            if scope and not scopes.is_within(scope, grant.scope):
                raise OAuthError("invalid_scope", "more than was granted")
            return await self._issue(tx, grant, scope or grant.scope, now)

        issued = await self._store.write(work)
        if isinstance(issued, str):
            _log.warning("refresh token refused", client=client.name, reason=issued)
            raise OAuthError("invalid_grant", f"the refresh token: {issued}")
        return issued

    async def _check_person(self, text: str) -> None:
        principal = rows.principal_of(text)
        person = None if principal is None else await self._directory.by_id(principal)
        if person is None or person.disabled or person.kind != "person":
            raise OAuthError("invalid_grant", _NOT_GOOD)

    async def _of_client(
        self, tx: Tx, text: str, client: Client, kind: Kind
    ) -> tuple[Token | None, Grant | None]:
        found = await rows.token(tx, text)
        if found is None or found.kind != kind:
            return None, None
        grant = await rows.grant(tx, found.principal, found.grant_id)
        return (found, grant) if grant is not None and grant.client == client.hash else (None, None)

    async def _issue(
        self, tx: Tx, grant: Grant, scope: str, now: int, nonce: str = "", auth_time: int = 0
    ) -> Issued:
        settings, principal = self.settings, grant.principal
        over = now + int(settings.refresh_lifetime * clock.SECOND)
        if not await rows.use_grant(tx, principal, grant.id, now, over):  # it ends at this moment
            raise OAuthError("invalid_grant", _NOT_GOOD)

        async def add(kind: Kind, lifetime: float, of: str) -> str:
            text, ends = rows.new_text(principal), now + int(lifetime * clock.SECOND)
            await rows.add_token(
                tx, Token(principal, rows.hash_of(text), grant.id, kind, of, "", now, ends, 0)
            )
            return text

        access = await add("access", settings.access_lifetime, scope)
        is_staying = scopes.needs_refresh(grant.scope)
        refresh = await add("refresh", settings.refresh_lifetime, grant.scope) if is_staying else ""
        await rows.tidy(tx, principal, grant.id, now=now, access_tokens=settings.access_tokens)
        return Issued(principal, access, refresh, int(settings.access_lifetime), scope, nonce, auth_time)

    # Shown

    async def bearer(self, text: str, service: str) -> Bearing | Refusal:
        """Who shows an access token that is good for the service (RFC 6750 §3.1)."""
        found = await self._store.read(lambda tx: rows.token(tx, text)) if self.settings.enabled else None
        now = clock.now()
        if found is None or found.kind != "access" or found.expires <= now:
            return "invalid_token"
        person = await self._directory.by_id(found.principal)
        if person is None or person.disabled:
            return "invalid_token"
        if not scopes.permits(found.scope, service):
            return "insufficient_scope"
        if now - found.created > LAST_USED_STEP:  # it was given out by a use of the grant
            await self._note_use(found, now)
        return Bearing(person, found.grant_id, found.scope)

    async def login(self, text: str, service: str, peer: str, is_tls: bool) -> Bearing | Refusal:
        """bearer() for HTTP, where each request carries the token: the log has one line for many. Denied."""
        found = await self.bearer(text, service) if self.is_permitted(is_tls) else "invalid_token"
        if not isinstance(found, Bearing):
            return found
        key = (found.person.id, rows.hash_of(text))
        if HOSTS in found.person.data or key not in self._seen:
            self._admit("dav", "Bearer", peer, is_tls, found.person)
            self._seen.add(*key)
        return found

    async def inspect(self, text: str) -> tuple[Token, Grant, Principal] | None:
        """What a good access or refresh token stands for (RFC 7662); None for any other."""

        async def work(tx: Tx) -> tuple[Token, Grant] | None:
            found = await rows.token(tx, text)
            grant = None if found is None else await rows.grant(tx, found.principal, found.grant_id)
            return (found, grant) if found is not None and grant is not None else None

        both = await self._store.read(work) if self.settings.enabled else None
        if both is None or both[0].kind == "code" or both[0].spent or both[0].expires <= clock.now():
            return None
        person = await self._directory.by_id(both[0].principal)
        return None if person is None or person.disabled else (*both, person)

    async def _note_use(self, token: Token, now: int) -> None:
        grant = await self._store.read(lambda tx: rows.grant(tx, token.principal, token.grant_id))
        if grant is not None and now - grant.last_used > LAST_USED_STEP:
            await self._store.write(lambda tx: rows.use_grant(tx, token.principal, token.grant_id, now))

    # Taken back

    async def revoke(self, client: Client, text: str) -> None:
        """RFC 7009 §2.1: an access token alone, or with a refresh token all of the grant. An unknown one is
        void already; one of another client is refused with OAuthError."""

        async def work(tx: Tx) -> None:
            found = await rows.token(tx, text)
            grant = None if found is None else await rows.grant(tx, found.principal, found.grant_id)
            if found is None or grant is None:
                return
            if grant.client != client.hash:
                raise OAuthError("invalid_grant", "the token is another client's")
            if found.kind == "access":
                await rows.remove_token(tx, found)
                tx.publish(TOPIC_KICK, b"%d" % found.principal)
            else:
                await _end(tx, grant)

        await self._store.write(work)

    async def grants(self, person: int) -> list[Grant]:
        """The programs that a person has agreed to and that use it, the last used first."""
        now = clock.now()
        return await self._store.read(lambda tx: rows.grants(tx, person, now))

    async def end(self, person: int, grant_id: str) -> bool:
        """Shuts a program out; False where there is none."""

        async def work(tx: Tx) -> bool:
            grant = await rows.grant(tx, person, grant_id)
            if grant is not None:
                await _end(tx, grant)
            return grant is not None

        return await self._store.write(work)


async def _end(tx: Tx, grant: Grant) -> None:
    await rows.remove_grant(tx, grant.principal, grant.id)
    await devices.revoke_of(tx, grant.principal, device_mark(grant.id))
    tx.publish(TOPIC_KICK, b"%d" % grant.principal)
