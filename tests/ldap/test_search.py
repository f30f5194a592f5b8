# SPDX-License-Identifier: Apache-2.0
"""Search and compare (RFC 4511 §4.5, §4.10), paged (RFC 2696), over a real socket."""

from __future__ import annotations

import pytest

from tests.ldap.client import BASE, ONE, SUB, Client, control, octets, paged, search, tlv
from tests.world import IVANOV, SIDOROV, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

DIGITAL = "dc=digital,dc=example"
PEOPLE = f"ou=people,{DIGITAL}"
KUZNETSOV = f"uid=kuznetsov@digital.example,{PEOPLE}"
SMIRNOVA = f"uid=smirnova@digital.example,{PEOPLE}"
EVERYBODY = ["ivanov@digital.example", "petrova@digital.example", "kuznetsov@digital.example",
             "smirnova@digital.example"]  # fmt: skip


async def names(world: World, wanted: str, *attributes: str, **options: object) -> list[str]:
    async with Client(world) as client:
        assert (await client.bind()).code == 0
        answer = await client.search(wanted, *attributes, **options)  # type: ignore[arg-type]
        assert answer.code == 0, answer
        return answer.names


async def one(world: World, dn: str, *attributes: str) -> dict[str, list[str]]:
    async with Client(world) as client:
        await client.bind()
        answer = await client.search("(objectClass=*)", *attributes, base=dn, scope=BASE)
        assert answer.code == 0, answer
        assert [*answer.entries] == [dn]
        return answer.entries[dn]


async def test_a_person(ministry: World) -> None:
    assert await one(ministry, KUZNETSOV) == {
        "objectClass": ["top", "person", "organizationalPerson", "inetOrgPerson", "jabberUser"],
        "cn": ["Кузнецов Пётр Ильич"],
        "uid": ["kuznetsov@digital.example", "kuznetsov"],
        "mail": ["kuznetsov@digital.example", "chief@digital.example"],
        "title": ["Главный бухгалтер"],
        "telephoneNumber": ["+7 495 123-45-67"],
        "o": ["Digital"],
        "sn": ["Кузнецов"],
        "givenName": ["Пётр"],
        "displayName": ["Кузнецов Пётр Ильич"],
        "jabberID": ["kuznetsov@digital.example"],
        "ou": ["Бухгалтерия"],
    }


async def test_operational_attributes_come_when_asked_for(ministry: World) -> None:
    entry = await one(ministry, SMIRNOVA, "+")
    assert entry["entryDN"] == [SMIRNOVA]
    assert entry["structuralObjectClass"] == ["inetOrgPerson"]
    assert entry["hasSubordinates"] == ["FALSE"]
    assert entry["subschemaSubentry"] == ["cn=subschema"]
    groups = [name.partition(",")[0] for name in entry["memberOf"]]
    assert groups == [
        "uid=unit-6",
        "uid=unit-7",
        "uid=payroll@digital.example",
        "uid=books@digital.example",
    ]
    assert "cn" not in entry
    wanted = f"(entryUUID={entry['entryUUID'][0]})"
    assert await names(ministry, wanted) == ["smirnova@digital.example"]
    assert await names(ministry, "(entryUUID=nonsense)") == []


async def test_the_manager_is_the_next_head_above(ministry: World) -> None:
    assert (await one(ministry, SMIRNOVA, "manager"))["manager"] == [KUZNETSOV]
    assert await one(ministry, KUZNETSOV, "manager") == {}
    assert await names(ministry, f"(manager={KUZNETSOV})") == ["smirnova@digital.example"]


async def test_groups_and_units_have_members(ministry: World) -> None:
    group = await one(ministry, f"uid=books@digital.example,ou=groups,{DIGITAL}")
    assert group == {
        "objectClass": ["top", "groupOfNames", "extensibleObject"],
        "cn": ["Бухгалтеры"],
        "uid": ["books@digital.example", "books"],
        "mail": ["books@digital.example"],
        "o": ["Digital"],
        "member": [KUZNETSOV, SMIRNOVA],  # the nested group opened, who is disabled left out
    }
    unit = await one(ministry, f"uid=unit-6,ou=units,{DIGITAL}", "cn", "member", "owner")
    assert unit == {"cn": ["Бухгалтерия"], "member": [KUZNETSOV, SMIRNOVA], "owner": [KUZNETSOV]}
    unit = await one(ministry, f"uid=unit-7,ou=units,{DIGITAL}", "seeAlso")
    assert unit == {"seeAlso": [f"uid=unit-6,ou=units,{DIGITAL}"]}
    empty = f"uid=empty@digital.example,ou=groups,{DIGITAL}"
    assert (await one(ministry, empty, "member"))["member"] == [empty]  # RFC 4519 §3.5: one at least


