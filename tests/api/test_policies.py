# SPDX-License-Identifier: Apache-2.0
"""Policies of departments: who may set them, what follows at once, and that every way of a password obeys."""

from __future__ import annotations

from armgs_server.storage import accounts
from tests.api.conftest import ADMIN, FINANCE, Api, at
from tests.world import PETROVA, SIDOROV

DIGITAL, OURS = "/departments/digital.example/policy", "/departments/finance.example/policy"


async def quota(api: Api, address: str) -> int:
    person = await api.world.directory.by_address(address)
    assert person is not None
    return (await api.world.store.read(lambda tx: accounts.usage(tx, person.id))).quota


async def test_a_quota_is_that_of_everybody_who_had_the_former_one(api: Api) -> None:
    before = await quota(api, PETROVA)
    await api("PUT", at("/quota", ADMIN), {"quota": 5})
    changed = await api("PATCH", DIGITAL, {"person_quota": 1000})
    assert changed.status == 200 and changed.body["own"] == ["person_quota"]
    assert (await quota(api, PETROVA), await quota(api, ADMIN), await quota(api, SIDOROV)) == (
        1000,
        5,
        before,
    )
    made = await api("POST", "/people", {"address": "new@digital.example"})
    assert made.body["quota"] == 1000
    back = await api("PATCH", DIGITAL, {"inherit": ["person_quota"]})
    assert (back.body["own"], back.body["person_quota"]) == ([], before)
    assert await quota(api, PETROVA) == before


async def test_one_department_may_ask_for_more_and_never_for_less(api: Api) -> None:
    shown = (await api("GET", OURS, as_=FINANCE)).body
    assert (shown["password_length"], shown["second_factor"], shown["own"]) == (8, "nobody", [])
    more = await api("PATCH", OURS, {"password_length": 12, "password_history": 5}, as_=FINANCE)
    assert (more.status, more.body["password_length"]) == (200, 12)
    assert (await api("PATCH", OURS, {"password_length": 7}, as_=FINANCE)).status == 403
    assert (await api("PATCH", OURS, {"person_quota": 0}, as_=FINANCE)).status == 403
    assert (await api("GET", DIGITAL, as_=FINANCE)).status == 404
    assert (await api("PATCH", DIGITAL, {"password_length": 12}, as_=FINANCE)).status == 404
    assert (await api("PATCH", OURS, {"password_length": 7})).status == 200  # for who has all of them
    for wrong in (
        {"password_length": 0},
        {"second_factor": "some"},
        {"password_history": 25},
        {"inherit": ["domain"]},
        {"password_days": 1, "inherit": ["password_days"]},
    ):
        assert (await api("PATCH", OURS, wrong)).status == 400, wrong


async def test_a_password_by_the_api_obeys(api: Api) -> None:
    await api("PATCH", DIGITAL, {"password_length": 12, "password_history": 3})
    path = f"{at('/people', PETROVA)}/password"
    refused = await api("PUT", path, {"password": "eleven char"})
    assert refused.status == 400 and "at least 12 characters" in refused.body["detail"]
    assert (await api("PUT", path, {"password": "twelve chars"})).status == 200
    assert (await api("PUT", path, {"password": "twelve again"})).status == 200
    again = await api("PUT", path, {"password": "twelve chars"})
    assert again.status == 400 and "used before" in again.body["detail"]
    new = {"address": "new@digital.example", "password": "eleven char"}
    assert (await api("POST", "/people", new)).status == 400
    # What is another department's says nothing of its rules.
    hidden = await api("PUT", path, {"password": "x"}, as_=FINANCE)
    assert hidden.status == 404
