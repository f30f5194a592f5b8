# SPDX-License-Identifier: Apache-2.0
"""The API over a real socket: who may do what, previews, acts, and what is refused how."""

from __future__ import annotations

import json

import pytest

from armgs_server import trace_id
from tests.api.conftest import ADMIN, FINANCE, Api, at
from tests.world import IVANOV, PETROVA, SIDOROV


async def test_a_person_from_the_beginning_to_the_end(api: Api) -> None:
    unit = await api("POST", "/units", {"domain": "digital.example", "name": "Отдел"})
    assert unit.status == 200
    number = unit.body["number"]
    new = "orlov@digital.example"
    made = await api(
        "POST", "/people", {"address": new, "name": "Орлов", "unit": number, "password": "long-enough-1"}
    )
    assert (made.status, made.body["unit"], made.body["disabled"]) == (200, number, False)
    directory = api.world.directory
    assert await directory.auth.login("imap", "127.0.0.1", True, new, "long-enough-1")
    changed = await api("PATCH", at("/people", new), {"post": "Инженер", "data": {"telephone": "1"}})
    assert (changed.body["post"], changed.body["data"]["telephone"]) == ("Инженер", "1")
    shown = await api("GET", at("/people", new))
    assert shown.body == changed.body
    listed = await api("GET", f"/people?unit={number}")
    assert [each["address"] for each in listed.body["people"]] == [new]
    gone = await api("DELETE", f"{at('/people', new)}?successor={PETROVA}")
    assert gone.body == {"address": new, "estate": True}
    assert (await api("GET", at("/people", new))).status == 404
    estate = await api("GET", at("/groups", new))
    assert (estate.body["estate"], estate.body["members"]) == (True, [PETROVA])


async def test_a_preview_changes_nothing_and_can_be_agreed_to(api: Api) -> None:
    unit = (await api("POST", "/units", {"domain": "digital.example", "name": "Unit"})).body["number"]
    path = at("/people", PETROVA)
    shown = await api("PATCH", f"{path}?preview=true", {"unit": unit})
    assert shown.body["result"]["unit"] == unit
    assert [each["address"] for each in shown.body["preview"]["rooms"]] == [PETROVA]
    assert (await api("GET", path)).body["unit"] == 0
    digest = shown.body["preview"]["digest"]
    assert (await api("PATCH", f"{path}?expect={digest}", {"post": "Else"})).status == 409
    assert (await api("PATCH", f"{path}?expect={digest}", {"unit": unit})).body["unit"] == unit


async def test_several_things_at_once_or_none(api: Api) -> None:
    steps = [
        {"verb": "groups.create", "arguments": {"address": "all@digital.example", "members": [IVANOV]}},
        {"verb": "people.change", "arguments": {"address": PETROVA, "name": "Петрова"}},
    ]
    shown = await api("POST", "/changes", {"steps": steps, "preview": True})
    assert shown.body["preview"]["lists"] == [
        {"address": IVANOV, "gains": 1, "gained": ["all@digital.example"], "loses": 0, "lost": []}
    ]
    wrong = [*steps, {"verb": "groups.remove", "arguments": {"address": "nobody@digital.example"}}]
    assert (await api("POST", "/changes", {"steps": wrong})).status == 404
    assert (await api("GET", at("/groups", "all@digital.example"))).status == 404
    done = await api("POST", "/changes", {"steps": steps, "expect": shown.body["preview"]["digest"]})
    assert [each.get("address") for each in done.body["results"]] == ["all@digital.example", PETROVA]
    for bad in ([], [1], [{"verb": 1}], [{"verb": "people.show", "arguments": {"address": IVANOV}}], "x"):
        assert (await api("POST", "/changes", {"steps": bad})).status == 400, bad


