# SPDX-License-Identifier: Apache-2.0
"""Tokens from consent to the end, on both engines."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import pytest

from armgs_server.directory import scopes
from armgs_server.directory.model import TOPIC_KICK
from armgs_server.directory.oauth import OAuth
from armgs_server.directory.oauth_clients import Client
from armgs_server.directory.oauth_model import Bearing, Consent, Issued, OAuthError, is_verifier
from armgs_server.storage import clock
from armgs_server.storage import oauth as oauth_rows
from armgs_server.storage.tx import Tx
from tests.directory.conftest import Workplace

PLACE = "http://127.0.0.1/done"
VERIFIER = "a-verifier-of-at-least-forty-three-characters"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
PEER = "192.0.2.1"


def client_of(workplace: Workplace, name: str = "Program") -> Client:
    clients = workplace.directory.auth.oauth.clients
    return clients.register({"client_name": name, "redirect_uris": [PLACE]})


async def issued(workplace: Workplace, scope: str = "mail") -> tuple[OAuth, Client, Issued]:
    oauth, client = workplace.directory.auth.oauth, client_of(workplace)
    asked = Consent(client, PLACE, scope, CHALLENGE, "", 0)
    code = await oauth.consent(workplace.ivanov, asked)
    return oauth, client, await oauth.redeem(client, code, PLACE, VERIFIER)


async def refusal(oauth: OAuth, client: Client, token: str) -> str:
    with pytest.raises(OAuthError) as raised:
        await oauth.refresh(client, token)
    return raised.value.error


def test_the_example_of_rfc_7636() -> None:
    """Appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert is_verifier(verifier, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    assert not is_verifier(verifier[:-1] + "l", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    short = hashlib.sha256(b"short").digest()
    assert not is_verifier("short", base64.urlsafe_b64encode(short).decode().rstrip("="))


async def test_a_token_opens_what_was_agreed_to(workplace: Workplace) -> None:
    oauth, _, given = await issued(workplace, "mail files")
    for service in scopes.SERVICES:
        found = await oauth.bearer(given.access, service)
        if service in ("imap", "pop3", "smtp", "sieve", "files", "dav"):
            assert isinstance(found, Bearing) and found.person == workplace.ivanov
        else:
            assert found == "insufficient_scope"
    for wrong in ("", "x", given.refresh, given.access[:-1], given.access + "A"):
        assert await oauth.bearer(wrong, "imap") == "invalid_token"
    assert await oauth.login(given.access, "files", PEER, is_tls=False) == "invalid_token"
    for _ in range(2):
        shown = await oauth.login(given.access, "files", PEER, is_tls=True)
        assert isinstance(shown, Bearing)
        assert (shown.person, shown.scope) == (workplace.ivanov, "mail files")


async def test_refreshing_a_part_and_the_second_use(workplace: Workplace) -> None:
    oauth, client, first = await issued(workplace, "mail files")
    part = await oauth.refresh(client, first.refresh, "files")
    assert part.scope == "files" and await oauth.bearer(part.access, "imap") == "insufficient_scope"
    whole = await oauth.refresh(client, part.refresh)  # what was granted is still all of it
    assert whole.scope == "mail files"
    assert await refusal(oauth, client_of(workplace, "Another"), whole.refresh) == "invalid_grant"

    async def age(tx: Tx) -> None:
        await tx.execute("UPDATE oauth_token SET spent = spent - ? WHERE spent > 0", clock.HOUR)

    await workplace.store.write(age)
    kicked: list[bytes] = []
    workplace.store.bus.subscribe(TOPIC_KICK, kicked.append)
    assert await refusal(oauth, client, first.refresh) == "invalid_grant"
    assert kicked == [b"%d" % workplace.ivanov.id]
    assert await oauth.bearer(whole.access, "imap") == "invalid_token"
    assert await refusal(oauth, client, whole.refresh) == "invalid_grant"


async def test_a_code_is_good_once_whoever_comes_at_the_same_time(workplace: Workplace) -> None:
    """RFC 6749 §4.1.2: the second use is refused, and voids what the first one has got."""
    oauth, client = workplace.directory.auth.oauth, client_of(workplace)
    for _ in range(5):
        code = await oauth.consent(workplace.ivanov, Consent(client, PLACE, "mail", CHALLENGE, "", 0))
        uses = (oauth.redeem(client, code, PLACE, VERIFIER) for _ in range(6))
        answers = await asyncio.gather(*uses, return_exceptions=True)
        [given] = [each for each in answers if isinstance(each, Issued)]
        assert all(each is given or isinstance(each, OAuthError) for each in answers)
        assert await oauth.bearer(given.access, "imap") == "invalid_token"


async def test_refreshing_again_and_again_within_the_grace_is_bounded(workplace: Workplace) -> None:
    oauth, client, first = await issued(workplace)
    for _ in range(oauth_rows.UNSPENT_KEPT + 5):
        last = await oauth.refresh(client, first.refresh)
    count = "SELECT COUNT(*) FROM oauth_token WHERE kind = 'refresh' AND spent = 0"
    assert await workplace.store.read(lambda tx: tx.value(count)) == oauth_rows.UNSPENT_KEPT
    assert (await oauth.refresh(client, last.refresh)).scope == "mail"


async def test_nothing_is_left_of_a_grant_that_ends_while_it_is_used(workplace: Workplace) -> None:
    ivanov = workplace.ivanov.id
    for _ in range(10):
        oauth, client, given = await issued(workplace)
        [grant] = await oauth.grants(ivanov)
        renewing = (oauth.refresh(client, given.refresh) for _ in range(2))
        ended, *answers = await asyncio.gather(oauth.end(ivanov, grant.id), *renewing, return_exceptions=True)
        assert ended is True
        assert all(isinstance(each, Issued | OAuthError) for each in answers)
        assert await workplace.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM oauth_token")) == 0


async def test_use_is_noted_once_an_hour(workplace: Workplace) -> None:
    oauth, _, given = await issued(workplace)
    [before] = await oauth.grants(workplace.ivanov.id)

    async def age(tx: Tx) -> None:
        step = 2 * clock.HOUR
        await tx.execute("UPDATE oauth_token SET created = created - ?, expires = expires + ?", step, step)
        await tx.execute("UPDATE oauth_grant SET last_used = last_used - ?", step)

    await workplace.store.write(age)
    await oauth.bearer(given.access, "imap")
    [after] = await oauth.grants(workplace.ivanov.id)
    assert after.last_used >= before.last_used
    assert (after.id, after.expires) == (before.id, before.expires)


async def test_what_ends_it(workplace: Workplace) -> None:
    directory, ivanov = workplace.directory, workplace.ivanov
    oauth, client, given = await issued(workplace)
    await directory.set_password(ivanov.id, "another-password")
    assert isinstance(await oauth.bearer(given.access, "imap"), Bearing)  # as app passwords stay
    await directory.disable(ivanov.id)
    assert await oauth.bearer(given.access, "imap") == "invalid_token"
    assert await refusal(oauth, client, given.refresh) == "invalid_grant"
    await directory.enable(ivanov.id)
    assert await oauth.bearer(given.access, "imap") == "invalid_token"
    oauth, client, given = await issued(workplace)
    [grant] = await oauth.grants(ivanov.id)
    assert not await oauth.end(workplace.petrova.id, grant.id)
    assert await oauth.end(ivanov.id, grant.id)
    assert await oauth.inspect(given.access) is None
    _, _, given = await issued(workplace)
    await directory.delete(ivanov.id)
    assert await oauth.bearer(given.access, "imap") == "invalid_token"
    for table in ("oauth_grant", "oauth_token"):
        sql = f"SELECT COUNT(*) FROM {table}"
        assert await workplace.store.read(lambda tx, sql=sql: tx.value(sql)) == 0  # type: ignore[misc]


async def test_switched_off(workplace: Workplace) -> None:
    oauth, _, given = await issued(workplace)
    object.__setattr__(oauth.settings, "enabled", False)
    assert await oauth.bearer(given.access, "imap") == "invalid_token"
    assert await oauth.inspect(given.access) is None
    assert "OAUTHBEARER" not in workplace.directory.auth.mechanisms(True, service="imap")
