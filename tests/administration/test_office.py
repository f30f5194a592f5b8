# SPDX-License-Identifier: Apache-2.0
"""Every verb, on both engines: what it answers, that its preview does nothing, that its act is written."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from armgs_server.administration import TABLE, Office
from armgs_server.directory import Principal, access
from armgs_server.directory.administrators import set_administrators
from armgs_server.directory.model import INTERNAL
from armgs_server.directory.second_factor import SecondFactor
from armgs_server.errors import AlreadyExists, Conflict, Denied, Invalid, NotFound
from armgs_server.storage import accounts, acts, clock, collections, queue, webauthn
from armgs_server.storage.tx import Tx
from armgs_server.storage.webauthn import Credential as SecurityKey
from tests.directory.conftest import Workplace

IVANOV, PETROVA, NEW = "ivanov@digital.example", "petrova@digital.example", "new@digital.example"
DIGITAL = "digital.example"


class Teller:
    """Does verbs, and keeps which."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.done: set[str] = set()

    async def __call__(self, verb: str, /, **given: Any) -> Any:
        """First as a preview, where there is one: it answers the same and changes nothing."""
        step = self.office.step(verb, given)
        shown = None
        if step.verb.has_preview:
            [shown], _ = await self.office.preview([step])
        result = await self.office.run(verb, given)
        if shown is not None and verb != "app-passwords.add":
            assert isinstance(shown, dict) and shown.keys() == result.keys()
        self.done.add(verb)
        return result


@pytest.fixture
def tell(workplace: Workplace) -> Teller:
    return Teller(Office.general(workplace.directory, "tester"))


async def enqueue(workplace: Workplace, owner: int) -> str:
    ref = workplace.store.blobs.small(b"Subject: x\r\n\r\nx\r\n")
    day = clock.DAY

    async def work(tx: Tx) -> None:
        destination = queue.Destination("someone@elsewhere.example", "elsewhere.example", {})
        await queue.enqueue(
            tx,
            ref,
            [destination],
            owner=owner,
            sender=IVANOV,
            now=clock.now(),
            lifetime=day,
            due=clock.now() + day,
        )

    await workplace.store.write(work)
    [entry] = await workplace.store.read(lambda tx: queue.scan(tx, limit=10))
    return f"{entry.id:x}"


async def test_every_verb_on_both_engines(workplace: Workplace, tell: Teller) -> None:
    await people_and_devices(tell)
    await sign_in_and_keys(workplace, tell)
    await tree_and_posts(workplace, tell)
    await groups_and_rooms(tell)
    await what_is_kept(workplace, tell)
    await tokens_of_programs(tell)
    assert tell.done == TABLE.keys()
    written = await workplace.store.read(lambda tx: acts.page(tx, workplace.digital.id))
    assert {each.verb for each in written} >= {
        "people.create",
        "units.change",
        "posts.appoint",
        "invitations.create",
    }
    assert acts.first_broken(written, acts.NO_HASH, 1) is None
    about_all = await workplace.store.read(lambda tx: acts.page(tx, acts.WHOLE))
    assert [each.verb for each in about_all] == ["oauth-keys.rotate"] * 2


async def people_and_devices(tell: Teller) -> None:
    await tell("people.create", address=NEW, name="New", password="password-of-new", data={"a": "1"})
    listed = await tell("people.list", domain=DIGITAL, limit=2)
    assert len(listed["people"]) == 2
    after = await tell("people.list", after=listed["people"][-1]["number"])
    assert NEW in [each["address"] for each in after["people"]]
    assert (await tell("people.change", address=NEW, data={"a": None}))["data"] == {}
    assert (await tell("people.show", address=NEW))["name"] == "New"
    await tell("people.password", address=NEW, password="another-password")
    await tell("aliases.add", address=NEW, alias=f"alias@{DIGITAL}")
    await tell("aliases.remove", address=NEW, alias=f"alias@{DIGITAL}")
    made = await tell("app-passwords.add", address=NEW, name="phone")
    assert len(made["password"]) > 16
    assert [each["name"] for each in (await tell("devices.list", address=NEW))["app_passwords"]] == ["phone"]
    await tell("app-passwords.remove", address=NEW, name="phone")
    with pytest.raises(NotFound):
        await tell("devices.remove", address=NEW, device="x")
    tell.done.add("devices.remove")
    await tell("invitations.allow", domain=DIGITAL, who="people")
    await tell("invitations.create", inviter=PETROVA, name="guest")
    assert len((await tell("invitations.list", domain=DIGITAL))["invitations"]) == 1
    await tell("people.suspend", address=NEW, successor=PETROVA)
    await tell("people.restore", address=NEW)
    assert (await tell("people.remove", address=NEW, successor=PETROVA))["estate"]


