# SPDX-License-Identifier: Apache-2.0
"""Signing in by an identity provider: another server of ours as the provider, and one that lies."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from armgs_server import config as configuration
from armgs_server.directory import totp
from armgs_server.directory.second_factor import SecondFactor
from armgs_server.errors import Invalid
from armgs_server.net.certificates import make_certificates
from armgs_server.storage import logins
from tests.portal.browser import Browser
from tests.portal.client import Answer
from tests.world import HOST, IVANOV, PASSWORD, PETROVA, SIDOROV, World

BEGIN: Final = "/signin/provider"
FAILED: Final = "Signing in by the outside service has failed."
KEY: Final = RSAKey.generate_key(2048, {"kid": "first", "alg": "RS256"})


# A provider that says what a test tells it to.


@dataclass
class Liar:
    """Everything a provider says; `claims` are changed by a test, None takes one away."""

    port: int = 0
    keys: list[Any] = field(default_factory=lambda: [KEY.as_dict(private=False)])
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "first"})
    signer: Any = field(default_factory=lambda: KEY)
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    token: str | None = None
    status: str = "200 OK"
    nonce: str = ""
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"https://localhost:{self.port}/office"

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            **self.metadata,
        }

    def id_token(self) -> str:
        if self.token is not None:
            return self.token
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "armgs",
            "sub": "17",
            "exp": now + 300,
            "iat": now,
            "nonce": self.nonce,
            "email": IVANOV,
            "email_verified": True,
            **self.claims,
        }
        payload = json.dumps({name: value for name, value in claims.items() if value is not None})
        return jws.serialize_compact(
            self.header, payload.encode(), self.signer, algorithms=[str(self.header["alg"])]
        )

    def answer(self, path: str) -> Mapping[str, Any]:
        if path.endswith("/.well-known/openid-configuration"):
            return self.document()
        return {"keys": self.keys} if path.endswith("/keys") else {"id_token": self.id_token()}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")), 0
            )
            path = head.split(b" ")[1].decode()
            self.asked.append((path, head + await reader.readexactly(length)))
            body = json.dumps(self.answer(path)).encode()
            status = self.status if path.endswith("/token") else "200 OK"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the other side has left
        finally:
            writer.close()


@asynccontextmanager
async def lying(path: Path, **settings: Any) -> AsyncIterator[tuple[World, Liar]]:
    """A world whose provider is the liar, under certificates of its own."""
    liar, tls = Liar(), path / "provider"
    make_certificates(tls, "localhost", ())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls / "server.crt", tls / "server.key")
    server = await asyncio.start_server(liar.serve, HOST, 0, ssl=context)
    liar.port = server.sockets[0].getsockname()[1]
    (path / "secret").write_text("s3cret/+\n")
    provider = {
        "issuer": liar.issuer,
        "name": "Office",
        "client_id": "armgs",
        "client_secret": str(path / "secret"),
        "ca": str(tls / "ca.crt"),
        **settings,
    }
    security = {f"login_failures{each}": 1000 for each in ("", "_address", "_network")}
    try:
        async with World(path, settings={"sign_in_provider": provider, "security": security}) as world:
            yield world, liar
    finally:
        server.close()
        await server.wait_closed()


def change(world: World, **settings: Any) -> None:
    """Other values in the running server, as a reload brings them."""
    live = world.daemon.core.config
    section = dataclasses.replace(live.sign_in_provider, **settings)
    configuration.adopt(live, dataclasses.replace(live, sign_in_provider=section))


async def asked(browser: Browser, liar: Liar, target: str = "") -> dict[str, str]:
    """What the person's browser brings to the provider."""
    answer = await browser.get(f"{BEGIN}?{urlencode({'next': target})}" if target else BEGIN)
    assert answer.status == 303, answer.text
    question = answer.headers["location"]
    assert question.startswith(f"{liar.issuer}/authorize?tenant=1&")
    found = {name: values[0] for name, values in parse_qs(urlsplit(question).query).items()}
    liar.nonce = found["nonce"]
    return found


async def back(browser: Browser, question: Mapping[str, str], **answer: str) -> Answer:
    """The way back; a change to "" leaves a parameter out."""
    told = {"code": "a code", "state": question["state"], **answer}
    query = urlencode({name: value for name, value in told.items() if value})
    return await browser.get(f"{urlsplit(question['redirect_uri']).path}?{query}")


async def attempt(world: World, liar: Liar, **answer: str) -> tuple[int, str]:
    """The status, and where a new browser has come to."""
    browser = Browser(world)
    page = await back(browser, await asked(browser, liar), **answer)
    if page.status != 200:
        assert FAILED in page.text
        assert (await Browser(world).get("/me")).status == 200  # the form: nobody is signed in
    return page.status, browser.path