async def test_who_administers_one_department_learns_nothing_of_another(api: Api) -> None:
    """What is another department's is answered as what does not exist, word by word."""
    for method, path, body in (
        ("GET", "/people/{}", None),
        ("PATCH", "/people/{}", {"name": "x"}),
        ("DELETE", "/people/{}", None),
        ("POST", "/people/{}/suspend", {}),
        ("PUT", "/people/{}/password", {"password": "something-long"}),
        ("GET", "/people/{}/devices", None),
        ("POST", "/people/{}/app-passwords", {"name": "phone"}),
        ("GET", "/quota/{}", None),
        ("PUT", "/holds/{}", {}),
        ("GET", "/groups/{}", None),
        ("GET", "/rooms/{}", None),
    ):
        real = await api(method, path.format("petrova%40digital.example"), body, as_=FINANCE)
        made_up = await api(method, path.format("nobody1%40digital.example"), body, as_=FINANCE)
        assert real.status == made_up.status == 404, (method, path)
        assert real.body["detail"].replace("petrova", "nobody1") == made_up.body["detail"]
    for path in (
        "/departments/digital.example",
        "/people?domain=digital.example",
        "/acts?domain=digital.example",
    ):
        assert (await api("GET", path, as_=FINANCE)).status == 404
    taken = await api("POST", "/people", {"address": PETROVA}, as_=FINANCE)
    free = await api("POST", "/people", {"address": "free000@digital.example"}, as_=FINANCE)
    assert taken.status == free.status == 404 and taken.body == free.body
    listed = await api("GET", "/people", as_=FINANCE)
    assert [each["address"] for each in listed.body["people"]] == [SIDOROV]
    departments = (await api("GET", "/departments", as_=FINANCE)).body["departments"]
    assert [each["domains"] for each in departments] == [["finance.example"]]
    for path in ("/queue", "/holds", "/groups", "/rooms", "/units", "/posts"):
        assert list((await api("GET", path, as_=FINANCE)).body.values()) == [[]]
    for method, path, body in (
        ("POST", "/departments", {"name": "X", "domains": ["x.example"]}),
        ("POST", "/departments/finance.example/domains", {"new": "digital.example"}),
        ("PATCH", "/departments/finance.example", {"administrators": [SIDOROV]}),
        ("GET", "/acts", None),
    ):
        assert (await api(method, path, body, as_=FINANCE)).status == 403
    await api("POST", "/groups", {"address": "all@digital.example", "members": [SIDOROV, PETROVA]})
    mine = await api("GET", at("/people", SIDOROV), as_=FINANCE)
    assert mine.body["groups"] == []
    unit = (await api("POST", "/units", {"domain": "digital.example", "name": "Secret"})).body["number"]
    for path in (f"/units/{unit}", f"/posts/{unit}"):
        assert (await api("GET", path, as_=FINANCE)).status == 404
    moved = await api("PATCH", at("/people", SIDOROV), {"unit": unit}, as_=FINANCE)
    assert moved.status == 404 and "Secret" not in json.dumps(moved.body)


async def test_who_may_not_at_all(api: Api) -> None:
    assert (await api("GET", "/people", as_=PETROVA)).status == 403
    nobody = await api("GET", "/people", as_="")
    assert nobody.status == 401 and nobody.headers["WWW-Authenticate"].startswith("Basic")
    wrong = Api(api.world, {ADMIN: "wrong"})
    assert (await wrong("GET", "/people")).status == 401
    assert nobody.headers["Content-Type"] == "application/problem+json"


async def test_what_is_malformed(api: Api) -> None:
    for body in (b"{", b"[]", b"\xff", b"[" * 100_000, b'{"name": NaN}', b'{"unit": 1' + b"0" * 5000 + b"}"):
        assert (await api("PATCH", at("/people", PETROVA), body)).status == 400, body[:20]
    for body in ({"unit": True}, {"unit": -1}, {"unit": 2**60}, {"name": 1}, {"name": "\x00"}, {"other": 1}):
        assert (await api("PATCH", at("/people", PETROVA), body)).status == 400, body
    assert (await api("PATCH", at("/people", PETROVA), {"data": {"a": 1}})).status == 400
    assert (await api("PATCH", at("/people", PETROVA), {"address": PETROVA})).status == 400
    for path in (
        "/people?limit=x",
        "/people?limit=1&limit=2",
        "/people?x=1",
        "/people?limit=%ff",
    ):
        assert (await api("GET", path)).status == 400, path
    assert (await api("GET", "/nothing")).status == 404
    refused = await api("PUT", "/people", {})
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, POST")
    form = await api(
        "POST", "/people", b"address=x", headers={"Content-type": "application/x-www-form-urlencoded"}
    )
    assert form.status == 415
    assert (await api("POST", "/people", {"name": "x" * 2_000_000})).status == 413


async def test_posts_and_rules(api: Api) -> None:
    unit = (await api("POST", "/units", {"domain": "digital.example", "name": "Отдел"})).body["number"]
    made = await api(
        "POST", "/posts", {"domain": "digital.example", "name": "Начальник", "unit": unit, "head": True}
    )
    post = made.body["number"]
    await api("PUT", at("/groups", "heads@digital.example") + "/rule", {"head": True})
    await api("POST", "/groups", {"address": "heads@digital.example"})
    ruled = await api("PUT", at("/groups", "heads@digital.example") + "/rule", {"head": True})
    assert (ruled.body["by_rule"], ruled.body["members"]) == (True, [])
    held = await api("POST", f"/posts/{post}/terms", {"person": PETROVA, "ends": "2100-01-01"})
    assert [(each["person"], each["current"]) for each in held.body["terms"]] == [(PETROVA, True)]
    petrova = (await api("GET", at("/people", PETROVA))).body
    assert (petrova["unit"], petrova["post"], petrova["head"]) == (unit, "Начальник", True)
    assert (await api("GET", at("/groups", "heads@digital.example"))).body["members"] == [PETROVA]
    assert (await api("PATCH", at("/people", PETROVA), {"unit": 0})).status == 409
    assert (await api("POST", f"/posts/{post}/relieve", {"person": PETROVA})).body["terms"][0]["ends"]
    assert (
        await api("POST", f"/posts/{post}/terms", {"person": PETROVA, "starts": "tomorrow"})
    ).status == 400
    assert (await api("DELETE", f"/posts/{post}")).status == 200
    assert (await api("DELETE", f"/units/{unit}")).status == 409  # somebody is still there


