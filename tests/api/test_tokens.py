# SPDX-License-Identifier: Apache-2.0
"""Tokens of programs: what they open and what not, how they end, and what RFC 6750 has a refusal say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from armgs_server.administration import TABLE, VERBS, Office
from armgs_server.administration.table import GROUPS
from armgs_server.administration.tokens import needed
from armgs_server.directory.administrators import set_administrators
from armgs_server.storage import acts, clock
from tests.api.conftest import ADMIN, FINANCE, Answer, Api, at
from tests.world import PETROVA, SIDOROV


async def made(api: Api, *scopes: str, as_: str = ADMIN, **given: Any) -> str:
    """The text of a new token."""
    answer = await api("POST", "/tokens", {"name": "sync", "scopes": list(scopes), **given}, as_=as_)
    assert answer.status == 200, answer.body
    return str(answer.body["token"])


async def by(api: Api, token: str, method: str, path: str, body: Any = None) -> Answer:
    return await api(method, path, body, as_="", headers={"Authorization": f"Bearer {token}"})


def asked(answer: Answer) -> str:
    return str(answer.headers["WWW-Authenticate"])


def test_every_group_of_verbs_is_a_scope() -> None:
    assert {"people", "passwords", "units", "queue", "acts"} <= set(GROUPS) and "tokens" not in GROUPS
    assert {verb.name for verb in VERBS if not needed(verb)} == {
        "tokens.list",
        "tokens.create",
        "tokens.revoke",
    }
    assert needed(TABLE["people.password"]) == "passwords"


async def test_a_program_does_what_its_scopes_name(api: Api) -> None:
    reader = await made(api, "people:read")
    assert (await by(api, reader, "GET", at("/people", PETROVA))).body["address"] == PETROVA
    for method, path, body, scope in (
        ("PATCH", at("/people", PETROVA), {"name": "x"}, "people"),
        ("GET", "/units", None, "units:read"),
        ("PUT", f"{at('/people', PETROVA)}/password", {"password": "long-enough-1"}, "passwords"),
    ):
        refused = await by(api, reader, method, path, body)
        assert refused.status == 403 and refused.body["status"] == 403
        assert 'error="insufficient_scope"' in asked(refused) and f'scope="{scope}"' in asked(refused)
    writer = await made(api, "people", "units:read")
    assert (await by(api, writer, "PATCH", at("/people", PETROVA), {"name": "Петрова"})).status == 200
    assert (await by(api, writer, "GET", "/units")).status == 200
    assert (await by(api, writer, "POST", "/units", {"domain": "digital.example", "name": "x"})).status == 403
    steps = [{"verb": "units.create", "arguments": {"domain": "digital.example", "name": "x"}}]
    assert (await by(api, writer, "POST", "/changes", {"steps": steps})).status == 403
    whole = await made(api, "*")
    assert (await by(api, whole, "POST", "/changes", {"steps": steps})).status == 200
    looking = await made(api, "*:read")
    assert (await by(api, looking, "GET", "/acts")).status == 200
    assert (await by(api, looking, "PUT", at("/holds", PETROVA), {})).status == 403


async def test_no_token_makes_lists_or_ends_another(api: Api) -> None:
    whole = await made(api, "*")
    for method, path, body in (
        ("GET", "/tokens", None),
        ("POST", "/tokens", {"name": "x", "scopes": ["*"]}),
        ("DELETE", "/tokens/x", None),
    ):
        refused = await by(api, whole, method, path, body)
        assert refused.status == 403 and 'scope="' not in asked(refused)


async def test_a_department_is_as_closed_to_its_programs(api: Api) -> None:
    token = await made(api, "*", as_=FINANCE)
    listed = await by(api, token, "GET", "/people")
    assert [each["address"] for each in listed.body["people"]] == [SIDOROV]
    assert (await by(api, token, "GET", at("/people", PETROVA))).status == 404
    assert (await by(api, token, "GET", "/acts")).status == 403
    one = await made(api, "*", domains=["finance.example"])
    assert (await by(api, one, "GET", at("/people", PETROVA))).status == 404
    refused = await api(
        "POST", "/tokens", {"name": "x", "scopes": ["*"], "domains": ["digital.example"]}, as_=FINANCE
    )
    assert refused.status == 404
    whole = await made(api, "*")
    shown = (await api("GET", "/tokens", as_=FINANCE)).body["tokens"]
    assert [each["domains"] for each in shown] == [["finance.example"]] * 2
    everything = (await api("GET", "/tokens")).body["tokens"]
    assert len(everything) == 3
    [id_] = [each["id"] for each in everything if not each["domains"]]
    assert (await api("DELETE", f"/tokens/{id_}", as_=FINANCE)).status == 404
    assert (await by(api, whole, "GET", "/people")).status == 200


async def test_it_ends_with_its_maker_s_right(api: Api) -> None:
    token = await made(api, "people:read", as_=FINANCE)
    directory = api.world.directory
    sidorov = await directory.by_address(SIDOROV)
    assert sidorov is not None
    department = await directory.by_id(sidorov.department)
    assert department is not None
    await set_administrators(directory, department, [])
    refused = await by(api, token, "GET", "/people")
    assert refused.status == 401 and 'error="invalid_token"' in asked(refused)
    await set_administrators(directory, department, [sidorov.id])
    assert (await by(api, token, "GET", "/people")).status == 200
    await directory.disable(sidorov.id)
    assert (await by(api, token, "GET", "/people")).status == 401
    await directory.enable(sidorov.id)
    await directory.delete(sidorov.id)
    assert (await by(api, token, "GET", "/people")).status == 401
    assert (await api("GET", "/tokens")).body["tokens"] == []


async def test_one_that_a_command_has_made_stands_by_itself(api: Api) -> None:
    office = Office.general(api.world.directory, "root (command)")
    given = {"name": "hr", "scopes": ["people:read"], "domains": ["finance.example"]}
    token = (await office.run("tokens.create", given))["token"]
    assert len((await by(api, token, "GET", "/people")).body["people"]) == 1


async def test_it_expires_and_is_revoked(api: Api) -> None:
    token = await made(api, "people:read", days=1)
    [listed] = (await api("GET", "/tokens")).body["tokens"]
    assert (listed["name"], listed["scopes"], listed["made_by"]) == ("sync", ["people:read"], ADMIN)
    assert (listed["last_used"], listed["last_peer"]) == ("", "") and listed["expires"] > listed["created"]
    assert (await by(api, token, "GET", "/people")).status == 200
    [listed] = (await api("GET", "/tokens")).body["tokens"]
    assert listed["last_used"] and listed["last_peer"] == "127.0.0.1"

    async def age(by_: int) -> None:
        await api.world.store.write(lambda tx: tx.execute("UPDATE api_token SET expires = ?", by_))

    await age(clock.now() - 1)
    refused = await by(api, token, "GET", "/people")
    assert refused.status == 401 and "expired" in asked(refused)
    await age(clock.now() + clock.DAY)
    assert (await by(api, token, "GET", "/people")).status == 200
    assert (await api("DELETE", f"/tokens/{listed['id']}")).status == 200
    assert (await by(api, token, "GET", "/people")).status == 401
    assert (await api("DELETE", f"/tokens/{listed['id']}")).status == 404


async def test_what_is_shown_wrongly(api: Api) -> None:
    token = await made(api, "people:read")
    nothing = await api("GET", "/people", as_="")
    assert nothing.status == 401
    assert nothing.headers.get_all("WWW-Authenticate") == [
        'Basic realm="armgs_server", charset="UTF-8"',
        'Bearer realm="armgs_server"',
    ]
    for wrong in (token[:-1], token[:-1] + ("A" if token[-1] != "A" else "B"), "armgs_x_y", "abc"):
        refused = await by(api, wrong, "GET", "/people")
        assert refused.status == 401 and 'error="invalid_token"' in asked(refused)
        assert token not in json.dumps(refused.body)
    for malformed in ("", "a b", "ы", "x" * 2000):
        value = f"Bearer {malformed}".encode().decode("latin-1")
        refused = await api("GET", "/people", as_="", headers={"Authorization": value})
        assert refused.status == 400 and 'error="invalid_request"' in asked(refused), malformed


async def test_guessing_is_throttled(api: Api) -> None:
    for _ in range(60):
        refused = await by(api, "armgs_0123456789abcdef_" + "x" * 43, "GET", "/people")
        if refused.status == 429:
            break
    assert refused.status == 429 and refused.headers["Retry-After"]


@pytest.mark.parametrize(
    "given",
    [
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["tokens"]},
        {"name": "x", "scopes": ["people:write"]},
        {"name": "x", "scopes": ["people"], "days": 0},
        {"name": "x", "scopes": ["people"], "days": 3650},
        {"name": "", "scopes": ["people"]},
    ],
)
async def test_what_is_no_token(api: Api, given: dict[str, Any]) -> None:
    assert (await api("POST", "/tokens", given)).status == 400


async def test_how_many_one_administrator_has(api: Api) -> None:
    for _ in range(50):
        await made(api, "people:read")
    assert (await api("POST", "/tokens", {"name": "x", "scopes": ["people"]})).status == 409


async def test_who_did_what_is_in_the_journal_and_the_secret_is_nowhere(api: Api) -> None:
    token = await made(api, "people", domains=["digital.example"])
    await by(api, token, "PATCH", at("/people", PETROVA), {"name": "Петрова"})
    person = await api.world.directory.by_address(PETROVA)
    assert person is not None
    department = person.department
    written = await api.world.store.read(lambda tx: acts.page(tx, department))
    assert [each.verb for each in written] == ["tokens.create", "people.change"]
    assert written[0].actor == ADMIN and written[1].actor.startswith("sync (token ")
    secret = token.rpartition("_")[2]
    assert secret not in "".join(map(str, written))
    [row] = await api.world.store.read(lambda tx: tx.rows("SELECT * FROM api_token"))
    assert secret not in repr(row)
