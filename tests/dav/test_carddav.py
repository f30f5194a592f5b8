# SPDX-License-Identifier: Apache-2.0
"""CardDAV: address books, what may be stored in them, queries, the department's book."""

from __future__ import annotations

import pytest

from armgs_server.directory import Change, Rights
from armgs_server.storage import collections
from tests.dav.calendars import BOOK, DECLARED, VCF, card, put
from tests.dav.client import NAMESPACES, Client
from tests.dav.conftest import IVANOV, PETROVA, ROOM, SIDOROV, Site

HOME = f"/dav/addressbooks/{IVANOV}/"
DEPARTMENT = HOME + "directory/"
CARDS = {
    "anna": card(
        "anna",
        "Анна Петрова",
        "N:Петрова;Анна;;;",
        "EMAIL;TYPE=WORK:anna@example.com",
        "TEL;TYPE=CELL:+7 912 1",
        "NOTE:x",
    ),
    "bob": card("bob", "Bob Stone", "item1.EMAIL;TYPE=HOME:bob@example.org", "item1.X-ABLabel:Private"),
    "carl": card("carl", "Carl\\, the Great", "NICKNAME:Karl", "EMAIL;TYPE=WORK:carl@example.org"),
    "dora": card("dora", "Dora").replace(b"VERSION:3.0", b"VERSION:4.0"),
}


async def fill(client: Client) -> None:
    for name, data in CARDS.items():
        await put(client, f"{BOOK}{name}.vcf", data)


def query(filter_: str, prop: str = "<D:getetag/>", test: str = "anyof", extra: str = "") -> str:
    return (
        f"<CR:addressbook-query {DECLARED}><D:prop>{prop}</D:prop>"
        f"<CR:filter test='{test}'>{filter_}</CR:filter>{extra}</CR:addressbook-query>"
    )


def prop(name: str, *inside: str, test: str = "anyof") -> str:
    return f"<CR:prop-filter name='{name}' test='{test}'>{''.join(inside)}</CR:prop-filter>"


def match(needle: str, kind: str = "contains", more: str = "") -> str:
    return f"<CR:text-match match-type='{kind}' {more}>{needle}</CR:text-match>"


def param(name: str, *inside: str) -> str:
    return f"<CR:param-filter name='{name}'>{''.join(inside)}</CR:param-filter>"


ABSENT = "<CR:is-not-defined/>"


@pytest.mark.parametrize(
    ("filter_", "test", "expected"),
    [
        ("", "anyof", set(CARDS)),
        (prop("FN", match("ПЕТР")), "anyof", {"anna"}),
        (prop("FN", match("петр", more="collation='i;octet'")), "anyof", set()),
        (prop("FN", match("Bob Stone", "equals")), "anyof", {"bob"}),
        (prop("FN", match("bob", "starts-with")), "anyof", {"bob"}),
        (prop("FN", match("stone", "ends-with")), "anyof", {"bob"}),
        (prop("FN", match("carl, the")), "anyof", {"carl"}),
        (prop("FN", match("a", more="negate-condition='yes'")), "anyof", {"anna", "bob"}),
        (prop("EMAIL", match("example.org")), "anyof", {"bob", "carl"}),
        (prop("EMAIL", match("example.org"), param("TYPE", match("home")), test="allof"), "anyof", {"bob"}),
        (prop("EMAIL", match("anna@"), param("TYPE", match("home"))), "anyof", {"anna", "bob"}),
        (prop("EMAIL", ABSENT), "anyof", {"dora"}),
        (prop("EMAIL", param("TYPE", ABSENT)), "anyof", set()),
        (prop("NICKNAME"), "anyof", {"carl"}),
        (
            prop("FN", match("anna"), match("анна")) + prop("NICKNAME", match("karl")),
            "anyof",
            {"anna", "carl"},
        ),
        (prop("FN", match("o")) + prop("EMAIL", match("example")), "allof", {"bob"}),
        (prop("TEL", match("912")), "anyof", {"anna"}),
        (prop("NOTE", match("x", "equals")), "anyof", {"anna"}),
        (prop("ITEM1.EMAIL", match("bob@")), "anyof", {"bob"}),
        (prop("FN", match("100%_!")), "anyof", set()),
    ],
)
async def test_queries(site: Site, filter_: str, test: str, expected: set[str]) -> None:
    await fill(site.ivanov)
    answer = await site.ivanov.request("REPORT", BOOK, query(filter_, test=test), {"Depth": "1"})
    assert answer.status == 207, answer.body
    assert {href.rpartition("/")[2].removesuffix(".vcf") for href in answer.hrefs} == expected