async def test_the_way_there_and_back(tmp_path: Path) -> None:
    async with lying(tmp_path) as (world, liar):
        browser = Browser(world)
        page = await browser.get("/signin?next=/me/programs")
        assert (
            '<a class="button" href="/signin/provider?next=/me/programs">Sign in by Office</a>' in page.text
        )
        assert "Войти через Office" in (await Browser(world, "ru").get("/signin")).text
        question = await asked(browser, liar, "/me/programs")
        assert question["scope"] == "openid email" and question["response_type"] == "code"
        assert question["redirect_uri"] == world.url("/signin/provider/back", secure=True)
        answer = await back(browser, question)
        assert (answer.status, browser.path) == (200, "/me/programs")
        form = parse_qs(liar.asked[1][1].partition(b"\r\n\r\n")[2].decode())
        assert form["code"] == ["a code"] and form["grant_type"] == ["authorization_code"]
        # RFC 7636 §4.6: the verifier is what the challenge was made of.
        hashed = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        assert base64.urlsafe_b64encode(hashed).decode().rstrip("=") == question["code_challenge"]
        # RFC 6749 §2.3.1: the secret in the header, each half in the encoding of forms.
        secret = base64.b64encode(b"armgs:s3cret%2F%2B")
        assert b"Authorization: Basic " + secret in liar.asked[1][1]
        # Metadata and keys are asked for once.
        assert await attempt(world, liar) == (200, "/me")
        assert [path.rpartition("/")[2] for path, _ in liar.asked] == [
            "openid-configuration",
            "token",
            "keys",
            "token",
        ]
        # The question is used up with its cookie.
        assert (await back(browser, question)).status == 403


async def test_where_the_secret_goes(tmp_path: Path) -> None:
    async with lying(tmp_path) as (world, liar):
        liar.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        assert await attempt(world, liar) == (200, "/me")
        assert b"client_id=armgs&client_secret=s3cret%2F%2B" in liar.asked[1][1]
        change(world, client_secret="")
        assert await attempt(world, liar) == (200, "/me")
        assert b"client_secret" not in liar.asked[-1][1] and b"client_id=armgs" in liar.asked[-1][1]
        change(world, client_secret="missing")
        assert await attempt(world, liar) == (403, "/signin/provider/back")


async def test_the_answer_is_for_one_browser_and_one_question(tmp_path: Path) -> None:
    async with lying(tmp_path) as (world, liar):
        mine, stranger = Browser(world), Browser(world)
        question = await asked(mine, liar)
        await asked(stranger, liar)
        assert (await back(stranger, question)).status == 403  # another browser's
        assert (await back(Browser(world), question)).status == 403  # one that has never asked
        liar.nonce = question["nonce"]
        began, place, mac = question["state"].split(".")
        elsewhere = base64.urlsafe_b64encode(b"/admin").decode().rstrip("=")
        for state in (
            "",
            "..",
            f"{began}.{elsewhere}.{mac}",
            f"{int(began, 16) + 1:x}.{place}.{mac}",
            f"{began}.{place}.",
            f"{began}.{place}.é",
            f"{began}.*.{mac}",
            "f" * 5000,
        ):
            browser = Browser(world)
            browser.cookies = dict(mine.cookies)
            assert (await back(browser, question, state=state)).status == 403, state
        browser = Browser(world)
        browser.cookies = dict(mine.cookies)
        path = f"/signin/provider/back?code=1&code=2&state={question['state']}"
        assert (await browser.get(path)).status == 403
        asked_before = len(liar.asked)
        assert asked_before == 1  # nothing of it has reached the provider
        change(world, answer_lifetime=-1.0)
        browser.cookies = dict(mine.cookies)
        assert (await back(browser, question)).status == 403  # too late
        change(world, answer_lifetime=600.0)
        assert (await back(mine, question)).status == 200


async def test_mixed_up_issuers(tmp_path: Path) -> None:
    async with lying(tmp_path, cache_lifetime=10.0) as (world, liar):
        assert await attempt(world, liar, iss=liar.issuer) == (200, "/me")
        assert (await attempt(world, liar, iss="https://other.example"))[0] == 403
        change(world, cache_lifetime=0.0)
        liar.metadata = {"authorization_response_iss_parameter_supported": True}
        assert (await attempt(world, liar))[0] == 403
        assert await attempt(world, liar, iss=liar.issuer) == (200, "/me")
        assert (await attempt(world, liar, iss=liar.issuer, code="", error="access_denied"))[0] == 403
        assert (await attempt(world, liar, iss=liar.issuer, error="server_error"))[0] == 403
        for metadata in (
            {"issuer": liar.issuer + "/"},
            {"token_endpoint": liar.issuer.replace("https", "http") + "/token"},
            {"authorization_endpoint": "javascript:alert(1)"},
            {"authorization_endpoint": liar.issuer + "/\r\nX: y"},
            {"jwks_uri": None},
        ):
            liar.metadata = metadata
            page = await Browser(world).get(BEGIN)
            assert page.status == 503 and "The outside service cannot be reached now." in page.text


