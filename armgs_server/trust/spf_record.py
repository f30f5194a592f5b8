# SPDX-License-Identifier: Apache-2.0
"""SPF records as text: RFC 7208 §4.6 (terms), §5 (mechanisms), §6 (modifiers), §7.1 (macros).

Pure: nothing here asks the DNS. A record with one term that breaks the grammar is no record at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from armgs_server.errors import Invalid

VERSION = "v=spf1"
# Terms of one record, whatever fits into a TXT record: nothing sensible has more.
TERMS = 500

_QUALIFIERS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_TERM = re.compile(r"([+\-~?]?)([A-Za-z][A-Za-z0-9_.-]*)(=?)(.*)", re.DOTALL)
_CIDR = re.compile(r"(?P<rest>.*?)(?:/(?P<four>0|[1-9][0-9]*))?(?://(?P<six>0|[1-9][0-9]*))?", re.DOTALL)
# macro-expand (RFC 7208 §7.1)
MACRO = re.compile(
    r"%(?:(?P<escape>[%_-])|\{(?P<letter>[A-Za-z])(?P<digits>[0-9]*)(?P<reverse>[rR]?)(?P<delimiters>[.\-+,/_=]*)\})"
)
_LETTERS = frozenset("slodiphv")
_EXPLANATION_LETTERS = frozenset("crt")
# toplabel (RFC 7208 §7.1): no number alone
_DOMAIN_END = re.compile(
    r".*\.(?=[A-Za-z0-9-]*[A-Za-z-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One directive. `domain` is a domain-spec with its macros, "" where none is given."""

    name: str
    result: str  # of the qualifier: pass fail softfail neutral
    domain: str = ""
    prefix4: int = 32
    prefix6: int = 128
    network: IPv4Network | IPv6Network | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A valid record."""

    mechanisms: tuple[Mechanism, ...]
    redirect: str = ""


def is_record(text: str) -> bool:
    """RFC 7208 §4.5: the version, then a space or the end."""
    return text[: len(VERSION)].lower() == VERSION and text[len(VERSION) : len(VERSION) + 1] in ("", " ")


@lru_cache(maxsize=1000)
def parse_record(text: str) -> Record:
    """The record; Invalid where a term breaks the grammar (RFC 7208 §4.6: permerror)."""
    if not text.isascii():
        raise Invalid("the record is not ASCII")
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    terms = [term for term in text[len(VERSION) :].split(" ") if term]
    if len(terms) > TERMS:
        raise Invalid("too many terms")
    for term in terms:
        match = _TERM.fullmatch(term)
        if match is None:
            raise Invalid(f"{term!r} is no term")
        qualifier, name, equals, rest = match.groups()
        if not equals:
            mechanisms.append(_parse_mechanism(name.lower(), _QUALIFIERS[qualifier or "+"], rest, term))
            continue
        if qualifier:
            raise Invalid(f"{term!r} is no term")
        _parse_modifier(name.lower(), rest, modifiers)
    return Record(tuple(mechanisms), modifiers.get("redirect", ""))


def check_macros(text: str, *, is_explanation: bool = False) -> None:
    """RFC 7208 §7.1; Invalid where a "%" begins no macro."""
    position = 0
    while (position := text.find("%", position)) >= 0:
        match = MACRO.match(text, position)
        if match is None:
            raise Invalid(f"{text!r} has no macro after its %")
        letter = (match["letter"] or "s").lower()
        if letter not in _LETTERS and not (is_explanation and letter in _EXPLANATION_LETTERS):
            raise Invalid(f"there is no macro {letter!r}")
        if match["digits"] and not int(match["digits"][:9]):  # RFC 7208 §7.1: must be nonzero
            raise Invalid("a macro keeps no label")
        position = match.end()
    if not all("!" <= char <= "~" for char in text):
        raise Invalid(f"{text!r} holds what no macro-string holds")


def _parse_modifier(name: str, value: str, modifiers: dict[str, str]) -> None:
    if name not in ("redirect", "exp"):
        check_macros(value, is_explanation=True)  # RFC 7208 §6: unknown ones are ignored, when well-formed
        return
    if name in modifiers:  # RFC 7208 §6: not more than once
        raise Invalid(f"{name}= is there twice")
    _check_domain_spec(value)
    modifiers[name] = value


def _parse_mechanism(name: str, result: str, rest: str, term: str) -> Mechanism:
    if name == "all" and not rest:
        return Mechanism(name, result)
    if name in ("include", "exists") and rest.startswith(":"):
        return Mechanism(name, result, _check_domain_spec(rest[1:]))
    if name == "ptr" and (not rest or rest.startswith(":")):
        return Mechanism(name, result, _check_domain_spec(rest[1:]) if rest else "")
    if name in ("a", "mx"):
        return _parse_address_mechanism(name, result, rest, term)
    if name in ("ip4", "ip6") and rest.startswith(":"):
        return Mechanism(name, result, network=_parse_network(name, rest[1:], term))
    raise Invalid(f"{term!r} is no term")


def _parse_address_mechanism(name: str, result: str, rest: str, term: str) -> Mechanism:
    """RFC 7208 §5.3 and §5.4: [ ":" domain-spec ] [ dual-cidr-length ]"""
    match = _CIDR.fullmatch(rest)
    assert match is not None  # every part of the pattern may be empty
    domain = match["rest"]
    if domain and not domain.startswith(":"):
        raise Invalid(f"{term!r} is no term")
    prefix4 = int((match["four"] or "32")[:4])
    prefix6 = int((match["six"] or "128")[:4])
    if prefix4 > 32 or prefix6 > 128:
        raise Invalid(f"{term!r} has a prefix that is too long")
    return Mechanism(name, result, _check_domain_spec(domain[1:]) if domain else "", prefix4, prefix6)


def _parse_network(name: str, text: str, term: str) -> IPv4Network | IPv6Network:
    address, slash, prefix = text.partition("/")
    if slash and not re.fullmatch(r"0|[1-9][0-9]{0,2}", prefix):
        raise Invalid(f"{term!r} has no prefix after its /")
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise Invalid(f"{term!r}: {error}") from error
    if network.version != (4 if name == "ip4" else 6) or "%" in address:
        raise Invalid(f"{term!r} is of the other family")
    return network


def _check_domain_spec(text: str) -> str:
    """RFC 7208 §7.1: it ends with a label that is no number, or with a macro."""
    check_macros(text)
    if not _ends_with_macro(text) and not _DOMAIN_END.fullmatch(text):
        raise Invalid(f"{text!r} is no domain")
    return text


def _ends_with_macro(text: str) -> bool:
    matches: Sequence[re.Match[str]] = list(MACRO.finditer(text))
    return bool(matches) and matches[-1].end() == len(text) and bool(matches[-1]["letter"])
