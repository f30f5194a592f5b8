# SPDX-License-Identifier: Apache-2.0
"""Office: where an administrator does things, one verb or several at once, or sees their effects."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from armgs_server import log
from armgs_server.administration import fields, tokens
from armgs_server.administration.table import GROUPS, TABLE
from armgs_server.administration.verb import Desk, Verb
from armgs_server.directory import effects
from armgs_server.directory.administrators import administered
from armgs_server.directory.api_tokens import InvalidToken
from armgs_server.directory.directory import Directory
from armgs_server.directory.effects import Effects, Limits
from armgs_server.directory.model import Principal
from armgs_server.directory.people import Credential
from armgs_server.errors import Denied, Invalid, NotFound
from armgs_server.storage import acts, clock
from armgs_server.storage.api_tokens import ApiToken
from armgs_server.storage.tx import Tx

STEPS_LIMIT: Final = 1000

_log = log.get("administration")


@dataclass(frozen=True, slots=True)
class Step:
    """A verb with what it is given."""

    verb: Verb
    given: Mapping[str, Any]


class Office:
    """`departments` None: all of them. Made anew for each request, so that rights are those of now."""

    def __init__(
        self,
        directory: Directory,
        actor: str,
        departments: frozenset[int] | None,
        person: Principal | None,
        scopes: Collection[str] | None = None,
    ) -> None:
        self.directory = directory
        self.actor = actor
        self.departments = departments
        self._person = person
        self._scopes = scopes
        self._settings = directory.config.administration

    @classmethod
    async def of(cls, directory: Directory, person: Principal) -> Office:
        """The office of a person; Denied for who administers nothing."""
        found = await administered(directory, person)
        if not found:
            raise Denied("this is for administrators")
        is_general = await _is_general(directory, person)
        departments = None if is_general else frozenset(each.id for each in found)
        return cls(directory, person.address, departments, person)

    @classmethod
    async def by_token(cls, directory: Directory, token: ApiToken, maker: Principal | None) -> Office:
        """That of a program: within its scopes, and within what its maker may do now. InvalidToken."""
        departments, actor = token.departments, f"{token.name} (token {token.id} of {token.actor})"
        if maker is not None:
            try:
                most = (await cls.of(directory, maker)).departments
            except Denied as error:
                raise InvalidToken() from error
            if most is not None:
                departments = most if departments is None else departments & most
        return cls(directory, actor, departments, maker, token.scopes)

    @classmethod
    def general(cls, directory: Directory, actor: str) -> Office:
        """That of who works on the machine itself."""
        return cls(directory, actor, None, None)

    def step(self, name: str, given: Mapping[str, Any]) -> Step:
        """NotFound for a verb that is not there; Invalid for arguments that are wrong; OutOfScope."""
        verb = TABLE.get(name)
        if verb is None:
            raise NotFound(f"there is no verb {name[:80]!r}")
        if self._scopes is not None:
            tokens.check(verb, self._scopes)
        return Step(verb, fields.check(verb.arguments, given))

    async def run(self, name: str, given: Mapping[str, Any], *, expect: str = "") -> Any:
        """Does it; with `expect` only if its effects are those that a preview has named by that digest."""
        step = self.step(name, given)
        if step.verb.outside is not None:
            desk = await self._desk([step])
            result = await step.verb.outside(desk, step.given)
            await self.directory.store.write(lambda tx: self._note(tx, desk, [step]))
            return result
        if not step.verb.changes:
            handle = step.verb.handle
            assert handle is not None, "a verb is done inside or outside"
            desk = await self._desk([step])
            return await self.directory.store.read(lambda tx: handle(tx, desk, step.given))
        return (await self._apply([step], expect))[0]

    async def run_all(self, steps: Sequence[Step], *, expect: str = "") -> list[Any]:
        """Several at once, all or none."""
        _check_steps(steps)
        return await self._apply(steps, expect)

    async def preview(self, steps: Sequence[Step]) -> tuple[list[Any], Effects]:
        """What they would return, and bring about; nothing of it is done."""
        _check_steps(steps)
        desk = await self._desk(steps)
        return await effects.preview(
            self.directory.store, lambda tx: self._work(tx, desk, steps), self._limits()
        )

    async def _apply(self, steps: Sequence[Step], expect: str) -> list[Any]:
        desk = await self._desk(steps)

        async def work(tx: Tx) -> list[Any]:
            return await self._work(tx, desk, steps)

        if expect:
            checked = await effects.agreed(self.directory.store, work, self._limits(), expect)
            results = await self.directory.apply(checked)
        else:
            results = await self.directory.apply(work)
        # The act itself is in the journal of acts; this leads from the answer's id to it.
        _log.info("administered", account=self.actor, verbs=[step.verb.name for step in steps])
        return results

    async def _work(self, tx: Tx, desk: Desk, steps: Sequence[Step]) -> list[Any]:
        results = []
        for step in steps:
            assert step.verb.handle is not None, "checked before"
            desk.about = set()
            results.append(await step.verb.handle(tx, desk, step.given))
            await self._note(tx, desk, [step])
        return results

    async def _note(self, tx: Tx, desk: Desk, steps: Sequence[Step]) -> None:
        """The act, in the journal of each department that it is about."""
        for step in steps:
            told = {
                name: "***" if step.verb.arguments[name].is_secret else value
                for name, value in step.given.items()
            }
            for owner in sorted(desk.about) or [acts.WHOLE]:
                await acts.append(tx, owner, self.actor, step.verb.name, told)

    async def _desk(self, steps: Sequence[Step]) -> Desk:
        """Passwords are hashed before the transaction, off the loop."""
        credentials: dict[str, Sequence[Credential]] = {}
        for step in steps:
            password = step.given.get("password")
            if password and password not in credentials:
                await self._check_password(step, password)
                credentials[password] = await self.directory.auth.passwords.credentials(password)
        now = clock.now()
        return Desk(
            self.directory, self.actor, self.departments, self._person, now, credentials, groups=GROUPS
        )

    async def _check_password(self, step: Step, password: str) -> None:
        """By the policy; of what is not the administrator's nothing is told here, the verb refuses it."""
        address, rules = str(step.given.get("address", "")), self.directory.new_passwords
        number = self.directory.domains.get(address.rpartition("@")[2].lower(), 0)
        if self.departments is not None and number not in self.departments:
            return
        person = await self.directory.by_address(address)
        if person is None:
            await rules.of_newcomer(address, str(step.given.get("name", "")), password)
        else:
            await rules.of_person(person, password)

    def _limits(self) -> Limits:
        roster = self.directory.config.security.roster_limit
        return Limits(self._settings.preview_people, roster, self.departments)


def _check_steps(steps: Sequence[Step]) -> None:
    if not 0 < len(steps) <= STEPS_LIMIT:
        raise Invalid(f"between 1 and {STEPS_LIMIT} steps are done at once")
    for step in steps:
        if not step.verb.has_preview:
            raise Invalid(f"{step.verb.name} is not done together with others")


async def _is_general(directory: Directory, person: Principal) -> bool:
    """Whether the configuration makes the person an administrator of all departments, those to come too."""
    held = await directory.groups_of(person)
    for address in directory.config.security.administrators:
        found = await directory.by_address(address)
        if found is not None and found.id in held:
            return True
    return False