async def test_forged_tokens(tmp_path: Path) -> None:
    async with lying(tmp_path) as (world, liar):
        now = int(time.time())
        for claims in (
            {"iss": "https://other.example"},
            {"aud": "other"},
            {"aud": ["armgs", "other"]},
            {"azp": "other"},
            {"nonce": "another"},
            {"nonce": None},
            {"exp": now - 61},
            {"exp": None},
            {"iat": now + 300},
            {"sub": None},
            {"email": None},
            {"email": "ivanov"},
            {"email_verified": False},
            {"email_verified": None},
            {"email": "nobody@digital.example"},
            {"email": "ivanov@elsewhere.example"},
            {"email": "ivanov+x@digital.example"},
        ):
            liar.claims = dict(claims)
            assert (await attempt(world, liar))[0] == 403, claims
        liar.claims = {}
        assert (await attempt(world, liar))[0] == 200
        public = KEY.as_pem(private=False)
        head = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
        whole = liar.id_token().split(".")
        for token in ("", "a.b.c", f"{head}.{whole[1]}.", ".".join([*whole[:2], ""])):
            liar.token = token
            assert (await attempt(world, liar))[0] == 403, token
        # Our own secret, or the provider's public key, as the secret of an HMAC.
        head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"first"}').decode().rstrip("=")
        for secret in (public, b"s3cret/+"):
            mac = hmac.digest(secret, f"{head}.{whole[1]}".encode(), "sha256")
            liar.token = f"{head}.{whole[1]}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
            assert (await attempt(world, liar))[0] == 403
        liar.token = None
        liar.header, liar.signer = {"alg": "RS256", "kid": "first"}, RSAKey.generate_key(2048)
        assert (await attempt(world, liar))[0] == 403
        liar.signer, liar.status = KEY, "400 Bad Request"
        assert (await attempt(world, liar))[0] == 403


async def test_keys_change(tmp_path: Path) -> None:
    async with lying(tmp_path) as (world, liar):
        assert (await attempt(world, liar))[0] == 200
        new = ECKey.generate_key("P-256", {"kid": "second"})
        liar.header, liar.signer = {"alg": "ES256", "kid": "second"}, new
        asked_before = len(liar.asked)
        assert (await attempt(world, liar))[0] == 403  # not among them, and asked for once more
        assert [path.rpartition("/")[2] for path, _ in liar.asked[asked_before:]] == ["token", "keys"]
        liar.keys.append(new.as_dict(private=False))
        assert (await attempt(world, liar))[0] == 200
        asked_before = len(liar.asked)
        assert (await attempt(world, liar))[0] == 200
        assert len(liar.asked) == asked_before + 1
        change(world, cache_lifetime=0.0, keys=1)
        assert (await attempt(world, liar))[0] == 403


async def test_who_may(tmp_path: Path) -> None:
    async with lying(tmp_path, domains=("digital.example",), claim="upn") as (world, liar):
        liar.claims = {"upn": PETROVA, "email": IVANOV, "email_verified": False}
        browser = Browser(world)
        await back(browser, await asked(browser, liar))
        assert "Петрова Анна" in browser.text
        petrova = await world.directory.by_address(PETROVA)
        assert petrova is not None
        await world.directory.auth.logins.flush()
        noted = await world.store.read(lambda tx: logins.of(tx, petrova.id, 10))
        assert [(row.service, row.mechanism) for row in noted] == [("web", "provider")]
        liar.claims = {"upn": SIDOROV}
        assert (await attempt(world, liar))[0] == 403
        change(world, domains=())
        assert (await attempt(world, liar))[0] == 200
        await world.directory.disable(petrova.id)
        liar.claims = {"upn": PETROVA}
        assert (await attempt(world, liar))[0] == 403
        await browser.get("/me")
        assert browser.path == "/signin"


async def test_the_second_factor_of_ours(tmp_path: Path) -> None:
    async with lying(tmp_path) as (world, liar):
        ivanov = await world.directory.by_address(IVANOV)
        assert ivanov is not None
        factor = SecondFactor(world.directory)
        key = await factor.begin(ivanov)
        now = totp.code_of(key, totp.step_at(int(time.time())))
        codes = await factor.confirm(ivanov, now, HOST, b"")
        assert codes is not None
        browser = Browser(world)
        await back(browser, await asked(browser, liar, "/me/programs"))
        assert browser.path == "/signin/code"
        answer = await browser.submit("/signin/code", code=codes[0])
        assert (answer.status, browser.path) == (200, "/me/programs")
        change(world, second_factor=False)
        assert await attempt(world, liar) == (200, "/me")


