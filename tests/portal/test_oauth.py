# SPDX-License-Identifier: Apache-2.0
"""The authorization server as programs meet it: Authlib from discovery to revocation, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any
from urllib.parse import urlencode

from authlib.integrations.requests_client import OAuth2Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet

from armgs_server.storage import clock
from armgs_server.storage import oauth as rows
from armgs_server.storage.tx import Tx
from tests.portal import oauth_client as program
from tests.portal.browser import Browser
from tests.portal.client import Answer, get
from tests.portal.oauth_client import CALLED_BACK, PLACE, VERIFIER, post, question, redeem, refresh
from tests.world import IVANOV, PASSWORD, PETROVA, World

UNREGISTRABLE = (
    (b" ", "400 invalid_client_metadata"),
    (b"[]", "400 invalid_client_metadata"),
    (b"[" * 4000, "400 invalid_client_metadata"),
    (
        b'{"redirect_uris": ["http://127.0.0.1/"], "x": "%b"}' % (b"x" * 4096),
        "400 invalid_client_metadata",
    ),
    (b"{}", "400 invalid_redirect_uri"),
    (b'{"redirect_uris": "http://127.0.0.1/"}', "400 invalid_redirect_uri"),
    (b'{"redirect_uris": [7]}', "400 invalid_redirect_uri"),
    (b'{"client_name": "\\ud800", "redirect_uris": ["http://127.0.0.1/"]}', "400 invalid_redirect_uri"),
    (b'{"redirect_uris": ["https://elsewhere.example/"]}', "400 invalid_redirect_uri"),
    (b'{"redirect_uris": ["javascript:alert(1)"]}', "400 invalid_redirect_uri"),
    (b'{"redirect_uris": ["http://127.0.0.1/#x"]}', "400 invalid_redirect_uri"),
    (b'{"redirect_uris": ["http://x@127.0.0.1/"]}', "400 invalid_redirect_uri"),
    (b'{"redirect_uris": ["http://127.0.0.1:99999/"]}', "400 invalid_redirect_uri"),
)


def error(answer: Answer) -> str:
    assert answer.headers["content-type"] == "application/json"
    return f"{answer.status} {json.loads(answer.body)['error']}"


async def expire(world: World, kind: str) -> None:
    """Moves the end of all tokens of a kind into the past."""

    async def work(tx: Tx) -> None:
        await tx.execute("UPDATE oauth_token SET expires = ? WHERE kind = ?", clock.now() - 1, kind)

    await world.store.write(work)


async def test_authlib_from_discovery_to_revocation(world: World) -> None:
    metadata = json.loads((await get(world, "/.well-known/openid-configuration")).body)
    assert metadata["issuer"] == world.url("", secure=True)
    assert metadata == json.loads((await get(world, "/.well-known/oauth-authorization-server")).body)

    def request(method: str, url: str, **arguments: Any) -> Any:
        with OAuth2Session() as session:
            answer = session.request(
                method, url, withhold_token=True, verify=str(world.ca), timeout=20, **arguments
            )
            answer.raise_for_status()
            return answer.json()

    registered = await asyncio.to_thread(
        request,
        "POST",
        metadata["registration_endpoint"],
        json={"client_name": "Authlib", "redirect_uris": [PLACE], "token_endpoint_auth_method": "none"},
    )
    session = OAuth2Session(
        registered["client_id"],
        redirect_uri=CALLED_BACK,
        scope="openid profile email mail offline_access",
        code_challenge_method="S256",
        token_endpoint_auth_method="none",
    )
    session.trust_env, session.verify = False, str(world.ca)
    url, _ = session.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=VERIFIER, nonce="a nonce"
    )
    browser = Browser(world)
    await browser.get(url.removeprefix(world.url("", secure=True)))
    await browser.submit("/signin", address=IVANOV, password=PASSWORD)
    assert "Authlib" in browser.text and "read and send your mail" in browser.text
    answer = await browser.submit("/oauth/authorize", {"answer": "allow"})
    fetched = await asyncio.to_thread(
        session.fetch_token,
        metadata["token_endpoint"],
        authorization_response=answer.headers["location"],
        code_verifier=VERIFIER,
    )
    keys = KeySet.import_key_set(await asyncio.to_thread(request, "GET", metadata["jwks_uri"]))
    claims = jwt.decode(fetched["id_token"], keys, algorithms=["ES256"]).claims
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": metadata["issuer"]},
        aud={"essential": True, "value": registered["client_id"]},
        nonce={"essential": True, "value": "a nonce"},
        exp={"essential": True},
    ).validate(claims)
    assert (claims["email"], claims["name"]) == (IVANOV, "Иванов Иван")
    userinfo = await asyncio.to_thread(session.get, metadata["userinfo_endpoint"])
    assert userinfo.json()["sub"] == claims["sub"]
    assert (await program.imap(world, fetched["access_token"])).startswith("a OK")

    renewed = await asyncio.to_thread(session.refresh_token, metadata["token_endpoint"])
    assert renewed["refresh_token"] != fetched["refresh_token"]
    await asyncio.to_thread(
        session.revoke_token, metadata["revocation_endpoint"], renewed["refresh_token"], "refresh_token"
    )
    assert (await program.imap(world, renewed["access_token"])).startswith("a NO")
    await asyncio.to_thread(session.close)


async def test_a_code_is_good_once_and_a_second_use_voids_everything(world: World) -> None:
    client = await program.register(world)
    code = await program.permitted(world, client)
    assert error(await redeem(world, client, code, code_verifier="x" * 43)) == "400 invalid_grant"
    assert error(await redeem(world, client, code, redirect_uri=PLACE)) == "400 invalid_grant"
    other = await program.register(world, "Another")
    assert error(await redeem(world, other, code)) == "400 invalid_grant"
    good = await redeem(world, client, code)
    assert (good.status, good.headers["cache-control"]) == (200, "no-store")
    access = json.loads(good.body)["access_token"]
    assert (await program.imap(world, access)).startswith("a OK")
    assert error(await redeem(world, client, code)) == "400 invalid_grant"
    assert (await program.imap(world, access)).startswith("a NO")  # RFC 6749 §4.1.2


async def test_codes_and_tokens_end(world: World) -> None:
    client = await program.register(world)
    code = await program.permitted(world, client)
    await expire(world, "code")
    assert error(await redeem(world, client, code)) == "400 invalid_grant"
    given = await program.tokens(world, client)
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 3600)
    assert "id_token" not in given  # openid was not asked for
    await expire(world, "access")
    assert (await program.imap(world, given["access_token"])).startswith("a NO")
    renewed = json.loads((await refresh(world, client, given["refresh_token"])).body)
    assert (await program.imap(world, renewed["access_token"])).startswith("a OK")
    await expire(world, "refresh")
    assert error(await refresh(world, client, renewed["refresh_token"])) == "400 invalid_grant"


async def test_refresh_tokens_rotate_and_a_stolen_one_voids_all(world: World) -> None:
    client = await program.register(world)
    first = await program.tokens(world, client)
    second = json.loads((await refresh(world, client, first["refresh_token"])).body)
    # The answer may have been lost: for a minute the old one gives another.
    again = await refresh(world, client, first["refresh_token"])
    assert again.status == 200
    other = await program.register(world, "Another")
    assert error(await refresh(world, other, second["refresh_token"])) == "400 invalid_grant"
    assert error(await refresh(world, client, second["refresh_token"], scope="mail files")) == (
        "400 invalid_scope"
    )

    async def age(tx: Tx) -> None:
        await tx.execute("UPDATE oauth_token SET spent = spent - ? WHERE spent > 0", clock.HOUR)

    await world.store.write(age)
    assert error(await refresh(world, client, first["refresh_token"])) == "400 invalid_grant"
    assert error(await refresh(world, client, second["refresh_token"])) == "400 invalid_grant"
    assert (await program.imap(world, second["access_token"])).startswith("a NO")


async def test_a_disabled_persons_tokens_die_at_once(world: World) -> None:
    client = await program.register(world)
    given = await program.tokens(world, client)
    reader, writer = await world.connect("imaps", secure=True)
    await reader.readline()
    writer.write(f"a AUTHENTICATE OAUTHBEARER {program.bearer(given['access_token'])}\r\n".encode())
    assert (await reader.readline()).startswith(b"a OK")
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    await world.directory.disable(person.id)
    async with asyncio.timeout(20):
        while await reader.readline():  # BYE, then the end
            pass
    writer.close()
    assert error(await refresh(world, client, given["refresh_token"])) == "400 invalid_grant"
    await world.directory.enable(person.id)
    assert (await program.imap(world, given["access_token"])).startswith("a NO")
    assert await world.directory.auth.oauth.grants(person.id) == []


async def test_services_with_a_secret_ask_about_tokens(world: World) -> None:
    clients = world.directory.auth.oauth.clients
    there = "https://portal.example/callback"
    _, secret = await clients.enter("portal", "Portal", [there], is_confidential=True)
    asked = {"scope": "openid email", "redirect_uri": there}
    code = await program.permitted(world, "portal", None, **asked)
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": there}
    fields["code_verifier"] = VERIFIER
    without = await post(world, "/oauth/token", {**fields, "client_id": "portal"})
    assert error(without) == "401 invalid_client"
    wrong = await post(world, "/oauth/token", fields, basic=("portal", "wrong"))
    assert error(wrong) == "401 invalid_client"
    assert wrong.headers["www-authenticate"].startswith("Basic ")
    both = await post(world, "/oauth/token", {**fields, "client_secret": secret}, basic=("portal", secret))
    assert error(both) == "400 invalid_request"
    given = json.loads((await post(world, "/oauth/token", fields, basic=("portal", secret))).body)
    assert "refresh_token" not in given  # who only signs somebody in needs none
    # It names who has signed in, and opens no mail.
    assert (await program.imap(world, given["access_token"])).startswith("a NO")
    told = {"token": given["access_token"], "client_id": "portal", "client_secret": secret}
    found = json.loads((await post(world, "/oauth/introspect", told)).body)
    assert found["active"] is True
    assert (found["username"], found["scope"]) == (IVANOV, "openid email")
    unknown = await post(world, "/oauth/introspect", {**told, "token": "1.unknown"})
    assert json.loads(unknown.body) == {"active": False}
    public = await program.register(world)
    refused = await post(world, "/oauth/introspect", {"token": given["access_token"], "client_id": public})
    assert error(refused) == "401 invalid_client"
    # RFC 7009 §2.1: it must be one's own.
    taken = await post(world, "/oauth/revoke", {"token": given["access_token"], "client_id": public})
    assert error(taken) == "400 invalid_grant"
    await world.store.write(lambda tx: rows.remove_client(tx, "portal"))
    assert error(await post(world, "/oauth/introspect", told)) == "401 invalid_client"


async def test_what_cannot_be_registered(world: World) -> None:
    for metadata, refusal in UNREGISTRABLE:
        answer = await get(world, "/oauth/register", method="POST", body=metadata)
        assert error(answer) == refusal, metadata


async def test_what_the_token_endpoint_does_not_take(world: World) -> None:
    client = await program.register(world)
    ask = {"client_id": client}
    assert error(await post(world, "/oauth/token", ask)) == "400 invalid_request"
    assert error(await post(world, "/oauth/token", {**ask, "grant_type": "password"})) == (
        "400 unsupported_grant_type"
    )
    assert error(await post(world, "/oauth/token", {**ask, "grant_type": "authorization_code"})) == (
        "400 invalid_request"
    )
    assert error(await post(world, "/oauth/token", {"client_id": "r.e30.AAAA"})) == "401 invalid_client"
    assert error(await post(world, "/oauth/token", {"client_id": client[:-1] + "!"})) == "401 invalid_client"
    twice = urlencode([("client_id", client), ("client_id", client)]).encode()
    assert error(await get(world, "/oauth/token", method="POST", body=twice)) == "400 invalid_request"
    assert (await get(world, "/oauth/token")).status == 405
    assert (await get(world, "/oauth/token/x", method="POST", body=b"x")).status == 404
    for token in ("", "1", "1.", "zz.x", "f" * 16 + ".x", "ы.x", "1." + "x" * 300):
        assert (await refresh(world, client, token or "-")).status == 400
        assert (await post(world, "/oauth/revoke", {**ask, "token": token or "-"})).status == 200


async def test_userinfo_takes_a_token_for_it(world: World) -> None:
    client = await program.register(world)
    assert (await get(world, "/oauth/userinfo")).status == 401
    mail = await program.tokens(world, client)
    field = {"Authorization": f"Bearer {mail['access_token']}"}
    refused = await get(world, "/oauth/userinfo", field)
    assert (refused.status, "insufficient_scope" in refused.headers["www-authenticate"]) == (403, True)
    refused = await get(world, "/oauth/userinfo", {"Authorization": f"Bearer {mail['refresh_token']}"})
    assert refused.status == 401


async def test_bearer_tokens_of_others_act_for_nobody_else(world: World) -> None:
    client = await program.register(world)
    given = await program.tokens(world, client)
    assert (await program.imap(world, given["access_token"], PETROVA)).startswith(
        "a NO [AUTHORIZATIONFAILED]"
    )
    assert (await program.imap(world, given["access_token"], "")).startswith("a OK")


async def test_programs_over_the_limit_make_room(world: World) -> None:
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    client = await program.register(world)
    browser = Browser(world)
    await browser.sign_in(IVANOV)
    first = json.loads((await redeem(world, client, await program.permitted(world, client, browser))).body)
    limit = world.directory.config.oauth.grants
    for _ in range(limit):
        await program.permitted(world, client, browser)
    found = await world.store.read(
        lambda tx: tx.value("SELECT COUNT(*) FROM oauth_grant WHERE principal = ?", person.id)
    )
    assert found == limit
    # Codes nobody has redeemed go before what is used.
    assert (await program.imap(world, first["access_token"])).startswith("a OK")
    assert (await browser.get(question(client))).status == 200


def test_tokens_have_the_form_of_a_b64token() -> None:
    text = rows.new_text(4711)
    assert rows.principal_of(text) == 4711
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")
    assert len(base64.urlsafe_b64decode(text.partition(".")[2] + "=")) == 32


_TEXTS = st.text(max_size=30) | st.sampled_from(
    ("code", "authorization_code", "refresh_token", "1.x", "thunderbird")
)
_NAMES = st.sampled_from(
    (
        "client_id",
        "grant_type",
        "code",
        "redirect_uri",
        "code_verifier",
        "refresh_token",
        "scope",
        "token",
        "x",
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(
    st.sampled_from(("token", "revoke", "introspect", "register", "authorize", "userinfo")),
    st.dictionaries(_NAMES, _TEXTS, max_size=8),
    st.binary(max_size=40),
)
async def test_whatever_is_asked_has_an_answer(
    world: World, endpoint: str, fields: dict[str, str], noise: bytes
) -> None:
    text = urlencode(fields)
    asked = await get(world, f"/oauth/{endpoint}?{text}", secure=False)
    assert asked.status < 500
    for body in (text.encode() or b"x", noise or b"x", text.encode() + noise or b"x"):
        answer = await get(world, f"/oauth/{endpoint}", method="POST", body=body, secure=False)
        assert answer.status < 500, (endpoint, body)
