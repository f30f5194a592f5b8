# SPDX-License-Identifier: Apache-2.0
"""Mail addresses: `local-part@domain` of RFC 5321 §4.1.2 with RFC 6531 §3.3 (UTF-8) and IDNA (RFC 5891).

`Address` keeps what the sender wrote, without quoting; `normalise` makes the one spelling that the
directory keeps and compares: local part width-mapped, NFC and casefolded (RFC 8265 §3.3, with full case
folding), domain in lower-case U-labels, as a JID has it too. Only `to_ascii` makes A-labels, for the DNS
and for peers without SMTPUTF8.

Two addresses that normalise to the same text are the same address everywhere in the server; nothing
compares addresses in another way.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna

from armgs_server.errors import Invalid

# RFC 5321 §4.5.3.1, in octets.
MAX_LOCAL = 64
MAX_DOMAIN = 255
MAX_PATH = 254  # 256 with the angle brackets

# RFC 5322 §3.2.3 atext, with UTF8-non-ascii (RFC 6531 §3.3); isprintable() narrows that further.
ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]"
# Dot-string = Atom *("." Atom)
DOT_STRING = rf"{ATEXT}+(?:\.{ATEXT}+)*"
# Quoted-string = DQUOTE *QcontentSMTP DQUOTE; qtextSMTP = %d32-33 / %d35-91 / %d93-126;
# quoted-pairSMTP = %d92 %d32-126
QUOTED_STRING = r'"(?:[ !#-\[\]-~\x80-\U0010ffff]|\\[ -~])*"'
# sub-domain = Let-dig [Ldh-str]; U-label (RFC 6531) is left to IDNA
SUB_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

_DOT_STRING = re.compile(DOT_STRING)
_MAILBOX = re.compile(rf"({DOT_STRING}|{QUOTED_STRING})@([^@\s]+)")
_ASCII_DOMAIN = re.compile(rf"{SUB_DOMAIN}(?:\.{SUB_DOMAIN})*")
_QUOTED_PAIR = re.compile(r"\\(.)")
_WIDE = re.compile("[\uff01-\uffee\u3000]+")


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: `local` without its quotes, `domain` as written (a name, or an address literal in [])."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{_quote(self.local)}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """Whether it can be sent to a peer without SMTPUTF8 once the domain is in A-labels."""
        return self.local.isascii()

    @property
    def normalised(self) -> str:
        """The spelling by which addresses are compared."""
        return normalise(str(self))


@lru_cache(maxsize=4096)
def parse(text: str) -> Address:
    """Parse Mailbox (RFC 5321 §4.1.2); Invalid says which rule it breaks."""
    match = _MAILBOX.fullmatch(text)
    if match is None:
        raise Invalid("not a mail address")
    local, domain = match.groups()
    if local.startswith('"'):
        local = _QUOTED_PAIR.sub(r"\1", local[1:-1])
    if not text.isascii() and not text.isprintable():
        # RFC 6532 §3 allows any UTF-8; controls, separators and invisible characters only deceive readers.
        raise Invalid("a mail address holds an invisible character")
    if len(local.encode()) > MAX_LOCAL:
        raise Invalid(f"the local part is longer than {MAX_LOCAL} octets")
    check_domain(domain)
    if len(text.encode()) > MAX_PATH:
        raise Invalid(f"the address is longer than {MAX_PATH} octets")
    return Address(local, domain)


def is_valid(text: str) -> bool:
    """Whether `parse` accepts it."""
    try:
        parse(text)
    except Invalid:
        return False
    return True


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """The one spelling of an address, or of a bare domain where there is no @; Invalid if it is neither."""
    if "@" not in text:
        return normalise_domain(text)
    address = parse(text)
    local = normalise_local(address.local)
    if len(local.encode()) > MAX_LOCAL:  # folding may lengthen it
        raise Invalid(f"the local part is longer than {MAX_LOCAL} octets")
    return f"{_quote(local)}@{normalise_domain(address.domain)}"


def normalise_local(local: str) -> str:
    """Width mapping, case folding, NFC (RFC 8265 §3.3.1)."""
    if local.isascii():
        return local.lower()
    narrow = _WIDE.sub(lambda wide: unicodedata.normalize("NFKC", wide.group()), local)
    # Unicode §3.13 D145: folding after NFD is what makes canonically equal texts fold to the same.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", narrow).casefold())


def normalise_domain(domain: str) -> str:
    """Lower-case U-labels; an address literal in its canonical form."""
    if domain.startswith("["):
        return _parse_literal(domain)
    if domain.isascii() and "xn--" not in (lower := domain.lower()):
        if len(domain) > MAX_DOMAIN or not _ASCII_DOMAIN.fullmatch(domain):
            raise Invalid("not a domain name")
        return lower
    try:
        return idna.decode(to_ascii(domain)).lower()
    except UnicodeError as error:  # idna.IDNAError is one
        raise Invalid("not a domain name") from error


def check_domain(domain: str) -> None:
    """Raise Invalid unless it is a domain name (A- or U-labels) or an address literal."""
    normalise_domain(domain)


def to_ascii(domain: str) -> str:
    """The domain in A-labels, as the DNS and an RFC 5321 peer have it."""
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError as error:
        raise Invalid("not a domain name") from error
    if not _ASCII_DOMAIN.fullmatch(ascii_domain):
        raise Invalid("not a domain name")
    return ascii_domain


def split_detail(local: str, separator: str = "+") -> tuple[str, str]:
    """Split a sub-address (RFC 5233 §1) into user and detail; detail is "" where there is none."""
    user, _, detail = local.partition(separator)
    if not user:  # "+detail@" names nobody: the whole of it is the user part
        return local, ""
    return user, detail


def _quote(local: str) -> str:
    if _DOT_STRING.fullmatch(local):
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _parse_literal(text: str) -> str:
    """IPv4-address-literal or IPv6-address-literal (RFC 5321 §4.1.3); general literals name nothing known."""
    if not text.endswith("]"):
        raise Invalid("not an address literal")
    inner = text[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError as error:
        raise Invalid("not an address literal") from error