async def test_rooms_and_equipment(ministry: World) -> None:
    room = await one(ministry, f"uid=hall@digital.example,ou=rooms,{DIGITAL}", "cn", "mail", "objectClass")
    assert room == {
        "cn": ["Большой зал"],
        "mail": ["hall@digital.example"],
        "objectClass": ["top", "room", "extensibleObject"],
    }
    assert await names(ministry, "(objectClass=device)") == ["car@digital.example"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("(cn=*ов*)", ["ivanov@digital.example", "petrova@digital.example", *EVERYBODY[2:]]),
        ("(cn=кузнецов*)", ["kuznetsov@digital.example"]),
        ("(cn=*ильич)", ["kuznetsov@digital.example"]),
        ("(cn=куз*пётр*ич)", ["kuznetsov@digital.example"]),
        ("(cn=*ич*куз*)", []),
        ("(sn=Смирнова)", ["smirnova@digital.example"]),
        ("(givenName=алена)", ["smirnova@digital.example"]),  # е is ё
        ("(uid=ivanov)", ["ivanov@digital.example"]),
        ("(uid=IVANOV@digital.example)", ["ivanov@digital.example"]),
        ("(mail=chief@digital.example)", ["kuznetsov@digital.example"]),
        ("(mail=nobody@digital.example)", []),
        ("(jabberID=smirnova@digital.example)", ["smirnova@digital.example"]),
        ("(telephoneNumber=74951234567)", ["kuznetsov@digital.example"]),
        ("(telephoneNumber=*123-45*)", ["kuznetsov@digital.example"]),
        ("(mobile=*9160001122)", ["smirnova@digital.example"]),
        ("(telephoneNumber=*abc*)", []),
        ("(title~=бухгалтер главный)", ["kuznetsov@digital.example"]),
        ("(ou=расчётный отдел)", ["unit-7", "smirnova@digital.example"]),
        ("(&(objectClass=person)(cn=*бухг*))", []),
        ("(&(objectClass=inetOrgPerson)(|(cn=*алён*)(mail=*kuzn*)))", EVERYBODY[2:]),
        ("(&(objectClass=person)(!(title=*)))", EVERYBODY[:2]),
        ("(&(objectClass=person)(!(noSuchThing=x)))", []),  # not Undefined is Undefined
        ("(|(noSuchThing=x)(uid=ivanov))", ["ivanov@digital.example"]),
        ("(&(objectClass=person)(sn>=п))", ["petrova@digital.example", "smirnova@digital.example"]),
        ("(&(objectClass=person)(sn<=и))", []),
        ("(&(uid=ivanov)(&))", ["ivanov@digital.example"]),  # RFC 4526
        ("(&(uid=ivanov)(|))", []),
        ("(cn:caseIgnoreMatch:=кузнецов пётр ильич)", ["kuznetsov@digital.example"]),
        ("(cn:2.5.13.2:=КУЗНЕЦОВ  Пётр Ильич)", ["kuznetsov@digital.example"]),
        ("(cn:9.9.9:=x)", []),
        ("(&(uid=ivanov)(ou:dn:=people))", ["ivanov@digital.example"]),
        (f"(memberOf=uid=books@digital.example,ou=groups,{DIGITAL})", EVERYBODY[2:]),
        (f"(memberOf=UID=Payroll@digital.example, ou=groups,{DIGITAL})", ["smirnova@digital.example"]),
        (f"(memberOf=uid=unit-6,ou=units,{DIGITAL})", EVERYBODY[2:]),
        (f"(memberOf=uid=ivanov@digital.example,{PEOPLE})", []),
        (f"(memberOf=uid=nothing,ou=groups,{DIGITAL})", []),
        ("(memberOf=nonsense)", []),
        (f"(member={KUZNETSOV})", ["unit-6", "books@digital.example"]),
        ("(cn=ушедший глеб)", []),
        ("(cn=*\\2a*)", []),
        ("(cn=\\ff\\fe)", []),
        ("(dc=digital)", ["digital"]),
    ],
)
async def test_filters(ministry: World, wanted: str, found: list[str]) -> None:
    assert await names(ministry, wanted) == found