async def test_the_tree_has_no_cycles_and_domains_no_twins(api: Api) -> None:
    upper = (await api("POST", "/units", {"domain": "digital.example", "name": "Upper"})).body["number"]
    lower = (
        await api("POST", "/units", {"domain": "digital.example", "name": "Lower", "parent": upper})
    ).body["number"]
    assert (await api("PATCH", f"/units/{upper}", {"parent": lower})).status == 409
    assert (await api("PATCH", f"/units/{upper}", {"parent": upper})).status == 409
    twice = {"name": "Twice", "domains": ["new.example", "DIGITAL.example"]}
    assert (await api("POST", "/departments", twice)).status == 409
    assert (await api("GET", "/departments/new.example")).status == 404
    made = await api("POST", "/departments", {"name": "New", "domains": ["new.example", "новый.example"]})
    assert made.body["domains"] == ["new.example", "новый.example"]
    assert (await api("POST", "/people", {"address": "иванов@новый.example"})).body[
        "address"
    ] == "иванов@новый.example"
    assert (await api("PATCH", "/departments/new.example", {"address_book": "everybody"})).body[
        "address_book"
    ] == "everybody"


async def test_acts_are_a_chain_without_secrets(api: Api) -> None:
    await api("PUT", at("/people", PETROVA) + "/password", {"password": "very-secret-1"})
    await api("POST", at("/people", PETROVA) + "/suspend", {})
    await api("POST", at("/people", PETROVA) + "/restore", {})
    acts = (await api("GET", "/acts?domain=digital.example&limit=3")).body["acts"]
    assert [each["verb"] for each in acts] == ["people.restore", "people.suspend", "people.password"]
    assert {each["actor"] for each in acts} == {ADMIN}
    assert acts[2]["arguments"] == {"address": PETROVA, "password": "***"}


async def test_what_somebody_has_and_what_waits(api: Api) -> None:
    password = (await api("POST", at("/people", PETROVA) + "/app-passwords", {"name": "phone"})).body[
        "password"
    ]
    assert await api.world.directory.auth.login("imap", "127.0.0.1", True, PETROVA, password)
    devices = (await api("GET", at("/people", PETROVA) + "/devices")).body
    assert [each["name"] for each in devices["app_passwords"]] == ["phone"]
    assert (await api("DELETE", at("/people", PETROVA) + "/app-passwords/phone")).status == 200
    assert (await api("DELETE", at("/people", PETROVA) + "/app-passwords/phone")).status == 404
    assert (await api("DELETE", at("/people", PETROVA) + "/devices/none")).status == 404
    assert (await api("PUT", at("/quota", PETROVA), {"quota": 12345})).body["quota"] == 12345
    assert (await api("PUT", at("/holds", PETROVA), {"reason": "case 7"})).body == {
        "address": PETROVA,
        "held": True,
    }
    assert (await api("GET", "/holds")).body["holds"][0]["reason"] == "case 7"
    assert (await api("DELETE", at("/holds", PETROVA))).status == 200
    assert (await api("DELETE", at("/holds", PETROVA))).status == 404
    for id_ in ("1", "x", "f" * 16):
        assert (await api("GET", f"/queue/{id_}")).status == 404
    room = await api("POST", "/rooms", {"address": "blue@digital.example", "capacity": 8})
    assert room.body["kind"] == "room"
    assert (await api("PATCH", at("/rooms", "blue@digital.example"), {"capacity": 9})).body["capacity"] == 9
    assert (await api("DELETE", at("/rooms", "blue@digital.example"))).status == 200
    who = await api("PUT", "/departments/digital.example/invitations", {"who": "people"})
    assert who.body["allowed"] == "people"
    invited = await api("POST", "/invitations", {"inviter": PETROVA, "name": "guest"})
    assert invited.body["path"].startswith("/invite/")
    opened = (await api("GET", "/departments/digital.example/invitations")).body
    assert opened["invitations"][0]["account"] == "guest@digital.example"
    alias = await api("POST", at("/aliases", PETROVA), {"alias": "ann@digital.example"})
    assert alias.body["aliases"] == ["ann@digital.example"]
    assert (await api("DELETE", at("/aliases", PETROVA) + "/ann%40digital.example")).body["aliases"] == []
    assert (await api("DELETE", at("/aliases", PETROVA) + "/ann%40digital.example")).status == 404


async def test_the_answer_names_its_id_where_something_was_done_or_refused(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    shown = await api("GET", at("/people", PETROVA))
    assert "X-Request-Id" not in shown.headers
    caplog.set_level("INFO", "armgs_server")
    numbers = set()
    for method, path, body in (
        ("PATCH", at("/people", PETROVA), {"name": "Петрова"}),
        ("GET", at("/people", "nobody@digital.example"), None),
        ("PATCH", at("/people", PETROVA), {"none": 1}),
    ):
        numbers.add((await api(method, path, body)).headers["X-Request-Id"])
    assert len(numbers) == 3 and all(trace_id.parse(number) == number for number in numbers)
