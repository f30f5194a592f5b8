# SPDX-License-Identifier: Apache-2.0
"""The page where a person is asked: what is told to the program, what is not, and who cannot answer."""

from __future__ import annotations

from urllib.parse import urlencode

from armgs_server.portal.oauth_consent import PROGRAMS
from tests.portal import oauth_client as program
from tests.portal.browser import Browser
from tests.portal.client import get
from tests.portal.oauth_client import CALLED_BACK, PLACE, question, told
from tests.world import IVANOV, PASSWORD, PETROVA, World

WRONG = (
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": ""}, "unsupported_response_type"),
    ({"code_challenge": ""}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": ""}, "invalid_request"),
    ({"scope": ""}, "invalid_scope"),
    ({"scope": "everything"}, "invalid_scope"),
    ({"response_mode": "form_post"}, "invalid_request"),
    ({"request": "x.y.z"}, "request_not_supported"),
    ({"request_uri": "https://evil.example/"}, "request_uri_not_supported"),
    ({"nonce": "x" * 600}, "invalid_request"),
    ({"prompt": "none"}, "consent_required"),
)
# RFC 8252 §7.1 and §7.3: what is registered, what is asked for
NATIVE = (
    ("com.example.mail:/done", "com.example.mail:/done"),
    ("http://[::1]/done", "http://[::1]:5000/done"),
    ("http://localhost/", "http://localhost:5000"),
    ("http://127.0.0.1/done?x=1", "http://127.0.0.1:5000/done?x=1"),
)


async def test_the_page_says_who_asks_for_what(world: World) -> None:
    client = await program.register(world, "<b>Mail</b> & more")
    browser = Browser(world, "ru")
    asked = await browser.get(question(client, scope="mail openid files unknown"))
    assert browser.path == "/signin"  # and back again
    asked = await browser.submit("/signin", address=IVANOV, password=PASSWORD)
    assert (asked.status, browser.path) == (200, "/oauth/authorize")
    assert "&lt;b&gt;Mail&lt;/b&gt; &amp; more" in asked.text and "<b>" not in asked.text
    assert "Так программа называет себя сама." in asked.text
    assert "читать и отправлять Вашу почту" in asked.text and "файлы" in asked.text
    assert "календари" not in asked.text
    policy = asked.headers["content-security-policy"]
    assert "form-action 'self' http://127.0.0.1:49152;" in policy
    assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy
    assert asked.headers["cache-control"] == "no-store"
    denied = told(await browser.submit("/oauth/authorize", {"answer": "deny"}))
    assert denied == {"error": "access_denied", "state": "a state", "iss": world.url("", secure=True)}


async def test_nothing_goes_where_it_does_not_belong(world: World) -> None:
    """RFC 6749 §4.1.2.1: with a wrong client or place the person is told, nobody else."""
    client = await program.register(world)
    browser = Browser(world)
    await browser.sign_in(IVANOV)
    for wrong in (
        question("unknown"),
        question(client[:-2]),
        question(client, redirect_uri="http://127.0.0.1:49152/elsewhere"),
        question(client, redirect_uri="http://127.0.0.1.evil.example/done"),
        question(client, redirect_uri="http://evil.example@127.0.0.1/done"),
        question(client, redirect_uri="http://127.0.0.1@evil.example/done"),
        question(client, redirect_uri="http://localhost:49152/done"),
        question(client, redirect_uri="https://127.0.0.1:49152/done"),
        question(client, redirect_uri="http://127.0.0.1:49152/done#x"),
        question(client, redirect_uri="http://127.0.0.1:49152/done\r\nX: y"),
        question(client, redirect_uri="http://127.0.0.1:x/done"),
        question(client, redirect_uri=""),
        question(client) + "&client_id=another",
        question(client) + "&x=1" * 60,
        "/oauth/authorize",
    ):
        answer = await browser.get(wrong)
        assert (answer.status, "location" in answer.headers) == (400, False), wrong
        assert "who asks is not known" in answer.text
    assert (await browser.get("/oauth/authorize/x")).status == 404


async def test_what_is_wrong_is_told_to_the_program(world: World) -> None:
    client = await program.register(world)
    browser = Browser(world)
    await browser.sign_in(IVANOV)
    for changes, error in WRONG:
        answer = told(await browser.get(question(client, **changes)))
        assert (answer["error"], answer["state"]) == (error, "a state"), changes


async def test_who_is_not_signed_in_is_not_asked_silently(world: World) -> None:
    client = await program.register(world)
    answer = await get(world, question(client, prompt="none"))
    assert told(answer)["error"] == "login_required"
    browser = Browser(world)
    await browser.sign_in(IVANOV)
    await browser.get(question(client, max_age="0"))
    assert browser.path == "/signin"
    await browser.submit("/signin", address=IVANOV, password=PASSWORD)
    assert browser.path == "/oauth/authorize"  # asked for once, not for ever
    page = await browser.get(question(client, prompt="login", login_hint='x"><b>'))
    assert browser.path == "/signin"
    assert browser.form("/signin").fields["address"] == 'x"><b>' and "<b>" not in page.text
    await browser.submit("/signin", address=IVANOV, password=PASSWORD)
    assert browser.path == "/oauth/authorize"


async def test_another_sites_form_permits_nothing(world: World) -> None:
    client = await program.register(world)
    browser = Browser(world)
    await browser.sign_in(IVANOV, target=question(client))
    form = browser.form("/oauth/authorize").fields
    allow = {**form, "answer": "allow"}
    assert (await browser.post("/oauth/authorize", {**allow, "token": "0" * 32})).status == 403
    assert (await browser.post("/oauth/authorize", allow, {"Origin": "https://evil.example"})).status == 403
    other = Browser(world)
    await other.sign_in(PETROVA)
    assert (await other.post("/oauth/authorize", allow)).status == 403
    nobody = Browser(world)
    await nobody.post("/oauth/authorize", allow)
    assert nobody.path == "/signin"
    # What the form holds is checked as if it had come by itself.
    forged = {**allow, "query": form["query"].replace("127.0.0.1", "evil.example")}
    assert (await browser.post("/oauth/authorize", forged)).status == 400
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    assert await world.directory.auth.oauth.grants(person.id) == []


async def test_places_of_native_programs(world: World) -> None:
    browser = Browser(world)
    await browser.sign_in(IVANOV)
    for registered, asked in NATIVE:
        client = await program.register(world, "Native", registered)
        await browser.get(question(client, redirect_uri=asked))
        answer = await browser.submit("/oauth/authorize", {"answer": "allow"})
        joint = "&" if "?" in asked else "?"
        assert answer.headers["location"].startswith(f"{asked}{joint}code=")


async def test_thunderbird_needs_no_registration(world: World) -> None:
    asked = question("thunderbird", redirect_uri="https://localhost", scope="mail")
    browser = Browser(world)
    page = await browser.sign_in(IVANOV, target=asked)
    assert "Thunderbird" in page.text and "calls itself" not in page.text
    assert "The answer goes to a program on this device." in page.text


async def test_programs_are_listed_and_taken_out(world: World) -> None:
    client = await program.register(world, "Mail program")
    given = await program.tokens(world, client, scope="mail calendars")
    browser = Browser(world)
    page = await browser.sign_in(IVANOV, target=PROGRAMS)
    assert "Mail program" in page.text and "calendars" in page.text
    other = Browser(world)
    page = await other.sign_in(PETROVA, target=PROGRAMS)
    assert "None." in page.text
    ident = browser.form(PROGRAMS).buttons[0][1]
    token = other.form("/signout").fields["token"]
    await other.post(PROGRAMS, {"token": token, "end": ident})  # not hers to take out
    assert (await program.imap(world, given["access_token"])).startswith("a OK")
    page = await browser.submit(PROGRAMS, {"end": ident})
    assert (page.status, "Mail program" in page.text) == (200, False)
    assert (await program.imap(world, given["access_token"])).startswith("a NO")


async def test_without_registration_only_known_programs_are_asked_about(world: World) -> None:
    client = await program.register(world)
    live = world.daemon.core.config.oauth
    object.__setattr__(live, "registration", False)
    try:
        assert (await get(world, question(client))).status == 400
        assert (await get(world, question("thunderbird", redirect_uri="https://localhost"))).status == 303
        assert (await get(world, "/oauth/register", method="POST", body=b"{}")).status == 404
        metadata = await get(world, "/.well-known/openid-configuration")
        assert "registration_endpoint" not in metadata.text
    finally:
        object.__setattr__(live, "registration", True)


async def test_in_clear_text_nothing_is_asked(world: World) -> None:
    """RFC 6749 §3.1: TLS is needed, but where the setting for tests permits log-ins without."""
    live = world.daemon.core.config.security
    object.__setattr__(live, "allow_plaintext", False)
    try:
        path = "/oauth/authorize?" + urlencode({"client_id": "thunderbird", "redirect_uri": PLACE})
        for answer in (await get(world, path, secure=False), await get(world, "/oauth/jwks", secure=False)):
            assert answer.status in (301, 308, 400)
            assert not answer.headers.get("location", "").startswith((PLACE, CALLED_BACK))
    finally:
        object.__setattr__(live, "allow_plaintext", True)