async def test_query_with_data_on_both_engines(both_sites: Site) -> None:
    await fill(both_sites.ivanov)
    await put(both_sites.ivanov, BOOK + "big.vcf", card("big", "Bob Big", "NOTE:" + "n" * 100_000))
    body = query(prop("FN", match("BOB")), "<D:getetag/><CR:address-data/>")
    answer = await both_sites.ivanov.request("REPORT", BOOK, body, {"Depth": "1"})
    assert answer.hrefs == [BOOK + "bob.vcf", BOOK + "big.vcf"]
    data = answer.prop(BOOK + "bob.vcf", "CR:address-data")
    assert data is not None and data.replace("\n", "\r\n").encode() == CARDS["bob"]


async def test_limit(site: Site) -> None:
    # RFC 6352 §8.6.2
    await fill(site.ivanov)
    limit = "<CR:limit><CR:nresults>2</CR:nresults></CR:limit>"
    answer = await site.ivanov.request("REPORT", BOOK, query("", extra=limit))
    assert len(answer.hrefs) == 3
    assert "507" in answer.texts(f"//D:response[D:href='{BOOK}']/D:status")[0]
    for number in ("none", "0", "9" * 5000):
        wrong = f"<CR:limit><CR:nresults>{number}</CR:nresults></CR:limit>"
        assert (await site.ivanov.request("REPORT", BOOK, query("", extra=wrong))).status == 400


async def test_parts_of_a_card(site: Site) -> None:
    await fill(site.ivanov)
    asked = (
        "<CR:address-data><CR:prop name='EMAIL'/><CR:prop name='X-ABLABEL' novalue='yes'/></CR:address-data>"
    )
    body = (
        f"<CR:addressbook-multiget {DECLARED}><D:prop>{asked}</D:prop><D:href>{BOOK}bob.vcf</D:href>"
        f"<D:href>{BOOK}nobody.vcf</D:href></CR:addressbook-multiget>"
    )
    answer = await site.ivanov.request("REPORT", BOOK, body)
    assert (answer.prop(BOOK + "bob.vcf", "CR:address-data") or "").split("\n") == [
        "BEGIN:VCARD",
        "VERSION:3.0",
        "UID:bob",
        "ITEM1.EMAIL;TYPE=HOME:bob@example.org",
        "ITEM1.X-ABLABEL:",
        "END:VCARD",
        "",
    ]
    assert "404" in answer.texts(f"//D:response[D:href='{BOOK}nobody.vcf']/D:status")[0]


@pytest.mark.parametrize(
    ("data", "status", "condition"),
    [
        (b"hello", 403, "valid-address-data"),
        (CARDS["bob"].replace(b"UID:bob\r\n", b""), 403, "valid-address-data"),
        (CARDS["bob"].replace(b"3.0", b"2.1"), 403, "valid-address-data"),
        (CARDS["anna"] + CARDS["bob"], 403, "valid-address-data"),
        (CARDS["anna"], 409, "no-uid-conflict"),
        (card("x", "x" * 1_100_000), 403, "max-resource-size"),
    ],
)
async def test_refused_cards(site: Site, data: bytes, status: int, condition: str) -> None:
    # RFC 6352 §6.3.2.1
    await put(site.ivanov, BOOK + "anna.vcf", CARDS["anna"])
    answer = await site.ivanov.request("PUT", BOOK + "x.vcf", data, VCF)
    assert (answer.status, answer.condition) == (status, condition)
    assert (await site.ivanov.request("GET", BOOK + "x.vcf")).status == 404