async def sign_in_and_keys(workplace: Workplace, tell: Teller) -> None:
    """security-keys, second-factor, oauth-keys."""
    petrova, now = workplace.petrova, clock.now()

    async def register(name: str) -> None:
        kept = SecurityKey(petrova.id, name.encode(), name, b"key", 0, 0, "usb", now, 0)
        await workplace.store.write(lambda tx: webauthn.add(tx, kept))

    for name in ("token", "laptop"):
        await register(name)
    [first, _] = (await tell("security-keys.list", address=PETROVA))["security_keys"]
    assert first["transports"] == "usb" and first["last_used"] == ""
    finance = Office(workplace.directory, "other", frozenset((workplace.finance.id,)), None)
    for verb in ("security-keys.list", "second-factor.reset"):
        with pytest.raises(NotFound):
            await finance.run(verb, {"address": PETROVA})
    await tell("security-keys.remove", address=PETROVA, name="token")
    with pytest.raises(NotFound):
        await tell("security-keys.remove", address=PETROVA, name="token")
    factor = SecondFactor(workplace.directory)
    assert await factor.is_on(petrova)
    await tell("second-factor.reset", address=PETROVA)
    assert not await factor.is_on(petrova)
    with pytest.raises(NotFound):
        await tell("second-factor.reset", address=PETROVA)
    assert (await tell("oauth-keys.list"))["oauth_keys"] == []
    made = await tell("oauth-keys.rotate")
    assert (await tell("oauth-keys.list"))["oauth_keys"] == [made]
    assert (await tell("oauth-keys.rotate", at_once=True))["id"] != made["id"]
    for verb in ("oauth-keys.list", "oauth-keys.rotate"):
        with pytest.raises(Denied):
            await finance.run(verb, {})


async def tree_and_posts(workplace: Workplace, tell: Teller) -> None:
    await tell("departments.create", name="Third", domains=["third.example"])
    await tell("departments.add-domain", domain="third.example", new="fourth.example")
    shown = await tell("departments.change", domain="third.example", name="3", quota=5, address_book="nobody")
    assert (shown["name"], shown["quota"], shown["address_book"]) == ("3", 5, "nobody")
    await tell("departments.change", domain=DIGITAL, administrators=[IVANOV])
    assert (await tell("departments.show", domain=DIGITAL))["administrators"] == [IVANOV]
    assert len((await tell("departments.list"))["departments"]) == 3
    changed = await tell("policies.change", domain="third.example", person_quota=7, password_length=12)
    assert (changed["person_quota"], changed["own"]) == (7, ["password_length", "person_quota"])
    await tell("policies.change", domain="third.example", inherit=["person_quota"])
    assert (await tell("policies.show", domain="third.example"))["own"] == ["password_length"]
    await tell("departments.remove", domain="third.example")
    unit = (await tell("units.create", domain=DIGITAL, name="Unit", parent=workplace.tests.id))["number"]
    await tell("units.change", unit=unit, name="Renamed", parent=0)
    assert (await tell("units.move-people", unit=workplace.web.id, into=unit))["moved"] == 2
    assert len((await tell("units.show", unit=unit))["people"]) == 2
    assert len((await tell("units.list"))["units"]) == 3
    post = (await tell("posts.create", domain=DIGITAL, name="Lead", address=f"lead@{DIGITAL}", mailbox=True))[
        "number"
    ]
    for verb, given in (("groups.remove", {}), ("groups.change", {"name": "X"})):
        with pytest.raises(Invalid, match="is a post"):  # its holders would keep what follows from it
            await tell(verb, address=f"lead@{DIGITAL}", **given)
    await tell("posts.change", post=post, unit=unit, head=True, deputies=[PETROVA])
    await tell("posts.appoint", post=post, person=IVANOV, starts="2026-01-01", ends="2126-01-01")
    assert (await tell("posts.show", post=post))["terms"][0]["current"]
    assert len((await tell("posts.list", domain=DIGITAL))["posts"]) == 1
    assert (await tell("units.move-people", unit=unit, into=workplace.web.id))["stayed"] == 1
    await tell("posts.relieve", post=post, person=IVANOV)
    await tell("posts.remove", post=post)
    await tell("people.change", address=IVANOV, unit=0)
    await tell("units.remove", unit=unit)


