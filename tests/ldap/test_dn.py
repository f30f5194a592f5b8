# SPDX-License-Identifier: Apache-2.0
"""Names (RFC 4514): the RFC's own examples, what is no name, and that what we write is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.ldap.dn import MOST_RDNS, escape, of_domain, parse_dn, prepare, serialise


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", ()),
        ("UID=jsmith,DC=example,DC=net", ((("uid", "jsmith"),), (("dc", "example"),), (("dc", "net"),))),
        (
            "OU=Sales+CN=J.  Smith,DC=net",
            ((("cn", "j. smith"), ("ou", "sales")), (("dc", "net"),)),
        ),
        (
            r"CN=James \"Jim\" Smith\, III,DC=net",
            ((("cn", 'james "jim" smith, iii'),), (("dc", "net"),)),
        ),
        (r"CN=Before\0dAfter,DC=net", ((("cn", "before after"),), (("dc", "net"),))),
        (r"CN=Lu\C4\8Di\C4\87", ((("cn", "lučić"),),)),
        ("cn = a ; dc = b", ((("cn", "a"),), (("dc", "b"),))),
        (r"cn=\ a\ ", ((("cn", "a"),),)),
        ("2.5.4.3=a", ((("cn", "a"),),)),
        ("commonName=a", ((("cn", "a"),),)),
        ("x-own=Ё", ((("x-own", "ё"),),)),
        ("cn=", ((("cn", ""),),)),
    ],
)
def test_names(text: str, name: object) -> None:
    assert parse_dn(text) == name


@pytest.mark.parametrize(
    "text",
    ["nonsense", "=a", "cn=a,", "cn=a,,cn=b", "cn=a<b", 'cn="a"', r"cn=\zz", "cn=#04024869", r"cn=\ff",
     "cn=a\0", "1.=a", "cn=a+"],
)  # fmt: skip
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(Invalid):
        parse_dn(text)


def test_a_name_has_an_end() -> None:
    assert len(parse_dn(",".join(["dc=a"] * MOST_RDNS))) == MOST_RDNS
    with pytest.raises(Invalid):
        parse_dn(",".join(["dc=a"] * (MOST_RDNS + 1)))


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("a,b+c", r"a\,b\+c"),
        ("#a", r"\#a"),
        (" a ", r"\ a\ "),
        (" ", r"\ "),
        ('<"\\>;', r"\<\"\\\>\;"),
        ("\0", r"\00"),
    ],
)
def test_escapes(value: str, escaped: str) -> None:
    assert escape(value) == escaped


def test_domains() -> None:
    assert of_domain("digital.gov.example") == "dc=digital,dc=gov,dc=example"
    assert of_domain("пример.рф") == "dc=xn--e1afmkfd,dc=xn--p1ai"


@given(
    st.lists(
        st.text(min_size=1, max_size=20).filter(lambda text: prepare(text) != ""), min_size=1, max_size=4
    )
)
def test_what_is_written_is_read(values: list[str]) -> None:
    values = [value.encode("utf-8", "replace").decode() for value in values]
    name = parse_dn(",".join(f"cn={escape(value)}" for value in values))
    assert name == tuple((("cn", prepare(value)),) for value in values)
    assert parse_dn(serialise(name)) == name


@given(st.text(alphabet='cn=,+\\;"<> #\x00aё', max_size=30))
def test_any_text(text: str) -> None:
    try:
        name = parse_dn(text)
    except Invalid:
        return
    assert isinstance(serialise(name), str)
