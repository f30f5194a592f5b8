# SPDX-License-Identifier: Apache-2.0
"""DKIM signatures of a message and whether they hold: RFC 6376 §6, RFC 8301, RFC 8463.

Invariant: a signature counts only when it covers From: and the whole body; one that leaves the end of the
body open (l=) would let anybody write there (RFC 6376 §8.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from armgs_server.errors import Invalid, Temporary
from armgs_server.formats import addresses
from armgs_server.trust import fields, keys
from armgs_server.trust.aside import aside
from armgs_server.trust.bodies import Bodies
from armgs_server.trust.fields import Field
from armgs_server.trust.keys import KeyRecord
from armgs_server.trust.lookups import Lookups
from armgs_server.trust.tags import parse_base64, parse_number, parse_tags, without_blanks, words

FIELD = b"dkim-signature"
# A clock that goes a little fast is no forgery.
CLOCK_SKEW = 300
CANONICALIZATIONS = {"simple": fields.simple, "relaxed": fields.relaxed}
# b= with its value, wherever it stands among the tags (RFC 6376 §3.5)
_SIGNATURE_VALUE = re.compile(rb"(?P<before>(?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


class Result(StrEnum):
    """RFC 8601 §2.7.1"""

    PASS = "pass"
    FAIL = "fail"
    POLICY = "policy"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class Signature:
    """The tags of one DKIM-Signature or ARC-Message-Signature that are needed to check it."""

    algorithm: str
    domain: str
    selector: str
    identity: str
    headers: tuple[str, ...]
    header_form: str
    body_form: str
    body_hash: bytes
    value: bytes
    length: int | None
    made: int | None
    expires: int | None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a signature is worth."""

    result: Result
    domain: str
    selector: str = ""
    algorithm: str = ""
    problem: str = ""
    value: str = ""  # the beginning of b=, which tells signatures of one domain apart (RFC 6008)


class _Refused(Exception):
    """Ends the check of one signature with a result."""

    def __init__(self, result: Result, problem: str) -> None:
        super().__init__(problem)
        self.result = result


def parse_signature(text: str) -> Signature:
    """RFC 6376 §3.5; Invalid where a tag is missing or wrong."""
    tags = parse_tags(text)
    if tags.get("v") != "1":
        raise Invalid("the version is not 1")
    return parse_signature_tags(tags)


def parse_signature_tags(tags: Mapping[str, str]) -> Signature:
    """What DKIM-Signature and ARC-Message-Signature have in common (RFC 8617 §4.1.2)."""
    for name in ("a", "b", "bh", "d", "h", "s"):
        if not tags.get(name):
            raise Invalid(f"the tag {name}= is missing")
    domain = without_blanks(tags["d"]).lower()
    identity = without_blanks(tags.get("i", "")) if "v" in tags else ""  # of ARC, i= counts sets
    identity_domain = identity.rpartition("@")[2].lower() or domain
    if identity_domain != domain and not identity_domain.endswith(f".{domain}"):
        raise Invalid("the identity is not below the domain")  # RFC 6376 §3.5, i=
    headers = tuple(words(tags["h"]))
    if "from" not in (name.lower() for name in headers):  # RFC 6376 §5.4
        raise Invalid("From: is not signed")
    header_form, _, body_form = without_blanks(tags.get("c", "simple")).lower().partition("/")
    body_form = body_form or "simple"
    if header_form not in CANONICALIZATIONS or body_form not in CANONICALIZATIONS:
        raise Invalid("the canonicalization is not known")
    if "q" in tags and "dns/txt" not in words(tags["q"]):
        raise Invalid("the key is not in the DNS")
    made = parse_number(tags["t"]) if "t" in tags else None
    expires = parse_number(tags["x"]) if "x" in tags else None
    if made is not None and expires is not None and expires <= made:
        raise Invalid("the signature expires before it was made")
    return Signature(
        algorithm=without_blanks(tags["a"]).lower(),
        domain=domain,
        selector=without_blanks(tags["s"]).lower(),
        identity=identity_domain,
        headers=headers,
        header_form=header_form,
        body_form=body_form,
        body_hash=parse_base64(tags["bh"]),
        value=parse_base64(tags["b"]),
        length=parse_number(tags["l"]) if "l" in tags else None,
        made=made,
        expires=expires,
    )


async def verify_all(
    lookups: Lookups, head: Sequence[Field], bodies: Bodies, now: int, limit: int
) -> list[Checked]:
    """The signatures from the top, at most `limit`; `now` in seconds."""
    found = [field for field in head if field.name == FIELD]
    return [await _verify_field(lookups, field, head, bodies, now) for field in found[:limit]]


async def _verify_field(
    lookups: Lookups, field: Field, head: Sequence[Field], bodies: Bodies, now: int
) -> Checked:
    try:
        signature = parse_signature(field.text)
    except Invalid as error:
        return Checked(Result.PERMERROR, _domain_of(field), problem=error.text)
    return await verify(lookups, signature, field, head, bodies, now)


