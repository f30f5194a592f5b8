# SPDX-License-Identifier: Apache-2.0
"""ID tokens and the set of keys while one key takes the place of another, as a service sees them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from armgs_server.administration import Office
from armgs_server.portal.oauth_keys import Keys
from armgs_server.storage import clock
from tests.portal.client import get
from tests.world import World


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def is_signed(token: str, jwks: dict[str, Any]) -> bool:
    """By a key of the set, which the header names (RFC 7515 §5.2)."""
    head, claims, signature = token.split(".")
    named = json.loads(decode(head))["kid"]
    keys = [each for each in jwks["keys"] if each["kid"] == named]
    if not keys:
        return False
    [key] = keys
    x, y = (int.from_bytes(decode(key[name])) for name in ("x", "y"))
    pair = decode(signature)
    der = encode_dss_signature(int.from_bytes(pair[:32]), int.from_bytes(pair[32:]))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    try:
        public.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


async def published(world: World) -> dict[str, Any]:
    answer = await get(world, "/oauth/jwks")
    assert answer.status == 200 and "private" not in answer.text and '"d"' not in answer.text
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_a_service_sees_the_new_key_before_it_signs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = Keys(world.store), Keys(world.store)  # two workers
    first = await here.sign({"sub": "1"})
    before = await published(world)
    assert len(before["keys"]) == 1 and is_signed(first, before)
    office = Office.general(world.directory, "tester")
    made = await office.run("oauth-keys.rotate", {})
    both = await published(world)
    assert [each["kid"] for each in both["keys"]][1:] == [made["id"]]
    for keys in (here, elsewhere):  # a service that still has the set of before can check it
        assert is_signed(await keys.sign({"sub": "1"}), before)

    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 2 * clock.HOUR)
    for keys in (here, elsewhere):
        later = await keys.sign({"sub": "1"})
        assert not is_signed(later, before) and is_signed(later, both)
    monkeypatch.setattr(clock, "now", lambda: now + clock.DAY)
    assert [each["kid"] for each in (await published(world))["keys"]] == [made["id"]]


async def test_a_key_that_others_know_is_void_at_once(world: World) -> None:
    keys = Keys(world.store)
    before = await keys.sign({"sub": "1"})
    assert is_signed(before, await published(world))
    await Office.general(world.directory, "tester").run("oauth-keys.rotate", {"at_once": True})
    after = await published(world)
    assert len(after["keys"]) == 1 and not is_signed(before, after)
    assert is_signed(await keys.sign({"sub": "1"}), after)