@pytest.mark.parametrize(
    ("body", "status", "condition"),
    [
        (query(prop("FN", match("x", more="collation='i;klingon'"))), 403, "supported-collation"),
        (query(prop("FN", match("x", "sounds-like"))), 403, "valid-filter"),
        (query("", "<CR:address-data content-type='text/html'/>"), 403, "supported-address-data"),
    ],
)
async def test_refused_queries(site: Site, body: str, status: int, condition: str) -> None:
    await fill(site.ivanov)
    answer = await site.ivanov.request("REPORT", BOOK, body)
    assert (answer.status, answer.condition) == (status, condition)
    for wrong in (query(prop("")), query("", test="most"), f"<CR:addressbook-query {DECLARED}/>"):
        assert (await site.ivanov.request("REPORT", BOOK, wrong)).status == 400


async def test_cards_come_back_byte_for_byte(both_sites: Site) -> None:
    first, second = both_sites.ivanov, both_sites.ivanov
    made = await put(first, BOOK + "dora.vcf", CARDS["dora"])
    seen = await second.request("GET", BOOK + "dora.vcf")
    assert (seen.body, seen.headers["etag"]) == (CARDS["dora"], made.headers["etag"])
    changed = CARDS["dora"].replace(b"Dora", b"Theodora")
    assert (await second.request("PUT", BOOK + "dora.vcf", changed, VCF)).status == 204
    answer = await first.request("REPORT", BOOK, query(prop("FN", match("theo"))))
    assert answer.hrefs == [BOOK + "dora.vcf"]
    other = await second.request("PUT", BOOK + "dora.vcf", CARDS["bob"], VCF)
    assert (other.status, other.condition) == (409, "no-uid-conflict")


async def test_the_departments_book_is_read_only(both_sites: Site) -> None:
    ivanov = both_sites.ivanov
    answer = await ivanov.request(
        "REPORT", DEPARTMENT, query("", "<D:getetag/><CR:address-data/>"), {"Depth": "1"}
    )
    text = answer.body.decode()
    assert PETROVA in text and ROOM in text and SIDOROV not in text
    search = await ivanov.request("REPORT", DEPARTMENT, query(prop("EMAIL", match("PETROVA"))))
    assert len(search.hrefs) == 1 and search.hrefs[0].startswith(DEPARTMENT)
    for method, path, data in (
        ("PUT", DEPARTMENT + "new.vcf", CARDS["bob"]),
        ("PUT", search.hrefs[0], CARDS["bob"]),
        ("DELETE", search.hrefs[0], b""),
        ("DELETE", DEPARTMENT, b""),
    ):
        refused = await ivanov.request(method, path, data, VCF if data else {})
        assert (refused.status, refused.condition) == (403, "need-privileges")
    assert (await ivanov.request("GET", search.hrefs[0])).status == 200
    other = await both_sites.sidorov.request("REPORT", f"/dav/addressbooks/{SIDOROV}/directory/", query(""))
    assert other.status == 207 and search.hrefs[0].rpartition("/")[2] not in other.body.decode()


async def test_the_department_s_book_is_searched_by_the_directory_s_index(both_sites: Site) -> None:
    """What the index finds is what reading every card would find, at once after a change."""
    directory, client = both_sites.core.directory, both_sites.ivanov

    async def found(filter_: str, test: str = "anyof", extra: str = "") -> list[str]:
        answer = await client.request(
            "REPORT", DEPARTMENT, query(filter_, "<CR:address-data/>", test=test, extra=extra)
        )
        assert answer.status == 207
        texts = answer.texts("//CR:address-data")
        return sorted(line[3:] for text in texts for line in text.splitlines() if line.startswith("FN:"))

    await directory.create_person("semenov@digital.example", "Семёнов,  Пётр", post="Инженер; связь")
    assert await found(prop("FN", match("СЕМЁНОВ,  п"))) == ["Семёнов\\,  Пётр"]
    assert await found(prop("FN", match("семенов"))) == []  # another letter, RFC 6352 §8.3
    assert await found(prop("TITLE", match("инженер; св", "starts-with"))) == ["Семёнов\\,  Пётр"]
    assert await found(prop("FN", match("етров")) + prop("EMAIL", match("room@"))) == [
        "Переговорная",
        "Петрова Анна",
    ]
    assert await found(prop("FN", match("пе")) + prop("EMAIL", match("room@")), "allof") == ["Переговорная"]
    assert await found(prop("EMAIL", match("an@"))) == []
    await directory.add_alias(both_sites.people[PETROVA], "an@digital.example")
    assert await found(prop("EMAIL", match("an@"))) == ["Петрова Анна"]
    await directory.update(both_sites.people[PETROVA].id, Change(name="Титова Анна"))
    assert await found(prop("FN", match("петрова"))) == []
    assert await found(prop("FN", match("титова"))) == ["Титова Анна"]
    await directory.disable(both_sites.people[PETROVA].id)
    assert await found(prop("FN", match("титова"))) == []
    one = "<CR:limit><CR:nresults>1</CR:nresults></CR:limit>"
    cut = await client.request("REPORT", DEPARTMENT, query(prop("FN", match("п")), extra=one))
    assert len(cut.hrefs) == 2 and cut.hrefs[-1] == DEPARTMENT


