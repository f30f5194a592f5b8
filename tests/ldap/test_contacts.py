# SPDX-License-Identifier: Apache-2.0
"""Outside contacts over LDAP: beside people, found by address, not to be bound as."""

from __future__ import annotations

from armgs_server.directory import contacts
from tests.ldap.client import BASE, Client
from tests.world import IVANOV, PASSWORD, SIDOROV, World

DIGITAL = "dc=digital,dc=example"


async def test_a_contact_is_found_by_who_may_see_the_department(world: World) -> None:
    department = world.directory.domains["digital.example"]
    made = await world.directory.apply(
        lambda tx: contacts.create(
            tx,
            department,
            "Боб Строитель",
            ["bob@partner.example", "b@home.example"],
            data={"organisation": "Партнёр", "telephone": "+7 495 777", "given": "Боб"},
        )
    )
    ivanov = await world.directory.by_address(IVANOV)
    assert ivanov is not None
    await world.directory.create_group("ring@digital.example", "Ring", [ivanov.id, made.id])
    dn = f"uid=contact-{made.id},ou=contacts,{DIGITAL}"
    async with Client(world) as client:
        assert (await client.bind()).code == 0
        for wanted in ("(mail=bob@partner.example)", "(mail=B@home.example)", "(cn=боб*)", "(o=партнёр)"):
            answer = await client.search(wanted, base=DIGITAL)
            assert answer.names == [f"contact-{made.id}"], wanted
        answer = await client.search("(objectClass=inetOrgPerson)", base=dn, scope=BASE)
        assert answer.entries[dn] == {
            "objectClass": ["top", "person", "organizationalPerson", "inetOrgPerson"],
            "cn": ["Боб Строитель"],
            "uid": [f"contact-{made.id}"],
            "mail": ["bob@partner.example", "b@home.example"],
            "telephoneNumber": ["+7 495 777"],
            "o": ["Партнёр"],
            "sn": ["Боб Строитель"],
            "givenName": ["Боб"],
            "displayName": ["Боб Строитель"],
        }
        group = f"uid=ring@digital.example,ou=groups,{DIGITAL}"
        answer = await client.search("(objectClass=*)", "member", base=group, scope=BASE)
        assert answer.entries[group]["member"] == [f"uid={IVANOV},ou=people,{DIGITAL}", dn]
        assert (await client.search("(jabberID=bob@partner.example)", base=DIGITAL)).names == []
    async with Client(world) as client:
        assert (await client.bind(dn, PASSWORD)).code == 49
    async with Client(world) as client:
        await client.bind(SIDOROV)
        assert (await client.search("(mail=bob@partner.example)", base="")).names == []
