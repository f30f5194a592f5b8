# SPDX-License-Identifier: Apache-2.0
"""Security keys and passkeys of people (Web Authentication Level 3): registered, shown at the sign-in, alone
or beside the password, and taken away.

What must hold:
- A challenge is good once, for a while, in the browser it was made for and for what it was made for
  (webauthn_challenges.py). That it was answered is a row, for all workers.
- A key whose counter does not go up is refused: it may have been copied (§6.1.1). The journal says so.
- The user handle says nothing of the person to anybody else (§14.6.1), and nobody can make one up.
- Keys make a second factor as codes do: the first one turns it on, with all that follows (second_factor.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from armgs_server import log
from armgs_server.directory import second_factor
from armgs_server.directory.model import Principal
from armgs_server.directory.second_factor import SecondFactor
from armgs_server.directory.webauthn_challenges import Challenges, handle_of, principal_of
from armgs_server.errors import AlreadyExists, Conflict, Denied, Invalid
from armgs_server.formats import webauthn
from armgs_server.formats.webauthn import CREATE, GET, Answer, RelyingParty
from armgs_server.storage import clock
from armgs_server.storage import webauthn as rows
from armgs_server.storage.tx import Tx
from armgs_server.storage.webauthn import Credential

if TYPE_CHECKING:
    from armgs_server.directory.directory import Directory

# What a challenge is for: an answer to one is none to another.
SIGN_IN: Final = "sign in"
STEP: Final = "step"
PROVE: Final = "prove"
ADD: Final = "add"
PASSKEY: Final = "passkey"  # mechanisms, as journals name them
KEY: Final = "security key"
NAME_LIMIT: Final = 100  # characters
_CLONED: Final = ", counter"  # said behind the mechanism where the counter did not go up
_WRONG: Final = "the key is not known here, or its answer is wrong"

_log = log.get("login")


@dataclass(frozen=True, slots=True)
class Question:
    """What a page asks its browser for: `options` of create() or get() as JSON, at that origin alone."""

    options: Mapping[str, Any]
    origin: str


class ClonedError(Invalid):
    """The key's counter did not go up."""