async def groups_and_rooms(tell: Teller) -> None:
    group = f"all@{DIGITAL}"
    await tell("groups.create", address=group, members=[IVANOV])
    assert (await tell("groups.change", address=group, name="All", add=[PETROVA], remove=[IVANOV]))[
        "members"
    ] == [PETROVA]
    await tell("groups.rule", address=group, post="*lead*")
    assert (await tell("groups.show", address=group))["by_rule"]
    await tell("groups.rule", address=group)
    assert group in [each["address"] for each in (await tell("groups.list"))["groups"]]
    await tell("groups.remove", address=group)
    await tell("calendars.create", domain=DIGITAL, calendar="Праздники")
    await tell("calendars.create", domain=DIGITAL, calendar="Web", source="webcal://a.example/h.ics")
    listed = (await tell("calendars.list"))["calendars"]
    assert [(each["calendar"], each["source"]) for each in listed] == [
        ("Web", "https://a.example/h.ics"),
        ("Праздники", ""),
    ]
    await tell("calendars.remove", domain=DIGITAL, calendar="Web")
    made = await tell(
        "contacts.create", domain=DIGITAL, mails=["Bob@Partner.example"], organisation="Partner"
    )
    assert (made["name"], made["mails"]) == ("bob@partner.example", ["bob@partner.example"])
    contact = made["number"]
    await tell("contacts.change", contact=contact, name="Bob", telephone="1", organisation="")
    shown = await tell("contacts.show", contact=contact)
    assert (shown["name"], shown["telephone"], shown["organisation"]) == ("Bob", "1", "")
    assert [each["number"] for each in (await tell("contacts.list"))["contacts"]] == [contact]
    group = await tell("groups.create", address=f"ring@{DIGITAL}", members=["bob@partner.example", IVANOV])
    assert (group["members"], group["contacts"]) == ([IVANOV], ["bob@partner.example"])
    await tell("groups.change", address=f"ring@{DIGITAL}", remove=["bob@partner.example"])
    assert (await tell("groups.show", address=f"ring@{DIGITAL}"))["contacts"] == []
    await tell("contacts.remove", contact=contact)
    assert (await tell("contacts.list"))["contacts"] == []
    await tell("rooms.create", address=f"blue@{DIGITAL}", capacity=4)
    await tell("rooms.change", address=f"blue@{DIGITAL}", name="Blue", capacity=5)
    assert (await tell("rooms.show", address=f"blue@{DIGITAL}"))["capacity"] == 5
    await tell("rooms.create", address=f"car@{DIGITAL}", kind="equipment")
    assert len((await tell("rooms.list"))["rooms"]) == 2
    await tell("rooms.remove", address=f"car@{DIGITAL}")


async def what_is_kept(workplace: Workplace, tell: Teller) -> None:
    await tell("quota.set", address=PETROVA, quota=77)
    assert (await tell("quota.show", address=PETROVA))["quota"] == 77
    await tell("holds.put", address=PETROVA, reason="why")
    assert [each["address"] for each in (await tell("holds.list"))["holds"]] == [PETROVA]
    with pytest.raises(Conflict):
        await tell("people.remove", address=PETROVA)
    await tell("holds.lift", address=PETROVA)
    id_ = await enqueue(workplace, workplace.ivanov.id)
    assert len((await tell("queue.list", sender=IVANOV))["messages"]) == 1
    for action in ("hold", "release", "retry"):
        await tell("queue.change", id=id_, action=action)
    assert (await tell("queue.show", id=id_))["held"] is False
    other = Office(workplace.directory, "other", frozenset((workplace.finance.id,)), None)
    assert (await other.run("queue.list", {}))["messages"] == []
    with pytest.raises(NotFound):
        await other.run("queue.cancel", {"id": id_})
    await tell("queue.cancel", id=id_, report=True)
    assert (await tell("acts.list", domain=DIGITAL, limit=1))["acts"][0]["verb"] == "queue.cancel"


async def tokens_of_programs(tell: Teller) -> None:
    made = await tell("tokens.create", name="x", scopes=["people:read", "units"], domains=[DIGITAL], days=5)
    [listed] = (await tell("tokens.list"))["tokens"]
    assert (listed["scopes"], listed["domains"]) == (["people:read", "units"], [DIGITAL])
    assert made["token"].startswith(f"armgs_{listed['id']}_")
    await tell("tokens.revoke", id=made["id"])


async def test_offices(workplace: Workplace) -> None:
    directory = workplace.directory
    with pytest.raises(Denied):
        await Office.of(directory, workplace.petrova)
    await set_administrators(directory, workplace.finance, [workplace.petrova.id])
    office = await Office.of(directory, workplace.petrova)
    assert (office.actor, office.departments) == (PETROVA, frozenset((workplace.finance.id,)))
    await directory.disable(workplace.petrova.id)
    gone = await directory.by_id(workplace.petrova.id)
    assert isinstance(gone, Principal)
    with pytest.raises(Denied):
        await Office.of(directory, gone)


