# SPDX-License-Identifier: Apache-2.0
"""Security keys over the directory, on both engines: the first one, the sign-in, and all that is refused."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from armgs_server.config import adopt, parse
from armgs_server.directory import Principal, totp
from armgs_server.directory.second_factor import SecondFactor
from armgs_server.directory.webauthn import ADD, KEY, PASSKEY, PROVE, STEP, Question, SecurityKeys
from armgs_server.errors import AlreadyExists, Conflict, Denied, Invalid, Throttled
from armgs_server.formats import webauthn as webauthn_format
from armgs_server.storage import clock, logins, webauthn
from armgs_server.storage.tx import Tx
from tests.authenticator import BE, UP, UV, Authenticator
from tests.directory.conftest import PASSWORD, Workplace

PEER = "192.0.2.1"
STRANGER = "198.51.100.1"
BROWSER = "a-form-token"


def there(question: Question | None) -> Mapping[str, Any]:
    assert question is not None and question.origin == "https://localhost"
    return question.options


def new_key(**given: Any) -> Authenticator:
    return Authenticator("https://localhost", **given)


async def register(
    workplace: Workplace, key: Authenticator, name: str = "token", person: Principal | None = None
) -> list[str]:
    keys, person = SecurityKeys(workplace.directory), person or workplace.ivanov
    options = there(await keys.creation(person, BROWSER))
    return await keys.add(person, name, json.dumps(key.create(options)), BROWSER, b"")


async def sign_in(workplace: Workplace, document: Mapping[str, Any], peer: str = PEER) -> Principal:
    keys = SecurityKeys(workplace.directory)
    return await keys.sign_in(json.dumps(document), BROWSER, peer, is_tls=True)


def asked(workplace: Workplace, browser: str = BROWSER) -> Mapping[str, Any]:
    return there(SecurityKeys(workplace.directory).asked_of_anybody(browser))


async def journal(workplace: Workplace, person: Principal) -> set[tuple[str, str, int]]:
    await workplace.directory.auth.logins.flush()
    found = await workplace.store.read(lambda tx: logins.of(tx, person.id, 100))
    return {(each.service, each.mechanism, each.admitted) for each in found}


async def test_the_first_key_turns_the_second_factor_on_and_the_last_one_off(workplace: Workplace) -> None:
    ivanov, auth = workplace.ivanov, workplace.directory.auth
    factor, keys = SecondFactor(workplace.directory), SecurityKeys(workplace.directory)
    assert (await auth.login("imap", PEER, True, ivanov.address, PASSWORD)).id == ivanov.id
    codes = await register(workplace, new_key(), "one")
    assert len(codes) == workplace.directory.config.oauth.recovery_codes
    assert await factor.is_on(ivanov) and not await factor.has_app(ivanov)
    with pytest.raises(Denied):
        await auth.login("imap", PEER, True, ivanov.address, PASSWORD)
    assert await register(workplace, new_key(), "two") == []
    assert await factor.check(ivanov, codes[0], PEER) and not await factor.check(ivanov, codes[0], PEER)
    one, two = await keys.of(ivanov)
    assert (one.name, two.name) == ("one", "two")
    assert await keys.remove(ivanov, one.id) and not await keys.remove(ivanov, one.id)
    assert await factor.is_on(ivanov) and await factor.left(ivanov) == len(codes) - 1
    assert not await keys.remove(workplace.petrova, two.id)
    assert await keys.remove(ivanov, two.id)
    assert not await factor.is_on(ivanov) and await factor.left(ivanov) == 0
    assert (await auth.login("imap", PEER, True, ivanov.address, PASSWORD)).id == ivanov.id


async def test_keys_and_codes_beside_one_another(workplace: Workplace) -> None:
    ivanov, factor = workplace.ivanov, SecondFactor(workplace.directory)
    codes = await register(workplace, new_key())
    secret = await factor.begin(ivanov)
    assert await factor.left(ivanov) == len(codes)  # an app that is begun takes nothing away
    now = totp.step_at(int(time.time()))
    others = await factor.confirm(ivanov, totp.code_of(secret, now), PEER, b"")
    assert others is not None and not await factor.check(ivanov, codes[0], PEER)
    await factor.remove_app(ivanov)
    assert await factor.is_on(ivanov) and await factor.check(ivanov, others[0], PEER)
    await factor.remove(ivanov)
    assert not await factor.is_on(ivanov) and await SecurityKeys(workplace.directory).of(ivanov) == []


async def test_a_passkey_alone(workplace: Workplace) -> None:
    key = new_key(synced=True)
    await register(workplace, key)
    document = key.get(asked(workplace))
    assert (await sign_in(workplace, document)).id == workplace.ivanov.id
    [kept] = await SecurityKeys(workplace.directory).of(workplace.ivanov)
    assert kept.sign_count == 1 and clock.now() - kept.last_used < clock.MINUTE
    assert await journal(workplace, workplace.ivanov) == {("web", PASSKEY, 1)}
    with pytest.raises(Denied):  # a challenge is good once
        await sign_in(workplace, document)


async def test_an_answer_is_good_once_whoever_comes_at_the_same_time(workplace: Workplace) -> None:
    key = new_key(counts=False)
    await register(workplace, key)
    document = key.get(asked(workplace))
    answers = await asyncio.gather(*(sign_in(workplace, document) for _ in range(3)), return_exceptions=True)
    assert sorted(isinstance(each, Principal) for each in answers) == [False, False, True]


async def test_a_counter_that_goes_back_is_refused_and_told(workplace: Workplace) -> None:
    key = new_key()
    await register(workplace, key)
    await sign_in(workplace, key.get(asked(workplace)))
    key.count = 0  # a copy of it
    with pytest.raises(Denied):
        await sign_in(workplace, key.get(asked(workplace)))
    assert ("web", f"{PASSKEY}, counter", 0) in await journal(workplace, workplace.ivanov)
    keys = SecurityKeys(workplace.directory)
    key.count = 0
    document = json.dumps(key.get(there(await keys.asked(workplace.ivanov, BROWSER, STEP))))
    assert not await keys.check(workplace.ivanov, document, BROWSER, STEP, PEER)
    assert ("web", f"{KEY}, counter", 0) in await journal(workplace, workplace.ivanov)
    key.count = 1
    assert (await sign_in(workplace, key.get(asked(workplace)))).id == workplace.ivanov.id


async def test_a_challenge_is_for_one_browser_one_purpose_and_a_while(workplace: Workplace) -> None:
    key, ivanov = new_key(), workplace.ivanov
    await register(workplace, key)
    keys = SecurityKeys(workplace.directory)

    async def is_right(question: Question | None, browser: str, purpose: str) -> bool:
        document = json.dumps(key.get(there(question)))
        return await keys.check(ivanov, document, browser, purpose, PEER)

    assert await is_right(await keys.asked(ivanov, BROWSER, STEP), BROWSER, STEP)
    assert not await is_right(await keys.asked(ivanov, BROWSER, STEP), BROWSER, PROVE)
    assert not await is_right(await keys.asked(ivanov, "another", STEP), BROWSER, STEP)
    workplace.directory.auth.attempts.succeeded(f"code:{ivanov.id}", PEER)
    assert not await is_right(keys.asked_of_anybody(BROWSER), BROWSER, STEP)
    made_up = {**there(await keys.asked(ivanov, BROWSER, STEP)), "challenge": "AAAA"}
    assert not await keys.check(ivanov, json.dumps(key.get(made_up)), BROWSER, STEP, PEER)
    workplace.directory.auth.attempts.succeeded(f"code:{ivanov.id}", PEER)
    asked_long_ago = await keys.asked(ivanov, BROWSER, STEP)
    config = workplace.directory.config
    now = clock.now
    try:
        late = now() + int(config.webauthn.timeout * clock.SECOND)
        clock.now = lambda: late  # type: ignore[assignment]
        assert not await is_right(asked_long_ago, BROWSER, STEP)
    finally:
        clock.now = now  # type: ignore[assignment]


async def test_who_signs_in_alone_must_have_been_checked_by_the_key(workplace: Workplace) -> None:
    key = new_key(verifies=False)
    await register(workplace, key)
    with pytest.raises(Denied):
        await sign_in(workplace, key.get(asked(workplace)))
    keys = SecurityKeys(workplace.directory)
    document = json.dumps(key.get(there(await keys.asked(workplace.ivanov, BROWSER, STEP))))
    assert await keys.check(
        workplace.ivanov, document, BROWSER, STEP, PEER
    )  # beside the password it is enough
    key.flags = UP | UV | BE
    with pytest.raises(Denied):  # §7.2: it cannot become one of several devices afterwards
        await sign_in(workplace, key.get(asked(workplace)))


async def test_nobody_learns_who_has_keys(workplace: Workplace) -> None:
    """What is asked names nobody; every refusal has the same words."""
    key, foreign = new_key(), new_key()
    question = asked(workplace)
    assert question["allowCredentials"] == []
    await register(workplace, key)
    assert asked(workplace).keys() == question.keys() and asked(workplace)["allowCredentials"] == []
    options = {**there(await SecurityKeys(workplace.directory).creation(workplace.ivanov, BROWSER))}
    handle = options["user"]["id"]
    assert webauthn_format.decode(handle, 64)[-8:] != workplace.ivanov.id.to_bytes(8) and len(handle) == 22
    foreign.create({**options, "excludeCredentials": []})  # the person's handle, but a key that is not known
    stranger = new_key()
    stranger.create({**options, "excludeCredentials": [], "user": {**options["user"], "id": "A" * 22}})
    said = set()
    for document in (
        foreign.get(asked(workplace)),
        stranger.get(asked(workplace)),
        {},
        {"type": "public-key"},
    ):
        with pytest.raises(Denied) as refusal:
            await sign_in(workplace, document, STRANGER)
        said.add(refusal.value.text)
        workplace.directory.auth.attempts.succeeded(str(workplace.ivanov.id), STRANGER)
    assert len(said) == 1


async def test_one_key_opens_nothing_of_somebody_else(workplace: Workplace) -> None:
    key, other = new_key(), new_key()
    await register(workplace, key)
    await register(workplace, other, person=workplace.petrova)
    keys = SecurityKeys(workplace.directory)
    document = json.dumps(other.get(there(await keys.asked(workplace.petrova, BROWSER, STEP))))
    assert not await keys.check(workplace.ivanov, document, BROWSER, STEP, PEER)
    # A user handle is no claim: the key must be one of that person's.
    key.credentials[0].user, other.credentials[0].user = other.credentials[0].user, key.credentials[0].user
    for each in (key, other):
        with pytest.raises(Denied):
            await sign_in(workplace, each.get(asked(workplace)))


async def test_guesses_are_throttled(workplace: Workplace) -> None:
    key = new_key()
    await register(workplace, key)
    with pytest.raises(Throttled):
        for _ in range(10):
            document = key.get(asked(workplace))
            document["response"]["signature"] = "AAAA"
            with pytest.raises(Denied):
                await sign_in(workplace, document, STRANGER)
    keys = SecurityKeys(workplace.directory)
    with pytest.raises(Throttled):
        for _ in range(10):
            assert not await keys.check(workplace.ivanov, "{}", BROWSER, STEP, STRANGER)


async def test_registering(workplace: Workplace) -> None:
    ivanov, keys, key = workplace.ivanov, SecurityKeys(workplace.directory), new_key()
    await register(workplace, key)
    options = there(await keys.creation(ivanov, BROWSER))
    assert len(options["excludeCredentials"]) == 1
    with pytest.raises(AlreadyExists):
        await register(workplace, new_key(), "token")
    for name in ("", "x" * 101, "a\nb"):
        with pytest.raises(Invalid):
            await register(workplace, new_key(), name)
    made = json.dumps(new_key().create(options))
    with pytest.raises(Invalid):  # for another browser
        await keys.add(ivanov, "second", made, "another", b"")
    await keys.add(ivanov, "second", made, BROWSER, b"")
    with pytest.raises(Invalid):  # twice
        await keys.add(ivanov, "third", made, BROWSER, b"")
    changed = parse({"webauthn": {"keys": 3}}, workplace.directory.config.directory)
    adopt(workplace.directory.config, changed)
    waiting = there(await keys.creation(ivanov, BROWSER))
    await register(workplace, new_key(), "third")
    assert await keys.creation(ivanov, BROWSER) is None
    with pytest.raises(Conflict):
        await keys.add(ivanov, "fourth", json.dumps(new_key().create(waiting)), BROWSER, b"")
    assert ADD not in (STEP, PROVE)


async def test_settings(workplace: Workplace) -> None:
    key, config = new_key(), workplace.directory.config
    await register(workplace, key)
    document = key.get(asked(workplace))
    adopt(config, parse({"webauthn": {"passwordless": False}}, config.directory))
    assert SecurityKeys(workplace.directory).asked_of_anybody(BROWSER) is None
    with pytest.raises(Denied):
        await sign_in(workplace, document)
    adopt(config, parse({}, config.directory))
    assert (await sign_in(workplace, document)).id == workplace.ivanov.id
    with pytest.raises(Denied):
        await SecurityKeys(workplace.directory).sign_in(
            json.dumps(key.get(asked(workplace))), BROWSER, PEER, is_tls=False
        )


async def test_who_is_shut_out_or_gone(workplace: Workplace) -> None:
    key = new_key()
    await register(workplace, key)
    await workplace.directory.disable(workplace.ivanov.id)
    with pytest.raises(Denied):
        await sign_in(workplace, key.get(asked(workplace)))
    await workplace.directory.delete(workplace.ivanov.id)
    with pytest.raises(Denied):
        await sign_in(workplace, key.get(asked(workplace)))

    async def left(tx: Tx) -> list[Any]:
        tables = ("webauthn_credential", "webauthn_spent", "second_factor")
        return [await tx.value(f"SELECT COUNT(*) FROM {table}") for table in tables]

    assert await workplace.store.read(left) == [0, 0, 0]
    assert await workplace.store.write(lambda tx: webauthn.expire(tx, clock.now())) == 0
