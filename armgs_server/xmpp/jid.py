# SPDX-License-Identifier: Apache-2.0
"""Addresses: RFC 7622, localpart@domainpart/resourcepart.

A `JID` is always normalised: two JIDs are the same address exactly when they are equal. The localpart
follows UsernameCaseMapped (RFC 8265 §3.3), the resourcepart OpaqueString (RFC 8265 §4.2), the domainpart
IDNA2008 U-labels. Only `Malformed` leaves `parse`.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache

import idna

from armgs_server.errors import Invalid

MAX_PART = 1023  # octets of UTF-8 in each part, RFC 7622 §3.2-§3.4
_CACHE = 16384  # addresses a server sees again and again; about 200 bytes each
_CACHED_LENGTH = 200  # longer ones are nobody's, and would fill the memory

# RFC 7622 §3.3.1: excluded from the localpart besides what the profile excludes.
_LOCAL_EXCLUDED = frozenset("\"&'/:<>@")
_ASCII_LOCAL = re.compile(r"[a-z0-9!#$%()*+,\-.;=?\[\\\]^_`{|}~]+")
_ASCII_DOMAIN = re.compile(
    r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?)*"
)
_DOTS = (".", "\u3002", "\uff0e", "\uff61")  # UTS 46 maps the others to the first
_ASCII_RESOURCE = re.compile(r"[ -~]+")

# RFC 8264 §9: the classes allowed in IdentifierClass (LetterDigits), and the exceptions of §9.6.
_LETTER_DIGITS = frozenset({"Ll", "Lu", "Lo", "Nd", "Lm", "Mn", "Mc"})
_EXCEPTIONS_VALID = frozenset("\u00df\u03c2\u06fd\u06fe\u0f0b\u3007")
_EXCEPTIONS_DISALLOWED = frozenset("\u0640\u07fa\u302e\u302f\u3031\u3032\u3033\u3034\u3035\u303b")
_FREEFORM_DISALLOWED = frozenset({"Cc", "Cs", "Cn", "Co"})
_IGNORABLE = frozenset("\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u3164\ufeff\uffa0")


class Malformed(Invalid):
    """Not an address."""


@dataclass(frozen=True, slots=True)
class JID:
    """One address; `full` is the whole of it, `bare` the same without the resource."""

    local: str
    domain: str
    resource: str
    bare: str = field(init=False, compare=False)
    full: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        bare = f"{self.local}@{self.domain}" if self.local else self.domain
        object.__setattr__(self, "bare", bare)
        object.__setattr__(self, "full", f"{bare}/{self.resource}" if self.resource else bare)

    def __str__(self) -> str:
        return self.full

    def to_bare(self) -> JID:
        return JID(self.local, self.domain, "") if self.resource else self

    def with_resource(self, resource: str) -> JID:
        """The same bare JID with another resource, which is normalised here."""
        return JID(self.local, self.domain, parse_resource(resource))


def is_among(listed: frozenset[str], jid: JID) -> bool:
    """XEP-0191 §5: a JID is matched as full JID, bare JID, domain with resource, domain."""
    return (
        jid.bare in listed
        or jid.full in listed
        or jid.domain in listed
        or (bool(jid.resource) and f"{jid.domain}/{jid.resource}" in listed)
    )


def parse(text: str) -> JID:
    """RFC 7622 §3.1: the first `/` ends the bare JID, then the first `@` ends the localpart."""
    return _parse(text) if len(text) <= _CACHED_LENGTH else _parse.__wrapped__(text)


@lru_cache(maxsize=_CACHE)
def _parse(text: str) -> JID:
    bare, slash, resource = text.partition("/")
    local, at, domain = bare.partition("@")
    if not at:
        local, domain = "", bare
    elif not local:
        raise Malformed("empty localpart")
    if slash and not resource:
        raise Malformed("empty resourcepart")
    return JID(
        parse_local(local) if local else "",
        parse_domain(domain),
        parse_resource(resource) if resource else "",
    )


def parse_local(text: str) -> str:
    """RFC 7622 §3.3, UsernameCaseMapped: width mapping, lower case, NFC."""
    if _ASCII_LOCAL.fullmatch(text) and len(text) <= MAX_PART:
        return text
    _check_raw(text, "localpart")
    mapped = "".join(_width_mapped(char) for char in text).lower()
    mapped = unicodedata.normalize("NFC", mapped)
    for char in mapped:
        if char in _LOCAL_EXCLUDED or not _is_identifier(char):
            raise Malformed(f"character U+{ord(char):04X} is not allowed in a localpart")
    return _check_length(mapped, "localpart")


def parse_domain(text: str) -> str:
    """RFC 7622 §3.2: an IDNA name or an IP literal; a trailing dot is dropped, whichever it is."""
    text = text[:-1] if text.endswith(_DOTS) else text
    if _ASCII_DOMAIN.fullmatch(text) and "xn--" not in text:
        return _check_length(text, "domainpart")
    _check_raw(text, "domainpart")
    if text.startswith("[") and text.endswith("]"):
        try:
            return f"[{ipaddress.IPv6Address(text[1:-1])}]"
        except ValueError as error:
            raise Malformed("not an IPv6 address") from error
    try:
        name = idna.decode(idna.encode(text.lower(), uts46=True))
    except (idna.IDNAError, UnicodeError) as error:
        raise Malformed("not a domain name") from error
    if name.endswith("."):  # or one domain would have two names
        raise Malformed("not a domain name")
    return _check_length(name, "domainpart")


def parse_resource(text: str) -> str:
    """RFC 7622 §3.4, OpaqueString: other spaces become U+0020, NFC, case kept."""
    if _ASCII_RESOURCE.fullmatch(text) and len(text) <= MAX_PART:
        return text
    _check_raw(text, "resourcepart")
    mapped = "".join(" " if unicodedata.category(char) == "Zs" else char for char in text)
    mapped = unicodedata.normalize("NFC", mapped)
    for char in mapped:
        if unicodedata.category(char) in _FREEFORM_DISALLOWED or char in _IGNORABLE or _is_jamo(char):
            raise Malformed(f"character U+{ord(char):04X} is not allowed in a resourcepart")
    return _check_length(mapped, "resourcepart")


def _check_raw(text: str, part: str) -> None:
    """Before it is prepared: normalisation takes the square of the number of combining characters."""
    if len(text) > MAX_PART:
        raise Malformed(f"{part} is longer than {MAX_PART} octets")


def _check_length(text: str, part: str) -> str:
    if not text or len(text.encode("utf-8", "surrogatepass")) > MAX_PART:
        raise Malformed(f"{part} is empty or longer than {MAX_PART} octets")
    return text


def _width_mapped(char: str) -> str:
    """RFC 8265 §3.3.2 rule 1: fullwidth and halfwidth characters become their usual form."""
    decomposition = unicodedata.decomposition(char)
    if decomposition.startswith(("<wide>", "<narrow>")):
        return "".join(chr(int(code, 16)) for code in decomposition.split()[1:])
    return char


def _is_identifier(char: str) -> bool:
    """RFC 8264 §4.2 IdentifierClass, in the order of the algorithm in §8; contextual rules not taken."""
    if char in _EXCEPTIONS_VALID:
        return True
    if char in _EXCEPTIONS_DISALLOWED or char in _IGNORABLE or _is_jamo(char):
        return False
    if "\x21" <= char <= "\x7e":
        return True
    if unicodedata.normalize("NFKC", char) != char:  # HasCompat
        return False
    return unicodedata.category(char) in _LETTER_DIGITS


def _is_jamo(char: str) -> bool:
    """RFC 8264 §9.9 OldHangulJamo."""
    return "\u1100" <= char <= "\u11ff" or "\ua960" <= char <= "\ua97f" or "\ud7b0" <= char <= "\ud7ff"