async def test_nobody_gets_at_who_administers_more(workplace: Workplace) -> None:
    """Whoever can set an administrator's password, or join a group of administrators, would be one."""
    directory, digital = workplace.directory, workplace.digital
    security = dataclasses.replace(directory.config.security, administrators=(IVANOV, f"chiefs@{DIGITAL}"))
    directory.config = dataclasses.replace(directory.config, security=security)
    orlov = workplace.orlov
    await set_administrators(directory, workplace.finance, [orlov.id])
    tell = Teller(Office.general(directory, "tester"))
    await tell("groups.create", address=f"chiefs@{DIGITAL}")
    await tell("groups.create", address=f"inner@{DIGITAL}")
    await tell("groups.change", address=f"chiefs@{DIGITAL}", add=[f"inner@{DIGITAL}"])
    office = Office(directory, "of digital", frozenset((digital.id,)), None)
    password = {"password": "ein langes Kennwort"}
    for address in (IVANOV, orlov.address):
        for verb, given in (
            ("people.password", password),
            ("people.suspend", {}),
            ("people.remove", {}),
            ("app-passwords.add", {"name": "x"}),
            ("second-factor.reset", {}),
        ):
            with pytest.raises(Denied, match="administers more"):
                await office.run(verb, {"address": address, **given})
    for group in ("chiefs", "inner"):
        with pytest.raises(Denied, match="administers more"):
            await office.run("groups.change", {"address": f"{group}@{DIGITAL}", "add": [PETROVA]})
    await office.run("people.password", {"address": PETROVA, **password})
    await tell("people.password", address=IVANOV, **password)


async def test_several_at_once_or_none(workplace: Workplace, tell: Teller) -> None:
    office = tell.office
    made = office.step("groups.create", {"address": f"one@{DIGITAL}"})
    with pytest.raises(AlreadyExists):
        await office.run_all([made, made])
    assert await workplace.directory.by_address(f"one@{DIGITAL}") is None
    assert len(await office.run_all([made, office.step("groups.remove", {"address": f"one@{DIGITAL}"})])) == 2
    for wrong in ([], [office.step("people.list", {})], [made] * 1001):
        with pytest.raises(Invalid):
            await office.run_all(wrong)
    with pytest.raises(NotFound):
        office.step("nothing", {})


async def test_what_a_removed_department_owned_is_gone(workplace: Workplace, tell: Teller) -> None:
    made = await tell("departments.create", name="Third", domains=["third.example"])
    await tell("departments.remove", domain="third.example")
    with pytest.raises(NotFound):
        await workplace.store.read(lambda tx: accounts.usage(tx, made["number"]))
    kept = await workplace.store.read(lambda tx: acts.page(tx, made["number"]))
    assert [each.verb for each in kept] == ["departments.create", "departments.remove"]


@pytest.mark.parametrize("key", sorted(INTERNAL))
async def test_what_the_directory_keeps_of_a_person_is_no_attribute(workplace: Workplace, key: str) -> None:
    """The units and rights of others would be had by writing their numbers there."""
    office = Office(workplace.directory, "other", frozenset((workplace.finance.id,)), None)
    person = workplace.sidorov.address
    for value in (str(workplace.digital.id), None):
        with pytest.raises(Invalid):
            await office.run("people.change", {"address": person, "data": {key: value}})
    with pytest.raises(Invalid):
        await office.run("people.create", {"address": "new@finance.example", "data": {key: "1"}})
    assert await workplace.directory.by_address("new@finance.example") is None
    found = await workplace.directory.by_address(person)
    assert found is not None and key not in found.data
    assert workplace.digital.id not in await workplace.directory.groups_of(found)


async def test_a_preview_tells_nothing_of_another_department(workplace: Workplace, tell: Teller) -> None:
    """Its lists, its rights and calendars, and who of its people is in a list of one's own."""
    own, foreign = f"all@{DIGITAL}", "all@finance.example"
    await tell("groups.create", address=own, members=[IVANOV, PETROVA, workplace.sidorov.address])
    await tell("groups.create", address=foreign, members=[PETROVA])

    async def share(tx: Tx) -> None:
        calendar = await collections.by_role(tx, workplace.sidorov.id, "calendar", "default")
        assert calendar is not None
        await access.put_grant(tx, calendar, workplace.petrova.id, access.READ_ONLY)

    await workplace.store.write(share)
    for departments, is_told in ((None, True), (frozenset((workplace.digital.id,)), False)):
        office = Office(workplace.directory, "other", departments, None)
        shown = ""
        for verb, address in (("people.remove", PETROVA), ("groups.remove", own)):
            _, effects = await office.preview([office.step(verb, {"address": address})])
            shown += str(effects.as_json())
        assert own in shown and IVANOV in shown
        assert ("finance.example" in shown) == is_told
