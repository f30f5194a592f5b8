# SPDX-License-Identifier: Apache-2.0
"""Devices and their tokens, on each engine (XEP-0484); the rest over a socket in tests/xmpp."""

from __future__ import annotations

import hmac
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from armgs_server.directory.tokens import Accepted, Agent, Claim, Given, Refused
from armgs_server.directory.tokens import Tokens as DirectoryTokens
from tests.directory.conftest import Workplace

PHONE = Agent("d4565fa7-4d72-4749-b3d3-740edbf87770", "Program", "Phone")
NONE = "HT-SHA-256-NONE"


def claim(token: Given, **changes: object) -> Claim:
    proof = hmac.digest(token.token.encode(), b"Initiator", "sha256")
    made = Claim(
        service="xmpp",
        peer="192.0.2.1",
        is_tls=True,
        channel_binding=lambda kind: None,
        domain="digital.example",
        mechanism=NONE,
        message=b"ivanov\0" + proof,
        agent=PHONE,
        count=None,
        is_last=False,
        wants="",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def given_to(workplace: Workplace, agent: Agent = PHONE) -> Given:
    made = await workplace.directory.auth.tokens.note(workplace.ivanov, agent, "", NONE)
    assert made is not None
    return made


async def test_life_of_a_token(workplace: Workplace) -> None:
    tokens = workplace.directory.auth.tokens
    token = await given_to(workplace)
    accepted = await tokens.authenticate(claim(token, count=1))
    assert isinstance(accepted, Accepted)
    assert accepted.principal == workplace.ivanov and accepted.given is None
    assert isinstance(await tokens.authenticate(claim(token, count=1)), Refused)
    assert isinstance(await tokens.authenticate(claim(token, count=2)), Accepted)
    devices, with_token = await tokens.devices(workplace.ivanov.id)
    assert [(each.software, each.name, each.app) for each in devices] == [("Program", "Phone", "")]
    assert with_token == {devices[0].id}
    assert await tokens.revoke(workplace.ivanov.id, devices[0].id)
    assert not await tokens.revoke(workplace.ivanov.id, devices[0].id)
    assert isinstance(await tokens.authenticate(claim(token, count=3)), Refused)
    assert await tokens.devices(workplace.ivanov.id) == ([], set())


async def test_a_new_token_voids_the_one_before_when_it_is_used(workplace: Workplace) -> None:
    tokens = workplace.directory.auth.tokens
    first = await given_to(workplace)
    assert isinstance(await tokens.authenticate(claim(first)), Accepted)
    second = await given_to(workplace)
    assert isinstance(await tokens.authenticate(claim(first)), Accepted)
    assert isinstance(await tokens.authenticate(claim(second)), Accepted)
    assert isinstance(await tokens.authenticate(claim(first)), Refused)


async def test_what_goes_with_the_person(workplace: Workplace) -> None:
    await given_to(workplace)
    person = workplace.ivanov.id
    await workplace.directory.delete(person)
    left = "SELECT (SELECT COUNT(*) FROM device) + (SELECT COUNT(*) FROM token)"
    assert await workplace.store.read(lambda tx: tx.value(left)) == 0


async def test_a_program_that_has_no_id_is_no_device(workplace: Workplace) -> None:
    tokens = workplace.directory.auth.tokens
    for agent in (None, Agent("", "x", "y"), Agent("d4565fa7-4d72-1749-b3d3-740edbf87770", "", "")):
        assert await tokens.note(workplace.ivanov, agent, "", NONE) is None
    assert await tokens.devices(workplace.ivanov.id) == ([], set())


async def test_what_a_program_says_is_kept_short_and_clean(workplace: Workplace) -> None:
    await given_to(workplace, Agent(PHONE.id.upper(), "a\x00b\n" + "c" * 500, "Телефон"))
    (device,), _ = await workplace.directory.auth.tokens.devices(workplace.ivanov.id)
    assert device.software == "ab" + "c" * 98 and device.name == "Телефон"


def test_mechanisms_follow_the_channel() -> None:
    offered = DirectoryTokens.mechanisms
    tokens = object.__new__(DirectoryTokens)
    assert offered(tokens, ()) == (NONE,)
    assert offered(tokens, ("tls-exporter", "tls-server-end-point")) == (
        "HT-SHA-256-EXPR",
        "HT-SHA-256-ENDP",
        NONE,
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(message=st.binary(max_size=80))
async def test_no_message_that_is_made_up_gets_in(workplace: Workplace, message: bytes) -> None:
    token = await given_to(workplace)
    auth = workplace.directory.auth
    auth.attempts.succeeded(str(workplace.ivanov.id), "192.0.2.1")
    claimed = claim(token, message=b"ivanov\0" + message, peer=f"192.0.2.{len(message)}")
    assert isinstance(await auth.tokens.authenticate(claimed), Refused)