async def test_a_shared_book_is_found_in_the_others_home(site: Site) -> None:
    await fill(site.ivanov)
    owner = site.people[IVANOV].id
    book = await site.store.read(lambda tx: collections.by_role(tx, owner, "addressbook", "default"))
    assert book is not None
    access = site.core.directory.access
    await site.store.write(
        lambda tx: access.grant(tx, book, site.people[PETROVA].id, Rights.LOOKUP | Rights.READ)
    )
    path = f"/dav/addressbooks/{PETROVA}/contacts_shared_by_{IVANOV}/"
    answer = await site.petrova.request("REPORT", path, query(prop("FN", match("bob"))))
    assert answer.hrefs == [path + "bob.vcf"]
    assert (await site.petrova.request("PUT", path + "x.vcf", card("x", "X"), VCF)).status == 403


async def test_options_and_properties(site: Site) -> None:
    body = (
        f"<D:propfind {DECLARED}><D:prop><CR:supported-address-data/><CR:supported-collation-set/>"
        "<CR:max-resource-size/><CR:addressbook-description/><D:resourcetype/></D:prop></D:propfind>"
    )
    patch = (
        f"<D:propertyupdate {DECLARED}><D:set><D:prop><CR:addressbook-description>Mine"
        "</CR:addressbook-description></D:prop></D:set></D:propertyupdate>"
    )
    assert (await site.ivanov.request("PROPPATCH", BOOK, patch)).status == 207
    answer = await site.ivanov.request("PROPFIND", BOOK, body, {"Depth": "0"})
    assert answer.prop(BOOK, "CR:addressbook-description") == "Mine"
    assert answer.find("//CR:address-data-type/@version") == ["3.0", "4.0"]
    assert "i;unicode-casemap" in answer.texts("//CR:supported-collation")
    assert answer.find("//D:resourcetype/CR:addressbook")


async def test_the_other_version_for_who_asks(both_sites: Site) -> None:
    client = both_sites.ivanov
    await fill(client)
    plain = await client.request("GET", f"{BOOK}anna.vcf", headers={"Accept": "text/vcard, */*"})
    assert plain.body == CARDS["anna"]
    four = await client.request("GET", f"{BOOK}anna.vcf", headers={"Accept": "text/vcard; version=4.0"})
    assert four.body.startswith(b"BEGIN:VCARD\r\nVERSION:4.0\r\n") and b"EMAIL;TYPE=work:" in four.body
    assert four.headers["content-type"] == "text/vcard; charset=utf-8; version=4.0"
    assert (four.headers["etag"], four.headers["vary"]) == (f"W/{plain.headers['etag']}", "Accept")
    ask = f'<CR:address-data content-type="text/vcard" version="{{}}" xmlns:CR="{NAMESPACES["CR"]}"/>'
    for version, missing in (("3.0", "4.0"), ("4.0", "3.0")):
        found = await client.request("REPORT", BOOK, query("", ask.format(version)), {"Depth": "1"})
        texts = found.texts("//CR:address-data")
        assert len(texts) == 4 and all(f"VERSION:{version}" in text for text in texts)
        assert not any(f"VERSION:{missing}" in text for text in texts)
    refused = await client.request("REPORT", BOOK, query("", ask.format("2.1")), {"Depth": "1"})
    assert (refused.status, refused.condition) == (403, "supported-address-data")