async def test_scopes(ministry: World) -> None:
    folders = ["people", "units", "groups", "rooms", "equipment", "contacts"]
    assert await names(ministry, "(objectClass=*)", scope=BASE) == ["digital"]
    assert await names(ministry, "(objectClass=*)", scope=ONE) == folders
    assert await names(ministry, "(objectClass=*)", base=PEOPLE, scope=BASE) == ["people"]
    assert await names(ministry, "(objectClass=*)", base=PEOPLE, scope=ONE) == EVERYBODY
    assert await names(ministry, "(objectClass=*)", base=PEOPLE) == ["people", *EVERYBODY]
    assert await names(ministry, "(objectClass=*)", base=KUZNETSOV) == ["kuznetsov@digital.example"]
    assert await names(ministry, "(objectClass=*)", base=KUZNETSOV, scope=ONE) == []
    above = await names(ministry, "(objectClass=*)", base="dc=example", scope=ONE)
    assert above == ["digital"]
    everything = await names(ministry, "(objectClass=*)", base="")
    assert everything[:7] == ["digital", *folders]
    assert set(everything[7:]) >= {*EVERYBODY, "unit-6", "books@digital.example", "hall@digital.example"}
    assert await names(ministry, "(objectClass=*)", base="", scope=ONE) == []


async def test_where_nothing_is(ministry: World) -> None:
    async with Client(ministry) as client:
        await client.bind()
        for base, matched in (
            ("dc=nowhere", ""),
            (f"ou=cellar,{DIGITAL}", DIGITAL),
            (f"uid=nobody@digital.example,{PEOPLE}", PEOPLE),
            (f"uid=chief@digital.example,{PEOPLE}", PEOPLE),  # an alias is no name
            (f"uid=gone@digital.example,{PEOPLE}", PEOPLE),
            (f"uid=ivanov@digital.example,ou=rooms,{DIGITAL}", f"ou=rooms,{DIGITAL}"),
            (f"uid=unit-99999,ou=units,{DIGITAL}", f"ou=units,{DIGITAL}"),
            (f"cn=x,{KUZNETSOV}", PEOPLE),
        ):
            answer = await client.search(base=base)
            assert (answer.code, answer.matched) == (32, matched), base  # noSuchObject
        assert (await client.search(base="dc=example", scope=BASE)).code == 32
        assert (await client.search(base="nonsense")).code == 34  # invalidDNSyntax


async def test_another_department_is_not_there(ministry: World) -> None:
    """Whoever may not read its address book finds nothing of it, by whatever question."""
    async with Client(ministry) as client:
        assert (await client.bind(SIDOROV)).code == 0
        assert (await client.search(base=KUZNETSOV)).code == 32
        assert (await client.search(base=DIGITAL)).code == 32
        answer = await client.search("(|(cn=*)(o=*))", base="")
        assert answer.names == ["finance", "sidorov@finance.example"]
        for wanted in ("(uid=ivanov@digital.example)", f"(memberOf=uid=unit-6,ou=units,{DIGITAL})"):
            assert (await client.search(wanted, base="")).entries == {}


@pytest.mark.asyncio(loop_scope="function")
async def test_a_department_by_its_other_domain(world: World) -> None:
    digital = await world.directory.by_address("digital.example")
    assert digital is not None
    await world.directory.add_domain(digital, "second.example")
    async with Client(world) as client:
        await client.bind()
        answer = await client.search("(uid=ivanov)", base="dc=second,dc=example")
        assert [*answer.entries] == [f"uid={IVANOV},{PEOPLE}"]


async def test_which_attributes(ministry: World) -> None:
    assert await one(ministry, KUZNETSOV, "1.1") == {}
    assert await one(ministry, KUZNETSOV, "SN", "2.5.4.42", "surname") == {
        "sn": ["Кузнецов"],
        "givenName": ["Пётр"],
    }
    assert set(await one(ministry, KUZNETSOV, "@person")) == {"objectClass", "sn", "cn", "telephoneNumber"}
    both = await one(ministry, KUZNETSOV, "*", "entryUUID")
    assert "cn" in both
    assert "entryUUID" in both
    assert "entryDN" not in both
    async with Client(ministry) as client:
        await client.bind()
        client.send(search(KUZNETSOV, BASE, "(cn=*)", ("sn",), types=True))
        assert (await client.answer()).entries == {KUZNETSOV: {"sn": []}}