async def verify(
    lookups: Lookups, signature: Signature, field: Field, head: Sequence[Field], bodies: Bodies, now: int
) -> Checked:
    """One signature, also of an ARC set (RFC 8617 §4.1.2); `field` holds it."""
    result, problem = Result.PASS, ""
    try:
        check_times(signature, now)
        record = await find_key(lookups, signature.selector, signature.domain, signature.algorithm)
        if record.is_strict and signature.identity != signature.domain:  # RFC 6376 §3.6.1, t=s
            raise _Refused(Result.PERMERROR, "the key is for its own domain only")
        _check_body(signature, bodies)
        assert record.key is not None  # find_key has refused it
        size = sum(len(each.raw) for each in head)
        data = await aside(size, signed_data, signature, field, head)
        if not keys.verify(record.key, signature.value, data):
            raise _Refused(Result.FAIL, "signature verification failed")
    except _Refused as refused:
        result, problem = refused.result, str(refused)
    return Checked(
        result,
        signature.domain,
        signature.selector,
        signature.algorithm,
        problem,
        without_blanks(parse_tags(field.text)["b"])[:8],
    )


def check_times(signature: Signature, now: int) -> None:
    """RFC 6376 §3.5: t= and x="""
    if signature.expires is not None and signature.expires < now - CLOCK_SKEW:
        raise _Refused(Result.POLICY, "the signature has expired")
    if signature.made is not None and signature.made > now + CLOCK_SKEW:
        raise _Refused(Result.POLICY, "the signature is of the future")


async def find_key(lookups: Lookups, selector: str, domain: str, algorithm: str) -> KeyRecord:
    """RFC 6376 §6.1.2; a key that may be used with the algorithm."""
    if algorithm not in keys.KEY_TYPES:  # RFC 8301 §3.1: rsa-sha1 is not checked
        raise _Refused(Result.POLICY, f"{algorithm[:20]} is not accepted")
    try:
        texts = await lookups.texts(_key_name(selector, domain))
    except Temporary as error:
        raise _Refused(Result.TEMPERROR, "no key: the DNS does not answer") from error
    except Invalid as error:
        raise _Refused(Result.PERMERROR, "no key: the domain is none") from error
    problem = "no key for the signature"
    for text in texts[:2]:
        try:
            record = keys.parse_key_record(text.decode("ascii", "replace"))
        except Invalid as error:
            problem = error.text
            continue
        if record.key is None:
            raise _Refused(Result.PERMERROR, "the key is revoked")
        if record.key_type != keys.KEY_TYPES[algorithm]:
            raise _Refused(Result.PERMERROR, "the key is for another algorithm")
        if not keys.is_of_fitting_size(record.key):
            raise _Refused(Result.POLICY, "the key is of unacceptable size")
        return record
    raise _Refused(Result.PERMERROR, problem)


@lru_cache(maxsize=1000)
def _key_name(selector: str, domain: str) -> str:
    """RFC 6376 §3.6.2.1, in the spelling of the DNS (RFC 8616 §4); Invalid."""
    return f"{addresses.to_ascii(selector)}._domainkey.{addresses.to_ascii(domain)}"


async def key_of_seal(lookups: Lookups, selector: str, domain: str, algorithm: str) -> KeyRecord | str:
    """The key of an ARC-Seal (RFC 8617 §4.1.3), or why there is none."""
    try:
        return await find_key(lookups, selector, domain, algorithm)
    except _Refused as refused:
        return str(refused)


def _check_body(signature: Signature, bodies: Bodies) -> None:
    found, size = bodies.sha256(signature.body_form)
    if signature.length is not None and signature.length < size:
        raise _Refused(Result.POLICY, "the signature leaves the end of the body open")
    if found != signature.body_hash or (signature.length is not None and signature.length > size):
        raise _Refused(Result.FAIL, "body hash did not verify")


def body_form(text: str, default: str = "simple/simple") -> str:
    """In which form a signature wants the body hashed; "" where it cannot be read."""
    try:
        form = without_blanks(parse_tags(text).get("c", default)).lower().partition("/")[2] or "simple"
    except Invalid:
        return ""
    return form if form in CANONICALIZATIONS else ""


def signed_data(signature: Signature, field: Field, head: Sequence[Field]) -> bytes:
    """What was signed: the chosen fields and the signature itself with its b= empty (RFC 6376 §3.7)."""
    canonical = CANONICALIZATIONS[signature.header_form]
    chosen = [canonical(raw) for raw in fields.select(head, signature.headers)]
    return b"".join(chosen) + without_value(canonical(field.raw))


def without_value(field: bytes) -> bytes:
    """A canonical signature field as it is signed: b= empty, no line end."""
    name, colon, value = field.removesuffix(b"\r\n").partition(b":")
    return name + colon + _SIGNATURE_VALUE.sub(rb"\g<before>", value, count=1)


def _domain_of(field: Field) -> str:
    """For the report of a signature that cannot be read."""
    match = re.search(r"(?:^|;)\s*d\s*=\s*([A-Za-z0-9.-]{1,253})\s*(?:;|$)", field.text)
    return match[1].lower() if match else ""
