# SPDX-License-Identifier: Apache-2.0
"""A program that asks to be let in: its registration, the question to the person, and its tokens."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.portal.browser import Browser
from tests.portal.client import Answer, get
from tests.world import IVANOV, PASSWORD, World

PLACE = "http://127.0.0.1/done"  # the port is the program's to choose (RFC 8252 §7.3)
CALLED_BACK = "http://127.0.0.1:49152/done"
VERIFIER = "a-verifier-of-at-least-forty-three-characters"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


async def post(
    world: World, path: str, fields: Mapping[str, str], *, basic: tuple[str, str] | None = None
) -> Answer:
    """A form as programs send it."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if basic is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
    return await get(world, path, headers, method="POST", body=urlencode(fields).encode())


async def register(world: World, name: str = "Test program", *redirects: str) -> str:
    """RFC 7591: the client identifier."""
    body = json.dumps({"client_name": name, "redirect_uris": list(redirects) or [PLACE]}).encode()
    answer = await get(
        world, "/oauth/register", {"Content-Type": "application/json"}, method="POST", body=body
    )
    assert answer.status == 201, answer.text
    return str(json.loads(answer.body)["client_id"])


def question(client_id: str, **changes: str) -> str:
    """The address of the authorization endpoint; a change to "" leaves a parameter out."""
    parameters = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLED_BACK,
        "scope": "mail offline_access",
        "state": "a state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return "/oauth/authorize?" + urlencode({name: value for name, value in parameters.items() if value})


def told(answer: Answer) -> dict[str, str]:
    """What the redirection says to the program."""
    assert answer.status == 303, (answer.status, answer.text)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def permitted(world: World, client_id: str, browser: Browser | None = None, **changes: str) -> str:
    """A code: the person signs in and agrees."""
    if browser is None:
        browser = Browser(world)
        await browser.sign_in(IVANOV, PASSWORD, question(client_id, **changes))
    else:
        await browser.get(question(client_id, **changes))
    answer = await browser.submit("/oauth/authorize", {"answer": "allow"})
    assert answer.headers["location"].startswith(changes.get("redirect_uri", CALLED_BACK))
    return told(answer)["code"]


async def redeem(world: World, client_id: str, code: str, **changes: str) -> Answer:
    fields = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "redirect_uri": CALLED_BACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    return await post(world, "/oauth/token", fields)


async def refresh(world: World, client_id: str, token: str, **changes: str) -> Answer:
    fields = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token, **changes}
    return await post(world, "/oauth/token", fields)


async def tokens(world: World, client_id: str, **changes: str) -> dict[str, Any]:
    """All of it at once."""
    answer = await redeem(world, client_id, await permitted(world, client_id, None, **changes))
    assert answer.status == 200, answer.text
    found: dict[str, Any] = json.loads(answer.body)
    return found


def bearer(token: str, authzid: str = IVANOV) -> str:
    """The one message of OAUTHBEARER, in base64."""
    name = f"a={authzid}" if authzid else ""
    return base64.b64encode(f"n,{name},\1host=localhost\1auth=Bearer {token}\1\1".encode()).decode()


async def imap(world: World, token: str, authzid: str = IVANOV) -> str:
    """The tagged answer to a log-in by the token."""
    reader, writer = await world.connect("imaps", secure=True)
    await reader.readline()
    writer.write(f"a AUTHENTICATE OAUTHBEARER {bearer(token, authzid)}\r\n".encode())
    async with asyncio.timeout(20):
        line = await reader.readline()
        if line.startswith(b"+"):
            writer.write(b"AQ==\r\n")
            line = await reader.readline()
    writer.close()
    return line.decode()
