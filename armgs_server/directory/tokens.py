# SPDX-License-Identifier: Apache-2.0
"""FAST (XEP-0484): tokens with which a program logs in again, by the mechanisms HT-SHA-256-*.

A token is bound to a person, a device and one mechanism. The store keeps 128 random bits of it; the token is
made of these with the store's secret, which no row holds beside them. It is rotated as XEP-0484 §3.5 says,
and gone when the device is revoked, the password changes, or the account is disabled or deleted.

HT (draft-ietf-kitten-sasl-ht): the client sends `authcid NUL HMAC(token, "Initiator" || cb-data)`, and gets
`HMAC(token, "Responder" || cb-data)`. One message each way; who fails learns nothing, as everywhere.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Final

from armgs_server import base64url
from armgs_server.config import SecuritySettings
from armgs_server.directory import devices
from armgs_server.directory.devices import Device, Token
from armgs_server.directory.model import Disabled, Principal
from armgs_server.directory.sasl import ChannelBinding
from armgs_server.errors import Denied
from armgs_server.storage import Store, clock
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.directory.auth import Auth

# mechanism -> the kind of channel binding it needs; the best first
MECHANISMS: Final = {
    "HT-SHA-256-EXPR": "tls-exporter",
    "HT-SHA-256-ENDP": "tls-server-end-point",
    "HT-SHA-256-NONE": "",
}
MESSAGE_LIMIT: Final = 4096
_TEXT_LIMIT: Final = 100  # characters that are kept of what a program says of itself
_SEED_SIZE: Final = 16
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Agent:
    """A `<user-agent/>` (XEP-0388 §2.3)."""

    id: str
    software: str
    device: str


@dataclass(frozen=True, slots=True)
class Given:
    """A token for the client, and when it ends."""

    token: str
    expires: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A client's try to log in with a token; `count` is None where it keeps none."""

    service: str
    peer: str
    is_tls: bool
    channel_binding: ChannelBinding
    domain: str
    mechanism: str
    message: bytes
    agent: Agent | None
    count: int | None
    is_last: bool  # XEP-0484 §3.6: the token must not be used again
    wants: str  # the mechanism of a new token, "" for none