async def test_the_clients_size_limit(ministry: World) -> None:
    async with Client(ministry) as client:
        await client.bind()
        answer = await client.search("(objectClass=person)", size=3)
        assert (answer.code, len(answer.entries)) == (4, 3)  # sizeLimitExceeded
        answer = await client.search("(objectClass=person)", size=4)
        assert (answer.code, len(answer.entries)) == (0, 4)


async def test_pages(ministry: World) -> None:
    async with Client(ministry) as client:
        await client.bind()
        whole = await client.search("(objectClass=*)")
        pages, cookie = [], b""
        while True:
            answer = await client.search("(objectClass=*)", controls=paged(4, cookie))
            assert answer.code == 0
            pages.append(answer.names)
            cookie = answer.cookie
            if not cookie:
                break
        assert [len(page) for page in pages[:-1]] == [4] * (len(pages) - 1)
        assert [name for page in pages for name in page] == whole.names
        first = await client.search("(objectClass=*)", controls=paged(4))
        enough = await client.search("(objectClass=*)", controls=paged(0, first.cookie))
        assert (enough.code, enough.entries, enough.cookie) == (0, {}, b"")
        second = await client.search("(objectClass=*)", size=6, controls=paged(4, first.cookie))
        assert (second.code, len(second.entries)) == (4, 2)  # the limit is for all pages together


@pytest.mark.parametrize("cookie", [b"x", b"1 2", b"1 2 x", b"-1 0 0", b"9" * 100, b"\xff 1 1"])
async def test_a_cookie_of_nobody(ministry: World, cookie: bytes) -> None:
    async with Client(ministry) as client:
        await client.bind()
        assert (await client.search(controls=paged(4, cookie))).code == 2


async def test_controls(ministry: World) -> None:
    async with Client(ministry) as client:
        await client.bind()
        answer = await client.search("(uid=ivanov)", controls=control("1.2.3", critical=True))
        assert (answer.code, answer.text) == (12, "1.2.3")  # unavailableCriticalExtension
        assert (await client.search("(uid=ivanov)", controls=control("1.2.3"))).code == 0
        manage = control("2.16.840.1.113730.3.4.2", critical=True)
        assert (await client.search("(uid=ivanov)", controls=manage)).code == 0


async def test_compare(ministry: World) -> None:
    async with Client(ministry) as client:
        await client.bind()
        for dn, attribute, value, code in (
            (KUZNETSOV, "sn", "кузнецов", 6),
            (KUZNETSOV, "sn", "Иванов", 5),
            (KUZNETSOV, "memberOf", f"uid=unit-6,ou=units,{DIGITAL}", 6),
            (f"uid=books@digital.example,ou=groups,{DIGITAL}", "member", SMIRNOVA, 6),
            (f"uid=books@digital.example,ou=groups,{DIGITAL}", "member", f"uid={IVANOV},{PEOPLE}", 5),
            (KUZNETSOV, "mobile", "1", 16),  # noSuchAttribute
            (KUZNETSOV, "noSuchThing", "1", 17),  # undefinedAttributeType
            (DIGITAL, "o", "Digital", 6),
            (PEOPLE, "ou", "people", 6),
            ("dc=nowhere", "o", "x", 32),
            ("dc=example", "o", "x", 32),
        ):
            operation = tlv(0x6E, octets(dn) + tlv(0x30, octets(attribute) + octets(value)))
            assert (await client.ask(operation)).code == code, (dn, attribute, value)


@pytest.mark.asyncio(loop_scope="function")
async def test_what_has_changed_is_found_at_once(world: World) -> None:
    """In this process by its own message, without reading the rest again."""
    directory = world.directory
    async with Client(world) as client:
        await client.bind()
        assert (await client.search("(cn=*новикова*)")).names == []
        digital = directory.domains["digital.example"]
        unit = await directory.create_unit(digital, "Архив")
        made = await directory.create_person("novikova@digital.example", "Новикова Ольга", unit=unit.id)
        assert (await client.search("(cn=*новикова*)")).names == ["novikova@digital.example"]
        await directory.add_alias(made, "olga@digital.example")
        assert (await client.search("(mail=olga*)")).names == ["novikova@digital.example"]
        await directory.disable(made.id)
        assert (await client.search("(cn=*новикова*)")).names == []
        await directory.enable(made.id)
        assert (await client.search("(cn=*новикова*)", scope=SUB)).names == ["novikova@digital.example"]
        await directory.delete(made.id)
        assert (await client.search("(cn=*новикова*)")).names == []
