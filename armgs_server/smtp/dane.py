# SPDX-License-Identifier: Apache-2.0
"""DANE for SMTP (RFC 7672): which TLSA records count, and whether a server's chain is what they name.

Pure. Certificates are DER, the server's own first, as it has shown them; the system's CAs do not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# RFC 6698 §2.1, by the names of RFC 7218.
DANE_TA, DANE_EE = 2, 3
CERT, SPKI = 0, 1
FULL, SHA2_256, SHA2_512 = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One TLSA record."""

    usage: int
    selector: int
    matching: int
    data: bytes

    @property
    def is_usable(self) -> bool:
        """RFC 7672 §3.1.3: PKIX-TA and PKIX-EE are of no use between mail servers."""
        lengths = {SHA2_256: 32, SHA2_512: 64}
        return (
            self.usage in (DANE_TA, DANE_EE)
            and self.selector in (CERT, SPKI)
            and self.matching in (FULL, SHA2_256, SHA2_512)
            and lengths.get(self.matching, len(self.data)) == len(self.data) != 0
        )


def matches(chain: Sequence[bytes], records: Sequence[Tlsa], names: Sequence[str], now: datetime) -> bool:
    """Whether the chain is what one of the usable records names.

    With DANE-EE neither names nor dates count (§3.1.1); with DANE-TA both do (§3.1.2), for one of `names`.
    """
    try:
        certificates = [x509.load_der_x509_certificate(each) for each in chain]
    except ValueError:
        return False
    if not certificates:
        return False
    usable = [record for record in records if record.is_usable]
    if any(record.usage == DANE_EE and _is(certificates[0], record) for record in usable):
        return True
    anchors = [record for record in usable if record.usage == DANE_TA]
    return (
        bool(anchors)
        and _is_anchored(certificates, anchors, now)
        and any(_is_named(certificates[0], name) for name in names)
    )


def _is(certificate: x509.Certificate, record: Tlsa) -> bool:
    if record.selector == SPKI:
        data = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        data = certificate.public_bytes(Encoding.DER)
    if record.matching == SHA2_256:
        data = hashlib.sha256(data).digest()
    elif record.matching == SHA2_512:
        data = hashlib.sha512(data).digest()
    return data == record.data


def _is_anchored(certificates: Sequence[x509.Certificate], anchors: Sequence[Tlsa], now: datetime) -> bool:
    """Whether a chain of signatures leads from the server's certificate to an anchor that it has shown."""
    for index, certificate in enumerate(certificates):
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return False
        if index and not _has_issued(certificate, certificates[index - 1]):
            return False
        if index and any(_is(certificate, anchor) for anchor in anchors):
            return True
    return False


def _has_issued(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        subject.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
    return constraints.ca


def _is_named(certificate: x509.Certificate, wanted: str) -> bool:
    """RFC 7672 §3.2.3: DNS names; a wildcard stands for the whole left-most label."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
    _, _, parent = wanted.lower().partition(".")
    known = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    return wanted.lower() in known or f"*.{parent}" in known
