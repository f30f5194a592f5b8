# SPDX-License-Identifier: Apache-2.0
"""/me/keys: a person's security keys and passkeys: registered, named, taken away; and recovery codes.

Who would change something shows first to be the owner: by the password, or where there is a second factor by
a code or a key; a browser left open is not enough. The page that follows carries the proof, a keyed hash over
the moment and the browser, and may be used for a while.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

from armgs_server.directory.second_factor import SecondFactor
from armgs_server.directory.webauthn import PROVE
from armgs_server.errors import AlreadyExists, Conflict, Denied, Invalid, Throttled
from armgs_server.formats.webauthn import CREDENTIAL_ID_LIMIT, decode, encode
from armgs_server.net.http import Response
from armgs_server.portal.moments import moment
from armgs_server.portal.own_page import OwnPage
from armgs_server.portal.pages import language_of
from armgs_server.portal.safety import SCRIPT_POLICY
from armgs_server.portal.signin import SignIn, Visit
from armgs_server.service import Core
from armgs_server.storage import clock

PATH: Final = "/me/keys"
PROOF: Final = "proof"  # the field of a form that carries it


class OwnKeys(OwnPage):
    """The page and its forms."""

    path = PATH

    def __init__(self, core: Core, sign_in: SignIn) -> None:
        super().__init__(core, sign_in)
        self._settings = core.config.webauthn
        self._keys = sign_in.keys
        self._factor = SecondFactor(core.directory)

    def is_proven(self, visit: Visit) -> bool:
        """Whether the form carries a proof that is still good."""
        told, _, _ = visit.value(PROOF).partition(".")
        if not told.isascii() or not told.isdecimal() or len(told) > _TIME_LIMIT:
            return False
        is_ours = hmac.compare_digest(self._proof(visit, told).encode(), visit.value(PROOF).encode())
        return is_ours and clock.now() - int(told) < int(self._settings.timeout * clock.SECOND)

    async def _act(self, visit: Visit) -> Response:
        wish = visit.value("do")
        if wish == "prove":
            try:
                problem = await self._prove(visit)
            except Throttled:
                return await self._page(visit, 429, problem="sign_in_wait")
            if problem:
                return await self._page(visit, 403, problem=problem)
            return await self._page(visit, proof=self._proof(visit, str(clock.now())))
        if not self.is_proven(visit):
            return await self._page(visit, 403, problem="keys_again")
        return await self._change(visit, wish)

    async def _prove(self, visit: Visit) -> str:
        """What is wrong with it, as the name of a text; "" where it is right. Throttled."""
        person, peer = visit.person, visit.request.peer
        if visit.value("answer"):
            is_right = await self._keys.check(person, visit.value("answer"), visit.form_token, PROVE, peer)
            return "" if is_right else "keys_wrong"
        if await self._factor.is_on(person):
            return "" if await self._factor.check(person, visit.value("code"), peer) else "second_wrong"
        try:
            password = visit.form.get("password", ("",))[0]
            await self._sign_in.check_password(visit.request, person.address, password)
        except Denied:
            return "second_password_wrong"
        return ""

    async def _change(self, visit: Visit, wish: str) -> Response:
        person, proof = visit.person, visit.value(PROOF)
        if wish == "renew":
            if not await self._factor.is_on(person):
                return await self._page(visit, proof=proof)
            return await self._page(visit, proof=proof, codes=await self._factor.renew(person))
        try:
            if wish == "remove":
                await self._keys.remove(person, decode(visit.value("key"), CREDENTIAL_ID_LIMIT))
                return await self._page(visit, proof=proof)
            here = visit.session.token
            codes = await self._keys.add(
                person, visit.value("name"), visit.value("answer"), visit.form_token, here
            )
        except AlreadyExists:
            return await self._page(visit, 409, problem="keys_known", proof=proof)
        except Conflict:
            return await self._page(visit, 409, problem="keys_too_many", proof=proof)
        except Invalid:
            return await self._page(visit, 400, problem="keys_refused", proof=proof)
        return await self._page(visit, proof=proof, codes=codes)

    async def _page(
        self,
        visit: Visit,
        status: int = 200,
        *,
        problem: str = "",
        proof: str = "",
        codes: Sequence[str] = (),
    ) -> Response:
        person, language, bound = visit.person, language_of(visit.request), visit.form_token
        response = self._sign_in.render(
            "own_keys.html",
            visit,
            status=status,
            problem=visit.text(problem) if problem else "",
            is_possible=self._keys.party is not None,
            is_on=await self._factor.is_on(person),
            has_app=await self._factor.has_app(person),
            left=await self._factor.left(person),
            codes=codes,
            proof=proof,
            question=None if proof else await self._keys.asked(person, bound, PROVE),
            creation=await self._keys.creation(person, bound) if proof else None,
            keys=[
                (
                    encode(each.id),
                    each.name,
                    moment(each.created, language),
                    moment(each.last_used, language) if each.last_used else "",
                )
                for each in await self._keys.of(person)
            ],
        )
        response.headers.append(SCRIPT_POLICY)
        if status == 429:
            response.headers.append(("Retry-After", "60"))
        return response

    def _proof(self, visit: Visit, told: str) -> str:
        passwords = self._directory.auth.passwords
        return f"{told}.{passwords.keyed(b'page proof', f'{told} {visit.form_token}'.encode()).hex()}"


_TIME_LIMIT: Final = 20  # digits