async def test_without_passwords_and_without_a_provider(tmp_path: Path) -> None:
    async with lying(tmp_path) as (world, liar):
        browser = Browser(world)
        await browser.get("/signin")
        change(world, password=False)
        answer = await browser.submit("/signin", address=IVANOV, password=PASSWORD)
        assert answer.status == 403 and "<form" not in answer.text and "Sign in by Office" in answer.text
        await browser.get("/me")
        assert browser.path == "/signin"
        assert (await attempt(world, liar))[0] == 200
        change(world, issuer="")  # without a provider the password is the one way again
        assert "Office" not in (await browser.get("/signin")).text
        assert (await browser.submit("/signin", address=IVANOV, password=PASSWORD)).status == 200
        assert (await browser.get(BEGIN)).status == 404
        assert (await browser.get("/signin/provider/back?code=1")).status == 404


async def test_who_is_away_or_says_too_much(tmp_path: Path) -> None:
    async with lying(tmp_path, response_size=4096) as (world, liar):
        liar.metadata = {"filling": "x" * 5000}
        assert (await Browser(world).get(BEGIN)).status == 503
        liar.metadata = {}
        change(world, requests=0)
        assert (await Browser(world).get(BEGIN)).status == 503
    # A certificate that the settings do not name is not believed.
    async with lying(tmp_path / "other", ca="") as (world, liar):
        assert (await Browser(world).get(BEGIN)).status == 503
        assert liar.asked == []


async def test_failures_are_counted(tmp_path: Path) -> None:
    async with lying(tmp_path) as (world, liar):
        live = world.daemon.core.config
        security = dataclasses.replace(live.security, login_failures_address=3, login_wait=60.0)
        configuration.adopt(live, dataclasses.replace(live, security=security))
        liar.status = "503 Service Unavailable"
        for _ in range(4):  # the provider's own trouble counts for nobody
            assert (await attempt(world, liar))[0] == 403
        liar.status = "400 Bad Request"
        assert (await attempt(world, liar))[0] == 403
        liar.status, liar.claims = "200 OK", {"aud": "other"}
        for _ in range(2):
            assert (await attempt(world, liar))[0] == 403
        asked_before = len(liar.asked)
        page = await Browser(world).get(BEGIN)
        assert page.status == 429 and "Wait a minute" in page.text
        assert len(liar.asked) == asked_before


@pytest.mark.parametrize(
    "settings",
    [
        {"issuer": "http://login.example", "client_id": "a"},
        {"issuer": "https://login.example?x=y", "client_id": "a"},
        {"issuer": "https://login.example/#x", "client_id": "a"},
        {"issuer": "https://", "client_id": "a"},
        {"issuer": "https://h:port", "client_id": "a"},
        {"issuer": "https://login.example"},
        {"issuer": "https://login.example", "client_id": "a", "scope": "email"},
    ],
)
def test_settings_that_make_no_provider(settings: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"sign_in_provider\."):
        configuration.parse({"sign_in_provider": settings}, tmp_path)


async def test_another_server_of_ours_is_the_provider(tmp_path: Path) -> None:
    async with World(tmp_path / "provider") as provider:
        issuer = provider.url("", secure=True)
        settings = {"issuer": issuer, "client_id": "office", "ca": str(provider.ca)}
        settings["client_secret"] = str(tmp_path / "secret")
        async with World(tmp_path / "party", settings={"sign_in_provider": settings}) as party:
            place = party.url("/signin/provider/back", secure=True)
            clients = provider.directory.auth.oauth.clients
            _, secret = await clients.enter("office", "The office", [place], is_confidential=True)
            (tmp_path / "secret").write_text(secret)
            here, there = Browser(party), Browser(provider)
            question = urlsplit((await here.get(f"{BEGIN}?next=/me/rights")).headers["location"])
            await there.sign_in(PETROVA, target=f"{question.path}?{question.query}")
            answer = urlsplit(
                (await there.submit("/oauth/authorize", {"answer": "allow"})).headers["location"]
            )
            page = await here.get(f"{answer.path}?{answer.query}")
            assert (page.status, here.path) == (200, "/me/rights")
            assert "Петрова Анна" in (await here.get("/me")).text
            # Who says no there is not let in here.
            refused = Browser(party)
            question = urlsplit((await refused.get(BEGIN)).headers["location"])
            await there.get(f"{question.path}?{question.query}")
            answer = urlsplit(
                (await there.submit("/oauth/authorize", {"answer": "deny"})).headers["location"]
            )
            page = await refused.get(f"{answer.path}?{answer.query}")
            assert page.status == 403 and FAILED in page.text