class SecurityKeys:
    """Keeps nothing itself: there may be several."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._store = directory.store
        self._settings = directory.config.webauthn
        self._factor = SecondFactor(directory)
        self._challenges = Challenges(directory.auth.passwords, self._settings)

    # What a page asks a browser for; `bound` is the form token of the page, which is its cookie's.

    @property
    def party(self) -> RelyingParty | None:
        """Who we are to browsers; None where the host name is none (an address)."""
        return webauthn.relying_party(self._directory.auth.oauth.issuer)

    @property
    def is_passwordless(self) -> bool:
        """Whether a passkey alone may sign in."""
        return self._settings.passwordless and self.party is not None

    async def asked(self, person: Principal, bound: str, purpose: str) -> Question | None:
        """get() for one of the person's keys; None where there is none to ask for."""
        known = await self.of(person)
        return self._request(bound, purpose, known, verified=False) if known else None

    def asked_of_anybody(self, bound: str) -> Question | None:
        """get() for whoever has a passkey of ours; None where it may not sign in."""
        return self._request(bound, SIGN_IN, [], verified=True) if self.is_passwordless else None

    async def creation(self, person: Principal, bound: str) -> Question | None:
        """create(); None where the person may have no more keys."""
        known, party = await self.of(person), self.party
        if party is None or len(known) >= self._settings.keys:
            return None
        options = webauthn.creation_options(
            party,
            self._challenges.make(bound, ADD),
            self._timeout_ms,
            user=(self._handle(person.id), person.address, person.name),
            known=[(each.id, each.transports) for each in known],
        )
        return Question(options, party.origin)

    # Keys

    async def of(self, person: Principal) -> list[Credential]:
        """All of a person, the oldest first."""
        return await self._store.read(lambda tx: rows.of(tx, person.id))

    async def add(self, person: Principal, name: str, text: str, bound: str, here: bytes) -> list[str]:
        """Registers what the browser has made; recovery codes where it is the first factor, else none.

        `here` as in SecondFactor.confirm. Invalid; AlreadyExists for a name that is taken; Conflict at the
        limit.
        """
        if not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
            raise Invalid(f"a key's name has 1 to {NAME_LIMIT} printable characters")
        answer, party = self._answer(text, CREATE)
        expires = self._challenges.check(answer.challenge, bound, ADD)
        found = await asyncio.to_thread(webauthn.check_registration, answer, party)
        codes, hashes = self._factor.recovery(person)
        credential = Credential(
            person.id,
            found.credential_id,
            name,
            found.public_key,
            found.sign_count,
            int(found.is_backup_eligible),
            " ".join(found.transports),
            clock.now(),
            0,
        )

        async def work(tx: Tx) -> bool:
            if not await rows.spend(tx, person.id, answer.challenge, expires):
                raise Invalid("a challenge that was answered before")
            known = await rows.of(tx, person.id)
            if len(known) >= self._settings.keys:
                raise Conflict("there are as many keys as may be")
            if any(each.name == name for each in known):
                raise AlreadyExists("there is a key of that name")
            was_on = await second_factor.is_on(tx, person.id)
            if not await rows.add(tx, credential):
                raise AlreadyExists("the key is registered already")
            if not was_on:
                await second_factor.turned_on(tx, person.id, hashes, here)
            return was_on

        was_on = await self._store.write(work)
        _log.info("security key registered", account=person.address, first=int(not was_on))
        return [] if was_on else codes

    async def remove(self, person: Principal, id_: bytes) -> bool:
        """Whether there was such a key; the last factor that goes turns the second factor off."""
        is_gone = await self._store.write(lambda tx: remove(tx, person.id, id_))
        if is_gone:
            _log.info("security key removed", account=person.address)
        return is_gone

    # Showing one

    async def check(self, person: Principal, text: str, bound: str, purpose: str, peer: str) -> bool:
        """Whether it is an answer of one of the person's keys, for STEP or PROVE. Throttled, as codes are."""
        auth, account = self._directory.auth, second_factor.account_of(person)
        auth.attempts.check(account, peer)
        mechanism = KEY
        try:
            answer, party = self._answer(text, GET)
            await self._check_assertion(person.id, answer, party, bound, purpose, verified=False)
        except Invalid as error:
            mechanism += _CLONED if isinstance(error, ClonedError) else ""
            auth.attempts.failed(account, peer)
            auth.logins.note(person.id, "web", mechanism, peer, admitted=False)
            _log.warning("security key refused", account=person.address, peer=peer, reason=error.text)
            return False
        auth.attempts.succeeded(account, peer)
        if purpose == STEP:
            auth.logins.note(person.id, "web", mechanism, peer, admitted=True)
        return True

    async def sign_in(self, text: str, bound: str, peer: str, *, is_tls: bool) -> Principal:
        """Who it is, by a passkey alone. Denied, always with the same words; Throttled; Disabled."""
        auth = self._directory.auth
        if not self.is_passwordless or not auth.is_permitted(is_tls):
            raise Denied(_WRONG)
        # Nobody is known yet: each browser counts by itself, beside its address and network.
        unknown = f"passkey {auth.passwords.keyed(b'webauthn count', bound.encode(), size=8).hex()}"
        auth.check_throttle("web", peer, None, unknown)
        person: Principal | None = None
        try:
            answer, party = self._answer(text, GET)
            person = await self._owner(answer.user_handle)
            if person is None:
                raise Invalid("a user handle of nobody")
            auth.check_throttle("web", peer, person, unknown)
            await self._check_assertion(person.id, answer, party, bound, SIGN_IN, verified=True)
        except Invalid as error:
            mechanism = PASSKEY + (_CLONED if isinstance(error, ClonedError) else "")
            auth.refuse("web", mechanism, peer, person, unknown)
            _log.warning("passkey refused", peer=peer, reason=error.text)
            raise Denied(_WRONG) from error
        return auth.admit("web", PASSKEY, peer, is_tls, person)

    async def _check_assertion(
        self, principal: int, answer: Answer, party: RelyingParty, bound: str, purpose: str, *, verified: bool
    ) -> None:
        """Level 3 §7.2. Invalid; ClonedError."""
        expires = self._challenges.check(answer.challenge, bound, purpose)
        if answer.user_handle and answer.user_handle != self._handle(principal):
            raise Invalid("the user handle of somebody else")
        credential = await self._store.read(lambda tx: rows.find(tx, principal, answer.credential_id))
        if credential is None:
            raise Invalid("a key that is not registered")
        found = await asyncio.to_thread(webauthn.check_assertion, answer, party, credential.public_key)
        if verified and not found.is_verified:
            raise Invalid("the key has not checked its owner")
        if found.is_backup_eligible != bool(credential.backup_eligible):
            raise Invalid("the key says other things of itself than when it was registered")

        async def work(tx: Tx) -> Invalid | None:
            """What is refused is no reason to take back that the challenge was answered."""
            if not await rows.spend(tx, principal, answer.challenge, expires):
                return Invalid("a challenge that was answered before")
            if await rows.find(tx, principal, answer.credential_id) is None:
                return Invalid("a key that was just removed")
            if not await rows.note_use(tx, credential, found.sign_count, clock.now()):
                return ClonedError("the key's counter did not go up: it may have been copied")
            return None

        problem = await self._store.write(work)
        if problem is not None:
            raise problem

    @property
    def _timeout_ms(self) -> int:
        return int(self._settings.timeout * 1000)

    def _request(
        self, bound: str, purpose: str, known: list[Credential], *, verified: bool
    ) -> Question | None:
        party = self.party
        if party is None:
            return None
        options = webauthn.request_options(
            party,
            self._challenges.make(bound, purpose),
            self._timeout_ms,
            known=[(each.id, each.transports) for each in known],
            verified=verified,
        )
        return Question(options, party.origin)

    def _answer(self, text: str, ceremony: str) -> tuple[Answer, RelyingParty]:
        party = self.party
        if party is None:
            raise Invalid("this server has no name that keys could be bound to")
        return webauthn.parse_answer(text, party, ceremony), party

    def _handle(self, principal: int) -> bytes:
        return handle_of(self._directory.auth.passwords, principal)

    async def _owner(self, handle: bytes) -> Principal | None:
        """Whose user handle it is."""
        number = principal_of(self._directory.auth.passwords, handle)
        person = await self._directory.by_id(number) if number else None
        return person if person is not None and person.kind == "person" else None


async def remove(tx: Tx, person: int, id_: bytes) -> bool:
    """Whether the person had the key; where it was the last factor, the second factor is off."""
    if not await rows.remove(tx, person, id_):
        return False
    await second_factor.end_if_last(tx, person)
    return True
