# SPDX-License-Identifier: Apache-2.0
"""DKIM-Signature and ARC fields made here: RFC 6376 §5, RFC 8463, RFC 8617 §5.1. Pure but for the keys.

What is signed is signed whole: From: once more than it is there, so that no second one can be put above it
(RFC 6376 §8.15), and the body to its end.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server.formats import addresses
from armgs_server.trust import arc, dkim, fields, keys
from armgs_server.trust.arc import ArcSet
from armgs_server.trust.bodies import Bodies
from armgs_server.trust.fields import Field
from armgs_server.trust.keys import PrivateKey

# RFC 6376 §5.4.1, and what lists need signed (RFC 8058 §4), in the spelling of the standards.
SIGNED = (
    "From",
    "Sender",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "To",
    "Cc",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "List-Id",
    "List-Post",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Owner",
    "List-Archive",
)
# Of an ARC set, the signatures that came with the message as well (RFC 8617 §4.1.2).
SEALED = ("DKIM-Signature", *SIGNED)
_LINE = 72


@dataclass(frozen=True, slots=True)
class Signer:
    """A key and the name it is known under."""

    domain: str
    selector: str
    key: PrivateKey

    @property
    def algorithm(self) -> str:
        """The name in a=."""
        return keys.algorithm_of(self.key)


def sign(signer: Signer, head: Sequence[Field], bodies: Bodies, now: int) -> bytes:
    """A DKIM-Signature field over the message."""
    start = f"DKIM-Signature: v=1; a={signer.algorithm}; c=relaxed/relaxed; d={_domain(signer)};\r\n\t"
    start += f"s={signer.selector}; t={now};"
    return _sign_message(start, signer, SIGNED, head, bodies)


def seal(
    signer: Signer,
    sets: Sequence[ArcSet],
    results: str,
    status: str,
    head: Sequence[Field],
    bodies: Bodies,
    now: int,
) -> bytes:
    """The next ARC set: `results` is our Authentication-Results, `status` the chain's (cv=)."""
    number = len(sets) + 1
    own_results = f"ARC-Authentication-Results: i={number}; {results.strip()}\r\n".encode()
    start = f"ARC-Message-Signature: i={number}; a={signer.algorithm}; c=relaxed/relaxed;\r\n\t"
    start += f"d={_domain(signer)}; s={signer.selector}; t={now};"
    message_signature = _sign_message(start, signer, SEALED, head, bodies)
    text = f"ARC-Seal: i={number}; a={signer.algorithm}; t={now}; cv={status};\r\n\t"
    text += f"d={_domain(signer)}; s={signer.selector}; b="
    unsigned = ArcSet(
        Field(arc.RESULTS, own_results),
        Field(arc.MESSAGE_SIGNATURE, message_signature),
        Field(arc.SEAL, f"{text}\r\n".encode()),
    )
    # RFC 8617 §5.1.2: the seal of a broken chain covers nothing but its own set.
    before = [] if status == "fail" else arc.canonical_sets(sets)
    value = _folded(b64encode(keys.sign(signer.key, arc.seal_input(before, unsigned))).decode())
    return f"{text}{value}\r\n".encode() + message_signature + own_results


def _sign_message(
    start: str, signer: Signer, names: Sequence[str], head: Sequence[Field], bodies: Bodies
) -> bytes:
    there = [field.name for field in head]
    chosen = [name for name in names for _ in range(there.count(name.lower().encode()))]
    chosen.append("From")
    body_hash = b64encode(bodies.sha256("relaxed")[0]).decode()
    text = f"{start}\r\n\th={_folded_names(chosen)};\r\n\tbh={body_hash};\r\n\tb="
    canonical = [fields.relaxed(raw) for raw in fields.select(head, chosen)]
    data = b"".join(canonical) + dkim.without_value(fields.relaxed(text.encode()))
    return f"{text}{_folded(b64encode(keys.sign(signer.key, data)).decode())}\r\n".encode()


def _domain(signer: Signer) -> str:
    """RFC 6376 §3.5: the domain as the DNS has it."""
    return addresses.to_ascii(signer.domain)


def _folded(value: str) -> str:
    """base64 in lines."""
    return "\r\n\t".join(value[start : start + _LINE] for start in range(0, len(value), _LINE))


def _folded_names(names: Sequence[str]) -> str:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > _LINE:
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n\t".join(lines).removesuffix(":")