@dataclass(frozen=True, slots=True)
class Accepted:
    """Logged in; `data` proves to the client that the server knows the token."""

    principal: Principal
    data: bytes
    given: Given | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Not logged in; `condition` is one of RFC 6120 §6.5."""

    condition: str
    text: str


_WRONG: Final = Refused("not-authorized", "the token is wrong")


class Tokens:
    """Made by Auth, as `directory.auth.tokens`."""

    def __init__(self, auth: Auth, store: Store, settings: SecuritySettings) -> None:
        self._auth = auth
        self._store = store
        self._settings = settings

    def mechanisms(self, channel_bindings: tuple[str, ...]) -> tuple[str, ...]:
        """Those to offer on a channel with these kinds of binding."""
        return _offered(channel_bindings)

    def device_id(self, person: int, agent: Agent | None) -> str:
        """How a person's device is known; "" for a program that has not said which one it is."""
        if agent is None or not _UUID.fullmatch(agent.id.lower()):
            return ""
        return self._auth.passwords.keyed(
            b"device", b"%d\0%s" % (person, agent.id.lower().encode()), size=12
        ).hex()

    # Logging in

    async def authenticate(self, claim: Claim) -> Accepted | Refused:
        """XEP-0484 §3.4; Throttled where somebody has to wait, Temporary where the store cannot write."""
        authcid, _, proof = claim.message.partition(b"\0")
        if len(claim.message) > MESSAGE_LIMIT or not authcid or not proof:
            return Refused("malformed-request", "a name and a hash are needed")
        try:
            username = authcid.decode()
        except UnicodeDecodeError:
            return Refused("malformed-request", "not UTF-8")
        if "@" not in username and claim.domain:
            username = f"{username}@{claim.domain}"
        auth, person = self._auth, await self._auth.find(username)
        auth.check_throttle(claim.service, claim.peer, person, username)
        binding = b""
        kind = MECHANISMS.get(claim.mechanism)
        if kind:
            binding = claim.channel_binding(kind) or b""
        if kind is None or (kind and not binding):
            return Refused("invalid-mechanism", "this mechanism is not offered")
        number = person.id if person is not None else 0
        device = self.device_id(number, claim.agent)
        found, seen = await self._store.read(lambda tx: _load(tx, number, device))
        for token in found:
            secret = self._text(number, device, token.seed).encode()
            if hmac.compare_digest(hmac.digest(secret, b"Initiator" + binding, "sha256"), proof):
                if person is None or token.mechanism != claim.mechanism:  # §3.4: bound to its mechanism
                    break
                if token.expires <= clock.now():
                    return Refused("credentials-expired", "the token has expired")
                return await self._admit(claim, person, seen or Device(device), token, secret, binding)
        auth.refuse(claim.service, claim.mechanism, claim.peer, person, username)
        return _WRONG

    async def _admit(
        self, claim: Claim, person: Principal, device: Device, token: Token, secret: bytes, binding: bytes
    ) -> Accepted | Refused:
        now = clock.now()
        if claim.count is not None and claim.count <= token.count:  # §3.4: replayed
            self._auth.refuse(claim.service, claim.mechanism, claim.peer, person, person.address)
            return _WRONG
        new: Token | None = None
        is_due = now - token.created >= self._settings.token_rotation * clock.SECOND
        if claim.wants in MECHANISMS:
            new = self._new(claim.wants)
        elif is_due and not claim.is_last:
            new = self._new(token.mechanism)
        is_seen = now - device.last_seen < devices.SEEN_STEP and self._is_as_said(device, claim.agent)
        is_plain = claim.count is None and token.slot == "current" and not claim.is_last
        if new is not None or not is_seen or not is_plain:
            after = self._described(device, claim.agent, now)

            async def work(tx: Tx) -> bool:
                if not await devices.use(tx, person.id, device.id, token, claim.count):
                    return False
                if claim.is_last:
                    await devices.revoke(tx, person.id, device.id)
                if new is not None:
                    await devices.give(tx, person.id, device.id, new)
                await self._put(tx, person.id, after)
                return True

            if not await self._store.write(work):
                self._auth.refuse(claim.service, claim.mechanism, claim.peer, person, person.address)
                return _WRONG
        try:
            self._auth.admit(claim.service, claim.mechanism, claim.peer, claim.is_tls, person)
        except Denied as error:
            condition = "account-disabled" if isinstance(error, Disabled) else "not-authorized"
            return Refused(condition, error.text)
        data = hmac.digest(secret, b"Responder" + binding, "sha256")
        return Accepted(person, data, self._given(person.id, device.id, new))

    async def note(
        self, person: Principal, agent: Agent | None, app_password: str, wants: str
    ) -> Given | None:
        """A device has logged in with a password, or an app password; the token it wants (XEP-0484 §3.3)."""
        id_ = self.device_id(person.id, agent)
        if not id_:
            return None
        now = clock.now()
        new = self._new(wants) if wants in MECHANISMS else None
        before = await self._store.read(lambda tx: devices.find(tx, person.id, id_))
        after = self._described(before or Device(id_, created=now), agent, now)
        after = replace(after, app=app_password, password=after.password if app_password else now)
        is_fresh = (
            before is not None
            and now - before.last_seen < devices.SEEN_STEP
            and (before.software, before.name, before.app) == (after.software, after.name, after.app)
            and (bool(app_password) or now - before.password < devices.SEEN_STEP)
        )
        if new is None and is_fresh:
            return None

        async def work(tx: Tx) -> None:
            if new is not None:
                await devices.give(tx, person.id, id_, new)
            await self._put(tx, person.id, after)

        await self._store.write(work)
        return self._given(person.id, id_, new)

    # The person's own view (XEP-0494)

    async def devices(self, person: int) -> tuple[list[Device], set[str]]:
        """The person's devices, and the ids of those that have a token."""
        since = self._oldest()

        async def work(tx: Tx) -> tuple[list[Device], set[str]]:
            return await devices.known(tx, person, since), await devices.with_tokens(tx, person)

        return await self._store.read(work)

    async def revoke(self, person: int, id_: str) -> bool:
        """Forgets a device: its tokens are void and its sessions end everywhere. False: there is none."""
        return await self._store.write(lambda tx: devices.remove(tx, person, id_))

    # Making them

    def _new(self, mechanism: str) -> Token:
        now = clock.now()
        expires = now + int(self._settings.token_lifetime * clock.SECOND)
        return Token("new", mechanism, secrets.token_bytes(_SEED_SIZE), now, expires, 0)

    def _text(self, person: int, device: str, seed: bytes) -> str:
        data = b"%d\0%s\0%s" % (person, device.encode(), seed)
        return base64url.encode(self._auth.passwords.keyed(b"fast token", data))

    def _given(self, person: int, device: str, token: Token | None) -> Given | None:
        return None if token is None else Given(self._text(person, device, token.seed), token.expires)

    def _oldest(self) -> int:
        return clock.now() - int(self._settings.device_lifetime * clock.SECOND)

    async def _put(self, tx: Tx, person: int, device: Device) -> None:
        await devices.put(tx, person, device, limit=self._settings.devices, since=self._oldest())

    def _described(self, device: Device, agent: Agent | None, now: int) -> Device:
        software, name = _said(agent)
        created = device.created or now
        return replace(device, software=software, name=name, created=created, last_seen=now)

    def _is_as_said(self, device: Device, agent: Agent | None) -> bool:
        return (device.software, device.name) == _said(agent)


@cache
def _offered(channel_bindings: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name, kind in MECHANISMS.items() if not kind or kind in channel_bindings)


async def _load(tx: Tx, person: int, device: str) -> tuple[list[Token], Device | None]:
    return await devices.tokens(tx, person, device), await devices.find(tx, person, device)


def _said(agent: Agent | None) -> tuple[str, str]:
    """What a program says of itself, short and without control characters."""
    if agent is None:
        return "", ""
    software, name = (
        "".join(character for character in text if character.isprintable())[:_TEXT_LIMIT].strip()
        for text in (agent.software, agent.device)
    )
    return software, name
