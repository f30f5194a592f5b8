# SPDX-License-Identifier: Apache-2.0
"""The Authenticated Received Chain of a message: RFC 8617 §4 (sets), §5.1 (sealing), §5.2 (validation)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from armgs_server.errors import Invalid
from armgs_server.trust import dkim, fields, keys
from armgs_server.trust.bodies import Bodies
from armgs_server.trust.dkim import Result
from armgs_server.trust.fields import Field
from armgs_server.trust.lookups import Lookups
from armgs_server.trust.tags import parse_base64, parse_number, parse_tags, without_blanks, words

RESULTS = b"arc-authentication-results"
MESSAGE_SIGNATURE = b"arc-message-signature"
SEAL = b"arc-seal"
# RFC 8617 §4.2.1: an instance is between 1 and 50.
SETS = 50
# COMPAT: sealers that leave c= out have signed the relaxed forms, as ARC's test-suite has it.
DEFAULT_FORM = "relaxed/relaxed"


@dataclass(slots=True)
class ArcSet:
    """The three fields of one instance, in which a seal signs them (RFC 8617 §5.1.1)."""

    results: Field
    message_signature: Field
    seal: Field


@dataclass(frozen=True, slots=True)
class Chain:
    """`result` is none, pass or fail; `sealer` the domain of the newest seal; of a pass only."""

    result: str
    sets: Sequence[ArcSet] = ()
    sealer: str = ""
    problem: str = ""
    sealers: tuple[str, ...] = field(default=())


class _Broken(Exception):
    """The chain does not hold."""


async def validate(lookups: Lookups, head: Sequence[Field], bodies: Bodies, now: int) -> Chain:
    """RFC 8617 §5.2; a key that cannot be asked for now breaks the chain, too."""
    sets: Sequence[ArcSet] = ()
    try:
        sets = collect(head)
        if not sets:
            return Chain("none")
        _check_structure(sets)
        await _check_message_signature(lookups, sets[-1], head, bodies, now)
        covered = canonical_sets(sets)
        sealers = [await _check_seal(lookups, sets[at], covered[:at]) for at in range(len(sets) - 1, -1, -1)]
    except (_Broken, Invalid) as error:
        return Chain("fail", sets, problem=str(error))
    return Chain("pass", sets, sealers[0], sealers=tuple(sealers))


def collect(head: Sequence[Field]) -> list[ArcSet]:
    """The sets in the order of their instances; Invalid where they are no chain (RFC 8617 §5.2, step 3)."""
    found: dict[int, dict[bytes, Field]] = {}
    for each in head:
        if each.name not in (RESULTS, MESSAGE_SIGNATURE, SEAL):
            continue
        instance = _instance(each)
        if not 1 <= instance <= SETS:
            raise Invalid("an instance is out of range")
        if each.name in found.setdefault(instance, {}):
            raise Invalid(f"instance {instance} has a field twice")
        found[instance][each.name] = each
    if sorted(found) != list(range(1, len(found) + 1)):
        raise Invalid("an instance is missing")
    sets = []
    for instance in range(1, len(found) + 1):
        members = found[instance]
        if len(members) != 3:
            raise Invalid(f"instance {instance} is not whole")
        sets.append(ArcSet(members[RESULTS], members[MESSAGE_SIGNATURE], members[SEAL]))
    return sets


def seal_input(before: Sequence[bytes], sealed: ArcSet) -> bytes:
    """What the seal of a set signs (RFC 8617 §5.1.1): the canonical sets before, and its own without b=."""
    own = fields.relaxed(sealed.results.raw) + fields.relaxed(sealed.message_signature.raw)
    return b"".join(before) + own + dkim.without_value(fields.relaxed(sealed.seal.raw))


def canonical_sets(sets: Sequence[ArcSet]) -> list[bytes]:
    """Each as the later seals sign it."""
    return [_canonical(each) for each in sets]


def status_of(member: ArcSet) -> str:
    """What a seal says of the chain before it (cv=); Invalid."""
    return without_blanks(parse_tags(member.seal.text).get("cv", "")).lower()


def _instance(member: Field) -> int:
    """i= of each of the three; ARC-Authentication-Results has it before a payload of another grammar."""
    if member.name == RESULTS:
        name, equals, value = member.text.partition(";")[0].partition("=")
        if name.strip() != "i" or not equals:
            raise Invalid("ARC-Authentication-Results has no instance")
        return parse_number(value.strip())
    tags = parse_tags(member.text)
    if "i" not in tags:
        raise Invalid("a field has no instance")
    return parse_number(without_blanks(tags["i"]))


def _check_structure(sets: Sequence[ArcSet]) -> None:
    """RFC 8617 §5.2, steps 2 and 3: what the seals themselves say."""
    for number, each in enumerate(sets, 1):
        expected = "none" if number == 1 else "pass"
        found = status_of(each)
        if found != expected:
            raise _Broken(f"seal {number} says cv={found[:10]}")


async def _check_message_signature(
    lookups: Lookups, newest: ArcSet, head: Sequence[Field], bodies: Bodies, now: int
) -> None:
    """RFC 8617 §5.2, step 4: the message is as the newest set has it."""
    tags = parse_tags(newest.message_signature.text)
    signature = dkim.parse_signature_tags({"c": DEFAULT_FORM, **tags})
    if "arc-seal" in (name.lower() for name in signature.headers):  # RFC 8617 §4.1.2
        raise _Broken("a message signature covers a seal")
    checked = await dkim.verify(lookups, signature, newest.message_signature, head, bodies, now)
    if checked.result is not Result.PASS:
        raise _Broken(f"the newest message signature: {checked.problem}")


async def _check_seal(lookups: Lookups, sealed: ArcSet, before: Sequence[bytes]) -> str:
    """RFC 8617 §5.2, step 6; the sealer's domain."""
    tags = parse_tags(sealed.seal.text)
    number = len(before) + 1
    missing = [name for name in ("a", "b", "d", "s") if not tags.get(name)]
    if missing or "h" in tags or "bh" in tags:  # RFC 8617 §4.1.3: a seal names no fields
        raise _Broken(f"seal {number} is not well-formed")
    domain = without_blanks(tags["d"]).lower()
    selector = without_blanks(tags["s"]).lower()
    algorithm = "".join(words(tags["a"])).lower()
    record = await dkim.key_of_seal(lookups, selector, domain, algorithm)
    if isinstance(record, str):
        raise _Broken(f"seal {number}: {record}")
    assert record.key is not None  # key_of_seal has refused it
    if not keys.verify(record.key, parse_base64(tags["b"]), seal_input(before, sealed)):
        raise _Broken(f"seal {number} did not verify")
    return domain


def _canonical(each: ArcSet) -> bytes:
    members = (each.results, each.message_signature, each.seal)
    return b"".join(fields.relaxed(member.raw) for member in members)
